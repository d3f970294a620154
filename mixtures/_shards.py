"""Writes the rows of a plan into Parquet shards: the same bytes for the same plan, in memory that stays flat.

The plan and the ids of media are held whole. Texts go through scratch files, at most `BUCKETS` of them, so that
one shard's texts are in memory at a time; media bytes are fetched for one row group at a time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from mixtures._columns import PICTURES, published, schema
from mixtures._recipe import Recipe
from mixtures._sample import uniform
from pairs.errors import PrefmillError
from pairs.store import Store, file_hash, settle

SHARD_BYTES = 256 << 20
SHARD_ROWS = 100_000
GROUP_BYTES = 32 << 20  # a row group is what a streaming reader holds
BUCKETS = 64  # open scratch files
ROW_BYTES = 400  # of ids and names beside the texts
_KEY = ["source", "pair_id"]


@dataclass(frozen=True)
class Shard:
    path: str  # below the version's folder
    split: str
    rows: int
    size: int  # bytes
    sha256: str


def write_shards(
    store: Store, recipe: Recipe, rows: pl.DataFrame, groups: pl.LazyFrame, work: Path, folder: Path
) -> tuple[list[Shard], pa.Schema]:
    """The plan's `rows` as `data/<split>-*.parquet` below `folder`; scratch files lie in `work` meanwhile.

    Inside a split rows are in the order of a keyed hash of pair id and copy: a shuffle that is always the same.
    """
    pairs = store.scan("pairs", list(recipe.sources))
    sized = _sized(store, pairs, rows, groups)
    layout = _layout(recipe, sized)
    pictures = [name for name in PICTURES if (sized[f"n_{name}"] > 0).any()]
    if {"chosen_images", "rejected_images"} & set(pictures):
        pictures = [*({"images"} & set(pictures)), "chosen_images", "rejected_images"]
    columns = schema(
        pictures,
        soft_label=bool(layout["soft_label"].is_not_null().any()),
        weight=bool(layout["weight"].is_not_null().any()),
    )
    del sized
    scratch = work / "scratch"
    scratch.mkdir()
    _scatter(pairs, layout, scratch)
    media = _media_index(store, pairs, rows) if pictures else None
    data = folder / "data"
    data.mkdir(parents=True)
    shards = []
    for (split,), part in layout.group_by("split", maintain_order=True):
        numbers = part["shard"].unique().sort().to_list()
        for place, number in enumerate(numbers):
            texts = _gathered(scratch, part, number)
            temporary = data / f".{number}.tmp"
            _write(store, texts, media, columns, temporary)
            digest = file_hash(temporary)
            name = f"{split}-{place:05d}-of-{len(numbers):05d}-{digest[:8]}.parquet"
            settle(temporary, data / name)
            size = (data / name).stat().st_size
            shards.append(Shard(f"data/{name}", str(split), texts.height, size, digest))
    return shards, columns


def _text_bytes() -> pl.Expr:
    messages = [
        pl.col(name).list.eval(pl.element().struct.field("content").str.len_bytes()).list.sum()
        for name in ("prompt", "chosen", "rejected")
    ]
    texts = [pl.col(name).str.len_bytes().fill_null(0) for name in ("rationale", "reference", "extra")]
    return pl.sum_horizontal(*messages, *texts).cast(pl.Int64)


def _sized(store: Store, pairs: pl.LazyFrame, rows: pl.DataFrame, groups: pl.LazyFrame) -> pl.DataFrame:
    """The plan's rows with `group_id`, their size in bytes and the number of pictures in each column."""
    sizes = store.scan("media").select("media_id", "size").unique().collect()
    grouped = groups.group_by("pair_id").agg(pl.col("group_id").min()).collect()
    sized = pl.concat(
        part.join(_narrow(pairs, source, sizes), on="pair_id", how="left")
        for (source,), part in rows.group_by("source", maintain_order=True)
    )
    sized = sized.join(grouped, on="pair_id", how="left")
    for column, table in (("size", "pairs"), ("group_id", "groups")):
        lost = sized.filter(pl.col(column).is_null())
        if lost.height:
            row = lost.sort(*_KEY).row(0, named=True)
            raise PrefmillError(
                f"{lost.height} rows of the plan are not in {table}, first {row['source']} {row['pair_id']}; "
                "the sources have changed since the plan was made: make it again"
            )
    return sized


def _narrow(pairs: pl.LazyFrame, source: object, sizes: pl.DataFrame) -> pl.DataFrame:
    """Size in bytes and number of pictures of each pair of a source; without a join, which would hold far more."""
    narrow = (
        pairs.filter(pl.col("source") == source)
        .select(
            "pair_id",
            *(pl.col(ids).list.len().alias(f"n_{name}") for name, ids in PICTURES.items()),
            ids=pl.concat_list(*PICTURES.values()),
            size=_text_bytes(),
        )
        .collect(engine="streaming")
    )
    heavy = (
        narrow.select("pair_id", "ids").explode("ids").drop_nulls("ids")
        .join(sizes, left_on="ids", right_on="media_id", how="inner")
        .group_by("pair_id").agg(media_size=pl.col("size").sum())
    )  # fmt: skip
    return (
        narrow.drop("ids")
        .join(heavy, on="pair_id", how="left")
        .with_columns(size=pl.col("size") + pl.col("media_size").fill_null(0) + ROW_BYTES)
    )


def _layout(recipe: Recipe, sized: pl.DataFrame) -> pl.DataFrame:
    """Each row's place: `position` in its split, `shard` over all, row group inside the shard, scratch file."""
    keys = (sized["pair_id"] + "/" + sized["copy"].cast(pl.String)).to_list()
    ordered = (
        sized.with_columns(
            pl.Series("u", uniform(recipe.seed, "order", keys), dtype=pl.Float64),
            place=pl.col("split").replace_strict(
                {name: place for place, name in enumerate(("train", *recipe.splits))}, return_dtype=pl.Int64
            ),
        )
        .sort("place", "u", "pair_id", "copy", "source")
        .with_columns(position=pl.int_range(pl.len()).over("split"), n=pl.len().over("split").cast(pl.Int64))
    )
    by_size = -(-pl.col("size").sum().over("split") // SHARD_BYTES)
    shards = pl.max_horizontal(by_size, -(-pl.col("n") // SHARD_ROWS)).clip(1, pl.col("n"))
    ordered = ordered.with_columns(local=pl.col("position") * shards // pl.col("n"))
    ordered = ordered.with_columns(shard=pl.struct("place", "local").rle_id().cast(pl.Int64))
    before = pl.col("size").cum_sum() - pl.col("size")
    files = (ordered["shard"].max() or 0) + 1  # type: ignore[operator]
    return ordered.with_columns(
        row_group=(before // GROUP_BYTES).over("shard"),
        bucket=pl.col("shard") // -(-files // BUCKETS),
    ).select(
        *_KEY,
        "split",
        "copy",
        "flipped",
        "soft_label",
        "weight",
        "group_id",
        "position",
        "shard",
        "row_group",
        "bucket",
    )


def _scatter(pairs: pl.LazyFrame, layout: pl.DataFrame, scratch: Path) -> None:
    """Texts of the mixture's pairs to the scratch file of each shard that holds them."""
    writers: dict[int, pa.ipc.RecordBatchFileWriter] = {}
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    try:
        for (source,), places in layout.select(*_KEY, "bucket").unique().group_by("source", maintain_order=True):
            find = _Places(places)
            rows = pairs.filter(pl.col("source") == source)
            for batch in rows.collect_batches(chunk_size=10_000, maintain_order=False):
                for bucket, part in find(batch):
                    table = part.to_arrow()
                    if bucket not in writers:
                        file = scratch / f"{bucket}.arrow"
                        writers[bucket] = pa.ipc.new_file(str(file), table.schema, options=options)
                    writers[bucket].write_table(table)
    finally:
        for writer in writers.values():
            writer.close()


class _Places:
    """The scratch files of each pair of a source, looked up in a sorted array by half of its id.

    A join would do it too, in a gigabyte for each million pairs. `_gathered` compares whole ids.
    """

    def __init__(self, places: pl.DataFrame) -> None:
        ids, buckets = _half(places["pair_id"]), places["bucket"].to_numpy()
        order = np.argsort(ids)
        self._ids, self._buckets = ids[order], buckets[order]

    def __call__(self, batch: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
        ids = _half(batch["pair_id"])
        first = np.searchsorted(self._ids, ids)
        times = np.searchsorted(self._ids, ids, side="right") - first
        rows = np.repeat(np.arange(len(ids)), times)
        nth = np.arange(len(rows)) - np.repeat(np.cumsum(times) - times, times)
        buckets = self._buckets[np.repeat(first, times) + nth]
        for bucket in np.unique(buckets):
            yield int(bucket), batch[rows[buckets == bucket]]


def _half(ids: pl.Series) -> np.ndarray:
    """The first 64 of the 128 bits of each id."""
    return ids.str.slice(0, 16).str.to_integer(base=16, dtype=pl.UInt64).to_numpy()


def _gathered(scratch: Path, part: pl.DataFrame, shard: int) -> pl.DataFrame:
    """The rows of one shard in order, texts and plan, without media bytes."""
    places = part.filter(pl.col("shard") == shard)
    file = scratch / f"{places['bucket'][0]}.arrow"
    texts = pl.scan_ipc(file).join(places.lazy(), on=_KEY, how="inner").collect()
    return texts.sort("position")


def _media_index(store: Store, pairs: pl.LazyFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Where each picture of the mixture lies: one row per medium, sorted."""
    wanted = (
        pairs.join(rows.lazy().select(_KEY), on=_KEY, how="semi")
        .select(media_id=pl.concat_list(*PICTURES.values()))
        .explode("media_id")
        .drop_nulls()
        .unique()
        .collect(engine="streaming")
    )
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


def _row_groups(
    store: Store, rows: pl.DataFrame, index: pl.DataFrame | None, columns: pa.Schema
) -> Iterator[pa.Table]:
    for _, group in rows.group_by("row_group", maintain_order=True):
        media: dict[str, tuple[bytes, str]] = {}
        if index is not None:
            ids = group.select(media_id=pl.concat_list(*PICTURES.values())).explode("media_id").unique()
            places = index.join(ids, on="media_id", how="semi")
            data = store.read_media(places)
            formats = dict(places.select("media_id", "format").iter_rows())
            media = {media_id: (data[media_id], formats[media_id]) for media_id in data}
        yield published(group, media, columns)


def _write(store: Store, rows: pl.DataFrame, index: pl.DataFrame | None, columns: pa.Schema, file: Path) -> None:
    repeated = [name for name in columns.names if pa.types.is_string(columns.field(name).type)]
    with pq.ParquetWriter(
        file, columns, compression="zstd", use_dictionary=repeated, write_statistics=repeated,
        write_page_checksum=True,
    ) as writer:  # fmt: skip
        for table in _row_groups(store, rows, index, columns):
            writer.write_table(table, row_group_size=table.num_rows)
    os.chmod(file, 0o644)
