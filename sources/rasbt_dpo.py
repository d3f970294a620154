"""Instruction pairs made with Llama 3.1 for a book's DPO chapter: a politer answer is chosen.

1,100 rows. `output` repeats one of the two sides, of which the other is an edit; 6 rows have equal sides.
https://github.com/rasbt/LLMs-from-scratch (ch07/04_preference-tuning-with-dpo)
"""

from collections.abc import Iterator

from pairs.schema import Pair
from sources._source import Row, Source

source = Source(
    repo="github:rasbt/LLMs-from-scratch",
    revision=None,
    folder="ch07/04_preference-tuning-with-dpo",
    files={"train": ("instruction-data-with-preference.json",)},
    licence="Apache-2.0",
    label_source="model",
    example={
        "instruction": "Rewrite the sentence in the passive voice.",
        "input": "The gardener waters the roses.",
        "output": "The roses are watered by the gardener.",
        "rejected": "The roses are watered, obviously.",
        "chosen": "The roses are watered by the gardener.",
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    edited = [side for side in ("chosen", "rejected") if row[side] != row["output"]]
    yield Pair(
        prompt=row["instruction"] + "\n\n" + row["input"],
        chosen=row["chosen"],
        rejected=row["rejected"],
        extra={"edited": edited[0]} if len(edited) == 1 else {"output": row["output"]},
    )
