"""MJ-Bench, quality part: a rendered picture against the same picture with a spoilt object, for one caption.

100 pairs of furniture (objects_indoor) and some 200 of people (mpii) in https://github.com/MJ-Bench/MJ-Bench,
MIT. The completions are pictures. `label_0` is 1 when image_0 is the better one, which is so in every row at
hand. Names are relative to a folder beside the captions, examples_<folder>; that of mpii is not verified. A few
rows of mpii name a third picture, which is not read. The sides of a pair are near-duplicates on purpose.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from pairs.errors import BadRow, shown
from pairs.schema import Pair
from sources._source import Row, Source

source = Source(
    repo="github:MJ-Bench/MJ-Bench",
    revision=None,
    files={"test": ("quality/*/captions_*.json",)},
    licence="MIT",
    label_source="constructed",
    modality="to_image",
    role="benchmark",
    citation="Chen et al. 2024, arXiv:2407.04842",
    example={
        "caption": "A small room with a desk and a lamp.",
        "label_0": 1,
        "image_1": "desk_4_edited.jpg",
        "image_0": "desk_4.jpg",
        "_file": "quality/objects_indoor/captions_objects.json",
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    label = row["label_0"]
    if type(label) is not int or label not in (0, 1):
        raise BadRow("label_not_known", f"label_0 is {shown(label)}, expected 0 or 1")
    chosen, rejected = ("image_0", "image_1") if label == 1 else ("image_1", "image_0")
    folder = PurePosixPath(row["_file"]).parent
    pictures = folder / f"examples_{folder.name}"
    yield Pair(
        prompt=row["caption"],
        chosen="",
        rejected="",
        chosen_images=[str(pictures / row[chosen])],
        rejected_images=[str(pictures / row[rejected])],
        criterion="quality",
        category=folder.name,
    )
