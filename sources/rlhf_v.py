"""RLHF-V: answers about pictures, and the same answers with hallucinated spans corrected by people.

5,733 rows in one Parquet file with embedded pictures. https://huggingface.co/datasets/openbmb/RLHF-V-Dataset,
CC BY-NC 4.0: no commercial use. The texts stand as JSON in the column `text`. Chosen is an edit of rejected, so
near-identical sides are the point of this set; a few chosen answers are said to be empty. VL-RewardBench draws
on it.
"""

from collections.abc import Iterator

import orjson

from pairs.schema import Pair
from sources._shapes import PIXELS_PNG, image_bytes
from sources._source import Row, Source

source = Source(
    repo="openbmb/RLHF-V-Dataset",
    revision="1d8e9804b59e9da64ad7b1e17d505869ab9b2ad3",
    files={"train": ("RLHF-V-Dataset.parquet",)},
    licence="CC-BY-NC-4.0",
    label_source="human",
    modality="image",
    citation="Yu et al. 2023, arXiv:2312.00849",
    example={
        "ds_name": "RLHF-V",
        "image": {"bytes": PIXELS_PNG, "path": None},
        "text": '{"question": "Describe the kitchen.", '
        '"chosen": "A white kitchen with a kettle on the stove and an empty table.", '
        '"rejected": "A white kitchen with a kettle on the stove and a bowl of fruit on the table."}',
        "origin_dataset": "COCO",
        "origin_split": "detailed_description",
        "idx": 12,
        "image_path": "kitchen_0012.jpg",
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    texts = orjson.loads(row["text"])
    yield Pair(
        prompt=texts["question"],
        chosen=texts["chosen"],
        rejected=texts["rejected"],
        images=[image_bytes(row["image"])],
        criterion="faithfulness",
        extra={
            "edited": "chosen",
            **{key: row[key] for key in ("ds_name", "idx", "origin_dataset", "origin_split", "image_path")},
        },
    )
