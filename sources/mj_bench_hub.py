"""MJ-Bench on the hub: two pictures for one caption, of which one is better in alignment, safety or quality.

724 rows of alignment, 574 of safety and 1,121 of quality, with one set of columns.
https://huggingface.co/datasets/MJ-Bench/MJ-Bench (gated), MIT. A part is a split, a criterion and the category, so
that each has its own accuracy, as the publishers report them; alignment is read by `mj_bench_alignment` too. The
fourth part, bias, is not read: its official figures (ACC, NDS, GES) are no shares of pairs. Quality sets a picture
against the same one spoilt. The names of the files, and who labelled safety, are not verified.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from pairs.schema import Pair
from sources import mj_bench_alignment
from sources._source import Row
from sources.mj_bench_alignment import pairs as pairs_of_a_part

_PARTS = ("alignment", "safety", "quality")

source = replace(
    mj_bench_alignment.source,
    files={part: (f"data/{part}-*.parquet",) for part in _PARTS},
    media=(),
    optional=frozenset({"info"}),
    example={**mj_bench_alignment.source.example, "_file": "data/quality-00000-of-00002.parquet"},
)


def pairs(row: Row) -> Iterator[Pair]:
    part = PurePosixPath(row["_file"]).name.partition("-")[0]
    for pair in pairs_of_a_part(row):
        yield replace(
            pair,
            criterion=part,
            category=part,
            label_source="constructed" if part == "quality" else None,
            extra={"info": row.get("info")},
        )
