"""Pick-a-Pic v2: visitors of a picture generator choose between two pictures made from their own prompt.

959,040 train, 20,596 validation and 20,716 test rows in Parquet files of some 335 GB; splits of 500 with one row
per prompt are not read. https://huggingface.co/datasets/yuvalkirstain/pickapic_v2, said to be MIT. The completions
are pictures, embedded as plain JPEG bytes; the URLs are dead. `label_0` is 1.0 when picture 0 was chosen and 0.5
for a tie. Rows without a label or with one and the same picture twice are set aside. Prompts are unfiltered.
"""

from collections.abc import Iterator
from datetime import datetime

from pairs.errors import BadRow, SetAside, shown
from pairs.schema import Pair
from sources._shapes import PIXELS_PNG
from sources._source import Row, Source

source = Source(
    repo="yuvalkirstain/pickapic_v2",
    revision=None,
    files={
        "train": ("data/train-*.parquet",),
        "validation": ("data/validation-*.parquet",),
        "test": ("data/test-*.parquet",),
    },
    licence="MIT",
    label_source="human",
    modality="to_image",
    citation="Kirstain et al. 2023, arXiv:2305.01569",
    optional=frozenset({"best_image_uid", "image_0_url", "image_1_url", "__index_level_0__"}),
    example={
        "are_different": True,
        "best_image_uid": "a1",
        "caption": "a lighthouse in a storm, woodcut",
        "created_at": datetime(2023, 2, 1, 12, 0),
        "has_label": True,
        "image_0_uid": "a1",
        "image_0_url": "https://images.invalid/a1.png",
        "image_1_uid": "b2",
        "image_1_url": "https://images.invalid/b2.png",
        "jpg_0": PIXELS_PNG,
        "jpg_1": PIXELS_PNG + b"another",
        "label_0": 1.0,
        "label_1": 0.0,
        "model_0": "model-a",
        "model_1": "model-b",
        "ranking_id": 4,
        "user_id": 8,
        "num_example_per_prompt": 3,
        "__index_level_0__": 0,
    },
)

_BETTER = {(1.0, 0.0): 0, (0.0, 1.0): 1}


def pairs(row: Row) -> Iterator[Pair]:
    if row["has_label"] is False:
        raise SetAside("no_label", "has_label is false")
    if row["are_different"] is False:
        raise SetAside("same_picture", "are_different is false")
    labels = row["label_0"], row["label_1"]
    if labels == (0.5, 0.5):
        raise SetAside("tie", "both labels are 0.5")
    if labels not in _BETTER:
        raise BadRow("label_not_known", f"label_0 and label_1 are {shown(labels)}, expected 1 and 0 or 0.5 each")
    chosen = _BETTER[labels]
    rejected = 1 - chosen
    yield Pair(
        prompt=row["caption"],
        chosen="",
        rejected="",
        chosen_images=[row[f"jpg_{chosen}"]],
        rejected_images=[row[f"jpg_{rejected}"]],
        extra={
            "chosen_model": row[f"model_{chosen}"],
            "rejected_model": row[f"model_{rejected}"],
            "chosen_uid": row[f"image_{chosen}_uid"],
            "rejected_uid": row[f"image_{rejected}_uid"],
            "chosen_url": row.get(f"image_{chosen}_url"),
            "rejected_url": row.get(f"image_{rejected}_url"),
            **{key: row[key] for key in ("created_at", "ranking_id", "user_id", "num_example_per_prompt")},
        },
    )
