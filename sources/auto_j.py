"""Auto-J's pairwise test set: two answers to prompts of 58 scenarios, compared by people, ties among them.

1,392 rows, 373 of them ties. Made by https://github.com/GAIR-NLP/auto-j, which names no licence; read from its
copy in https://github.com/prometheus-eval/prometheus-eval (eval/benchmark/data/autoj_pairwise.json), Apache-2.0.
JSON lines though named .json. `label` is 0 when response 1 is better, 1 for response 2 and 2 for a tie: taken
from the publishers' use, and read so, the longer answer wins seven times in ten. 9 rows have equal answers.
"""

from collections.abc import Iterator

from pairs.errors import BadRow, SetAside, shown
from pairs.schema import Pair
from sources._source import Row, Source

source = Source(
    repo="github:prometheus-eval/prometheus-eval",
    revision=None,
    folder="eval/benchmark/data",
    files={"test": ("autoj_pairwise.json",)},
    licence="Apache-2.0",
    label_source="human",
    role="benchmark",
    citation="Li et al. 2023, arXiv:2310.05470",
    example={
        "scenario": "brainstorming",
        "label": 0,
        "prompt": "Give me two names for a rowing club.",
        "response 1": "Blade and Bow; The Morning Eight.",
        "response 2": "Rowing Club.",
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    label = row["label"]
    if type(label) is not int or label not in (0, 1, 2):
        raise BadRow("label_not_known", f"label is {shown(label)}, expected 0, 1 or 2")
    if label == 2:
        raise SetAside("tie", "label is 2")
    chosen, rejected = ("response 1", "response 2") if label == 0 else ("response 2", "response 1")
    yield Pair(
        prompt=row["prompt"],
        chosen=row[chosen],
        rejected=row[rejected],
        category=row["scenario"],
        extra={"label": label},
    )
