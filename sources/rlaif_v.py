"""RLAIF-V: one picture, one question, two answers of which an open model judged one more trustworthy.

83,132 rows in some 14 Parquet files with embedded pictures; revisions before the current one hold 44,757.
https://huggingface.co/datasets/openbmb/RLAIF-V-Dataset, CC BY-NC 4.0: no commercial use. Questions carry no
picture mark, several pairs share a question, and VL-RewardBench draws on this set. `origin_split` is a mapping
written as text, in JSON or as Python prints it; its key names are not verified.
"""

import re
from collections.abc import Iterator

from pairs.schema import Pair
from sources._shapes import PIXELS_PNG, image_bytes
from sources._source import Row, Source

source = Source(
    repo="openbmb/RLAIF-V-Dataset",
    revision=None,
    files={"train": ("RLAIF-V-Dataset_*.parquet",)},
    licence="CC-BY-NC-4.0",
    label_source="model",
    modality="image",
    citation="Yu et al. 2024, arXiv:2405.17220",
    example={
        "ds_name": "RLAIF-V",
        "image": {"bytes": PIXELS_PNG, "path": "harbour_0001.jpg"},
        "question": "How many boats are at the pier?",
        "chosen": "Two boats are tied to the pier; a third one is farther out.",
        "rejected": "There are five boats, and a man on the nearest one waves at a dog.",
        "origin_dataset": "VQAv2",
        "origin_split": '{"model": "llava15-7b", "feedback_model": "llava-next-34b", "type": "question_answer"}',
        "idx": "0",
        "image_path": "harbour_0001.jpg",
    },
)

_ENTRY = re.compile(r"""["'](\w+)["']\s*:\s*["']([^"']*)["']""")


def pairs(row: Row) -> Iterator[Pair]:
    origin = dict(_ENTRY.findall(str(row["origin_split"])))
    yield Pair(
        prompt=row["question"],
        chosen=row["chosen"],
        rejected=row["rejected"],
        images=[image_bytes(row["image"])],
        criterion="faithfulness",
        category=origin.get("type"),
        extra={
            "ds_name": row["ds_name"],
            "idx": row["idx"],
            "origin_dataset": row["origin_dataset"],
            "origin_split": row["origin_split"],
            "image_path": row["image_path"],
        },
    )
