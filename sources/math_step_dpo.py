"""Math-Step-DPO: a right and a wrong next step after the same beginning of a solution.

10,795 rows. https://huggingface.co/datasets/xinlai/Math-Step-DPO-10K, CC BY-NC 4.0 by its code repository: no
commercial use. A completion here is the shared beginning, which can be empty and ends with the number of the
step, and one step; so both sides are unfinished. The full solutions are kept beside them: the wrong one is
missing in some 1,200 rows, and whether they repeat the beginning is not verified. In a handful of rows both
answers are said to be wrong.
"""

from collections.abc import Iterator

from pairs.schema import Pair
from sources._source import Row, Source

source = Source(
    repo="xinlai/Math-Step-DPO-10K",
    revision="9edc886cd2d30fb2c59f7025fdc864f4b0d76a12",
    files={"train": ("data/train-*.parquet",)},
    licence="CC-BY-NC-4.0",
    label_source="model",
    citation="Lai et al. 2024, arXiv:2406.18629",
    example={
        "dataset": "invented",
        "prompt": "A train covers 180 km in 2 hours. How far does it get in 5 hours?",
        "initial_reason_steps": "Step 1: The speed is 180 / 2 = 90 km per hour.\nStep 2:",
        "chosen": "In 5 hours it covers 5 * 90 = 450 km.",
        "rejected": "In 5 hours it covers 5 + 90 = 95 km.",
        "full_chosen": "In 5 hours it covers 5 * 90 = 450 km.\nThe answer is 450.",
        "full_rejected": "",
        "answer": "450",
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    begun = row["initial_reason_steps"]
    yield Pair(
        prompt=row["prompt"],
        chosen=_joined(begun, row["chosen"]),
        rejected=_joined(begun, row["rejected"]),
        criterion="correctness",
        reference=row["answer"],
        category=row["dataset"],
        extra={key: row[key] for key in ("initial_reason_steps", "full_chosen", "full_rejected")},
    )


def _joined(begun: str, step: str) -> str:
    space = " " if begun and not begun[-1].isspace() and not step[:1].isspace() else ""
    return begun + space + step
