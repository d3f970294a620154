"""Writes the rows of a plan into Parquet shards: the same bytes for the same plan, in memory that stays flat.

28 bytes of each row are held until its text is in a scratch file, then the ids of media alone. The texts of one
scratch file and one row group are in memory at a time; media bytes are fetched for one row group at a time.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from mixtures._columns import PICTURE_BYTES, PICTURES, REPEATING, leaves, published, schema
from mixtures._embed import Pictures
from mixtures._order import Order
from mixtures._recipe import Recipe
from mixtures._scratch import Scratch
from pairs.store import Store, file_hash, settle

SHARD_BYTES = 256 << 20
SHARD_ROWS = 100_000
GROUP_BYTES = 32 << 20  # a row group is what a streaming reader holds
# Where pictures are shown so often on average, a row group holds each once, in a dictionary as large as it takes.
_AGAIN = 1.1
_DICTIONARY_BYTES = 2 * GROUP_BYTES


@dataclass(frozen=True)
class Shard:
    path: str  # below the version's folder
    split: str
    rows: int
    size: int  # bytes
    sha256: str


@dataclass(frozen=True)
class Written:
    shards: list[Shard]
    columns: pa.Schema
    licences: Counter[tuple[str, str]]  # distinct pairs by licence and source


def write_shards(
    store: Store, recipe: Recipe, rows: pl.LazyFrame, groups: pl.LazyFrame, work: Path, folder: Path
) -> Written:
    """The plan's `rows` as `data/<split>-*.parquet` below `folder`; scratch files lie in `work` meanwhile.

    Inside a split rows are in the order of a keyed hash of pair id and copy, those with pictures of prompt id: a
    shuffle that is always the same. `groups` has `pair_id, group_id`; a pair may be named more than once there, in
    one group.
    """
    scratch_folder, data = work / "scratch", folder / "data"
    scratch_folder.mkdir()
    data.mkdir(parents=True)
    pairs = store.scan("pairs", list(recipe.sources)).filter(pl.col("modality") != "text")
    order = Order(recipe, rows, pairs.select("pair_id", "prompt_id"))
    scratch = Scratch(store, recipe, order, scratch_folder)
    scratch.join_groups(order.groups(groups))
    pictures = [name for name in PICTURES if name in scratch.pictures]
    if {"chosen_images", "rejected_images"} & set(pictures):
        pictures = [*({"images"} & set(pictures)), "chosen_images", "rejected_images"]
    columns = schema(pictures, soft_label=order.has("soft_label"), weight=order.has("weight"))
    splits = order.splits
    del order  # it is in the files: nothing that grows with the rows is held while they are written
    media = Pictures(store, scratch.media_ids()) if pictures else None
    again = media is not None and scratch.shown > _AGAIN * len(media)
    repeating = [*REPEATING, *PICTURE_BYTES] if again else REPEATING
    shards = []
    for (split, start, end), size in zip(splits, scratch.bytes, strict=True):
        edges = _edges(end - start, size)
        for place, (first, behind) in enumerate(pairwise(edges)):
            temporary = data / f".{split}-{place}.tmp"
            _write(scratch.read(start + first, start + behind), media, columns, temporary, repeating)
            digest = file_hash(temporary)
            name = f"{split}-{place:05d}-of-{len(edges) - 1:05d}-{digest[:8]}.parquet"
            settle(temporary, data / name)
            written = (data / name).stat().st_size
            shards.append(Shard(f"data/{name}", split, behind - first, written, digest))
    return Written(shards, columns, scratch.licences)


def _edges(rows: int, size: int) -> list[int]:
    """Where the shards of a split of so many rows and bytes begin, and its end."""
    shards = min(max(-(-size // SHARD_BYTES), -(-rows // SHARD_ROWS), 1), rows)
    return [-(-rows * shard // shards) for shard in range(shards + 1)]


def _row_groups(pieces: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Rows cut where another `GROUP_BYTES` are full, by the column `_size`."""
    held: list[pa.Table] = []
    before = group = 0
    for piece in pieces:
        sizes = pl.Series(piece["_size"]).to_numpy()
        starts = before + np.cumsum(sizes) - sizes
        before += int(sizes.sum())
        numbers = starts // GROUP_BYTES
        cuts = np.flatnonzero(np.diff(numbers, prepend=group)).tolist()
        group = int(numbers[-1])
        for first, behind in pairwise([0, *cuts, piece.num_rows]):
            if first in cuts and held:
                yield pa.concat_tables(held)
                held = []
            if first < behind:
                held.append(piece.slice(first, behind - first))
    yield pa.concat_tables(held)


def _write(
    pieces: Iterator[pa.Table], media: Pictures | None, columns: pa.Schema, file: Path, repeating: list[str]
) -> None:
    # Pictures are compressed as they are; to try it again is what writing would cost most.
    compression = {leaf: "none" if leaf in PICTURE_BYTES else "zstd" for leaf in leaves(columns)}
    # Ids are hashes and texts are texts: no reader could pass a row group over by their statistics.
    with pq.ParquetWriter(
        file, columns, compression=compression, use_dictionary=repeating, write_statistics=REPEATING,
        write_page_checksum=True, dictionary_pagesize_limit=_DICTIONARY_BYTES,
    ) as writer:  # fmt: skip
        for rows in _row_groups(pieces):
            pictures = None if media is None else media.of(rows)
            writer.write_table(published(rows, pictures, columns), row_group_size=rows.num_rows)
    os.chmod(file, 0o644)
