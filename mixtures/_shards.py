"""Writes the rows of a plan into Parquet shards: the same bytes for the same plan, in memory that stays flat.

45 bytes of each row and the ids of media are held. Texts go through scratch files, so that those of one
file and one row group are in memory at a time; media bytes are fetched for one row group at a time.
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

from mixtures._columns import PICTURES, REPEATING, published, schema
from mixtures._order import Order
from mixtures._recipe import Recipe
from mixtures._scratch import Scratch
from pairs.errors import PrefmillError
from pairs.store import Store, file_hash, settle

SHARD_BYTES = 256 << 20
SHARD_ROWS = 100_000
GROUP_BYTES = 32 << 20  # a row group is what a streaming reader holds


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

    Inside a split rows are in the order of a keyed hash of pair id and copy: a shuffle that is always the same.
    `groups` has `pair_id, group_id`; a pair may be named more than once there, in one group.
    """
    scratch_folder, data = work / "scratch", folder / "data"
    scratch_folder.mkdir()
    data.mkdir(parents=True)
    order = Order(recipe, rows)
    scratch = Scratch(store, recipe, order, scratch_folder)
    order.join_groups(groups)
    pictures = [name for name in PICTURES if name in scratch.pictures]
    if {"chosen_images", "rejected_images"} & set(pictures):
        pictures = [*({"images"} & set(pictures)), "chosen_images", "rejected_images"]
    columns = schema(pictures, soft_label=order.has("soft_label"), weight=order.has("weight"))
    media = _media_index(store, scratch.media_ids()) if pictures else None
    shards = []
    for (split, start, end), size in zip(order.splits, scratch.bytes, strict=True):
        edges = _edges(end - start, size)
        for place, (first, behind) in enumerate(pairwise(edges)):
            temporary = data / f".{split}-{place}.tmp"
            _write(store, scratch.read(start + first, start + behind), media, columns, temporary)
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


def _media_index(store: Store, media_ids: pl.Series) -> pl.DataFrame:
    """Where each picture of the mixture lies: one row per medium, sorted."""
    wanted = media_ids.to_frame()
    index = (
        store.scan("media")
        .select("media_id", "format", "shard", "row_group", "row")
        .join(wanted.lazy(), on="media_id", how="semi")
        .collect(engine="streaming")
        .sort("media_id", "shard", "row_group", "row")
        .unique("media_id", keep="first", maintain_order=True)
    )
    lost = wanted.join(index, on="media_id", how="anti").sort("media_id")
    if lost.height:
        raise PrefmillError(
            f"{store.root}: {lost.height} media of the mixture are not in the store, first {lost['media_id'][0]}; "
            "ingest their sources again"
        )
    return index


def _row_groups(pieces: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Rows cut where another `GROUP_BYTES` are full, by the column `_size`."""
    held: list[pa.Table] = []
    before = group = 0
    for piece in pieces:
        sizes = piece["_size"].to_numpy()
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


def _pictures(store: Store, rows: pa.Table, index: pl.DataFrame) -> dict[str, tuple[bytes, str]]:
    """Bytes and format of every picture of the rows."""
    ids = pl.DataFrame(rows.select(list(PICTURES.values())))
    wanted = ids.select(media_id=pl.concat_list(*PICTURES.values())).explode("media_id").unique()
    places = index.join(wanted, on="media_id", how="semi")
    data = store.read_media(places)
    formats = dict(places.select("media_id", "format").iter_rows())
    return {media_id: (data[media_id], formats[media_id]) for media_id in data}


def _write(
    store: Store, pieces: Iterator[pa.Table], index: pl.DataFrame | None, columns: pa.Schema, file: Path
) -> None:
    texts = [name for name in columns.names if pa.types.is_string(columns.field(name).type)]
    with pq.ParquetWriter(
        file, columns, compression="zstd", use_dictionary=REPEATING, write_statistics=texts,
        write_page_checksum=True,
    ) as writer:  # fmt: skip
        for rows in _row_groups(pieces):
            media = {} if index is None else _pictures(store, rows, index)
            writer.write_table(published(rows, media, columns), row_group_size=rows.num_rows)
    os.chmod(file, 0o644)
