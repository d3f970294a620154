"""PandaLM's test set: answers of small open models to everyday instructions, three human votes per pair.

999 rows. https://github.com/WeOpenML/PandaLM (data/testset-v1.json), Apache-2.0. A vote is 1 or 2 for the better
response, 0 for a tie; the majority counts. 54 rows have an empty response, 6 a JSON boolean instead of a text.
"""

from collections.abc import Iterator

from pairs.errors import BadRow, SetAside, shown
from pairs.schema import Pair
from sources._source import Row, Source

source = Source(
    repo="github:WeOpenML/PandaLM",
    revision=None,
    folder="data",
    files={"test": ("testset-v1.json",)},
    licence="Apache-2.0",
    label_source="human",
    citation="Wang et al. 2023, arXiv:2306.05087",
    example={
        "idx": 0,
        "motivation_app": "Mail",
        "cmp_key": "model-a_model-b",
        "instruction": "Make the sentence shorter.",
        "input": "In the event that it rains, we will be staying at home.",
        "response1": "In the event of rain we will be staying at home.",
        "response2": "If it rains, we stay at home.",
        "annotator1": 2,
        "annotator2": 2,
        "annotator3": 0,
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    votes = [row["annotator1"], row["annotator2"], row["annotator3"]]
    if any(type(vote) is not int or vote not in (0, 1, 2) for vote in votes):
        raise BadRow("vote_not_known", f"votes are {shown(votes)}, expected 0, 1 or 2 each")
    first, second = votes.count(1), votes.count(2)
    if max(first, second) < 2:
        raise SetAside("tie", f"votes are {votes}")
    chosen, rejected = ("response1", "response2") if first > second else ("response2", "response1")
    yield Pair(
        prompt=row["instruction"] + "\n\n" + row["input"],
        chosen=row[chosen],
        rejected=row[rejected],
        source_margin=abs(first - second) / len(votes),
        category=row["motivation_app"],
        extra={"idx": row["idx"], "cmp_key": row["cmp_key"], "votes": votes},
    )
