"""WebGPT comparisons: two answers with quotes from the web to a long-form question, compared by people.

19,578 rows. https://huggingface.co/datasets/openai/webgpt_comparisons; the card names no licence. The
repository holds a loading script, so this reads the hub's own conversion to Parquet, whose commit lies beside
the main branch. Scores lie in -1 to 1 and are opposite numbers; equal ones (0) are ties, the margin is their
difference. Each side saw its own quotes: they are kept apart from the prompt. The columns of GPT-2 tokens
repeat the texts and are not kept. One question has many rows: its id is the group.
"""

from collections.abc import Iterator

from pairs.errors import SetAside
from pairs.schema import Pair
from pairs.values import finite
from sources._shapes import Rated, ranked
from sources._source import Row, Source

source = Source(
    repo="openai/webgpt_comparisons",
    revision="8193c7bffcb63ae55b88bd85647be4b77ca8cab2",
    files={"train": ("default/train/*.parquet",)},
    licence="not stated",
    label_source="human",
    optional=frozenset({"tokens_0", "tokens_1"}),
    citation="Nakano et al. 2021, arXiv:2112.09332",
    example={
        "question": {"dataset": "eli5", "id": "q3", "full_text": "Why do leaves turn red?"},
        "quotes_0": {"title": ["Autumn"], "extract": ["Chlorophyll breaks down first."]},
        "answer_0": "The green chlorophyll breaks down and other pigments show [1].",
        "tokens_0": {"prefix": [1, 2], "completion": [3]},
        "score_0": 0.75,
        "quotes_1": {"title": [], "extract": []},
        "answer_1": "It is autumn.",
        "tokens_1": {"prefix": [1, 2], "completion": [4]},
        "score_1": -0.75,
    },
)


def pairs(row: Row) -> Iterator[Pair | SetAside]:
    sides = [Rated(row[f"answer_{side}"], finite(row[f"score_{side}"], "score"), model=side) for side in "01"]
    question = row["question"]
    for found in ranked(sides):
        if isinstance(found, SetAside):
            yield found
            continue
        chosen, rejected, difference = found
        yield Pair(
            prompt=question["full_text"],
            chosen=chosen.completion,
            rejected=rejected.completion,
            source_margin=difference,
            category=question["dataset"],
            extra={
                "group": question["id"],
                "chosen_quotes": row[f"quotes_{chosen.model}"],
                "rejected_quotes": row[f"quotes_{rejected.model}"],
            },
        )
