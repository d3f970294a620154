"""MJ-Bench, alignment part: two generated pictures for one caption, of which one shows what the caption says.

724 rows on the hub (https://huggingface.co/datasets/MJ-Bench/MJ-Bench, gated), 840 in the four files of
https://github.com/MJ-Bench/MJ-Bench (alignment/benchmark/), 519 of them distinct; MIT. `label` is the index of
the better picture, as its scorer reads it. On the hub pictures are embedded; the repository names files that it
does not hold, looked for in a folder or archive `images`. The names of the hub's files are not verified.
"""

from collections.abc import Iterator

from pairs.errors import BadRow, shown
from pairs.schema import Pair
from sources._shapes import PIXELS_PNG, image_bytes
from sources._source import Row, Source

source = Source(
    repo="MJ-Bench/MJ-Bench",
    revision=None,
    files={"test": ("data/alignment-*.parquet", "alignment/benchmark/*/*_test.json")},
    media=("images", "images.zip"),
    licence="MIT",
    label_source="human",
    modality="to_image",
    role="benchmark",
    optional=frozenset({"id", "source", "info"}),
    citation="Chen et al. 2024, arXiv:2407.04842",
    example={
        "caption": "A fox under a table.",
        "image0": {"bytes": PIXELS_PNG, "path": "a.jpg"},
        "image1": {"bytes": PIXELS_PNG + b"another", "path": "b.jpg"},
        "label": 0,
        "info": "existence",
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    label = row["label"]
    if type(label) is not int or label not in (0, 1):
        raise BadRow("label_not_known", f"label is {shown(label)}, expected 0 or 1")
    pictures = [
        row[name] if isinstance(row[name], str) else image_bytes(row[name]) for name in ("image0", "image1")
    ]
    yield Pair(
        prompt=row["caption"],
        chosen="",
        rejected="",
        chosen_images=[pictures[label]],
        rejected_images=[pictures[1 - label]],
        criterion="alignment",
        category=row.get("info") or row.get("source"),
        extra={"id": row.get("id")},
    )
