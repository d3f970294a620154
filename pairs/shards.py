"""Shards written while a source is read: media under content names, files of pairs that one commit takes in."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from pairs.errors import PrefmillError
from pairs.schema import Medium
from pairs.store import Store, file_hash, settle, sync_folder
from pairs.tables import MEDIA, PAIRS, TABLES

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from deltalake.transaction import AddAction, RemoveAction

SHARD_BYTES = 128 << 20
ROW_GROUP_BYTES = 1 << 20  # one lookup reads one row group
COMMIT_TRIES = 20
# What a file of pairs holds: Delta keeps the column that splits a table in the file's path.
PART = PAIRS.remove(PAIRS.get_field_index("source"))
_REPEATING = ("source_split", "source_revision", "modality", "criterion", "label_source", "licence", "role")
_PREFIX = 4  # bytes of the length before a value in a plain page
_PAGE_ROWS = 1024  # that many values a writer puts in before it looks whether the page is full
_SHARD = pa.schema([pa.field("media_id", pa.string()), pa.field("data", pa.binary())])


class MediaWriter:
    """Writes media once each into content-named shards; `close` returns the rows of the media table.

    Nothing is visible to readers until the caller commits those rows with `Store.replace("media", ...)`.
    """

    def __init__(
        self, store: Store, source: str, known: Iterable[str] = (), *, folder: Path | None = None
    ) -> None:
        """`folder` takes the shards instead of the store; `keep_media` moves them there."""
        self._folder = folder or store.path("media_bytes")
        self._source = source
        self._seen = set(known)
        self._group: list[Medium] = []
        self._group_bytes = 0
        self._shard_bytes = 0
        self._row_group = 0
        self._pending: list[dict[str, Any]] = []
        self._rows: list[pa.Table] = []
        self._writer: pq.ParquetWriter | None = None
        self._path: Path | None = None

    def add(self, medium: Medium) -> str:
        if medium.media_id not in self._seen:
            self._seen.add(medium.media_id)
            self._group.append(medium)
            self._group_bytes += len(medium.data)
            if self._group_bytes >= ROW_GROUP_BYTES:
                self._flush_group()
        return medium.media_id

    def _flush_group(self) -> None:
        if not self._group:
            return
        if self._writer is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._path = self._folder / f".{uuid.uuid4().hex}.tmp"
            # Pictures neither compress nor repeat: plain pages write three times as fast.
            self._writer = pq.ParquetWriter(
                self._path, _SHARD, compression="none", use_dictionary=False,
                write_statistics=False, write_page_checksum=True,
            )  # fmt: skip
        self._writer.write_table(
            pa.table(
                [[medium.media_id for medium in self._group], [medium.data for medium in self._group]],
                schema=_SHARD,
            )
        )
        for row, medium in enumerate(self._group):
            self._pending.append(
                {
                    "source": self._source, "media_id": medium.media_id, "kind": medium.kind,
                    "format": medium.format, "width": medium.width, "height": medium.height,
                    "size": len(medium.data), "phash": medium.phash, "row_group": self._row_group, "row": row,
                }
            )  # fmt: skip
        self._shard_bytes += self._group_bytes
        self._row_group += 1
        self._group, self._group_bytes = [], 0
        if self._shard_bytes >= SHARD_BYTES:
            self._flush_shard()

    def _flush_shard(self) -> None:
        if self._writer is None or self._path is None:
            return
        self._writer.close()
        name = file_hash(self._path)
        settle(self._path, self._path.with_name(f"{name}.parquet"))
        rows = [{**row, "shard": name} for row in self._pending]
        self._rows.append(pa.Table.from_pylist(rows, schema=MEDIA))
        self._pending, self._writer, self._path = [], None, None
        self._shard_bytes = self._row_group = 0

    def close(self) -> pa.Table:
        self._flush_group()
        self._flush_shard()
        return pa.concat_tables([MEDIA.empty_table(), *self._rows])

    def abort(self) -> None:
        """Drop the shard in progress after an error."""
        if self._writer is not None and self._path is not None:
            self._writer.close()
            self._path.unlink(missing_ok=True)


def begins(store: Store, media: pl.DataFrame) -> pl.DataFrame:
    """`media` (columns `shard, row_group, row, size` of the media table, all rows of each row group) with `begin`:
    at which byte of its shard each medium begins, so that one read fetches it and nothing else. Null where that
    does not follow from the sizes: a row group in several pages, or one that other rows of the table share.

    In a plain page without compression every value lies behind those before it and its own length in 4 bytes;
    the last one ends with the page, and the page with its row group.
    """
    import polars as pl

    footers = []
    for shard in media["shard"].unique().sort():
        footer = pq.read_metadata(store.path("media_bytes", f"{shard}.parquet"))
        for number in range(footer.num_row_groups):
            group = footer.row_group(number)
            data = group.column(_SHARD.names.index("data"))
            footers.append((shard, number, group.num_rows, data.data_page_offset + data.total_compressed_size))
    columns = {"shard": pl.String, "row_group": pl.Int32, "rows": pl.Int64, "end": pl.Int64}
    ends = pl.DataFrame(footers, columns, orient="row")
    group = ["shard", "row_group"]
    behind = (pl.col("size") + _PREFIX).cum_sum(reverse=True).over(group, order_by="row")
    one_page = (pl.len().over(group) == pl.col("rows")) & (pl.col("rows") <= _PAGE_ROWS)
    return (
        media.join(ends, on=group, how="left")
        .with_columns(begin=pl.when(one_page).then(pl.col("end") - behind + _PREFIX))
        .drop("rows", "end")
    )


def read_media_at(store: Store, places: pl.DataFrame, space: np.ndarray) -> None:
    """Put the bytes of media into `space` (uint8): the `size` bytes from `begin` of `shard` on at `start`.

    Raises `PrefmillError` when a shard does not hold a value of that length there.
    """
    length = bytearray(_PREFIX)
    for (shard,), rows in places.sort("shard", "begin").group_by("shard", maintain_order=True):
        path = store.path("media_bytes", f"{shard}.parquet")
        with path.open("rb", buffering=0) as file:
            for begin, start, size in rows.select("begin", "start", "size").iter_rows():
                read = os.preadv(file.fileno(), [length, space[start : start + size].data], begin - _PREFIX)
                if read != _PREFIX + size or int.from_bytes(length, "little") != size:
                    raise PrefmillError(
                        f"{path}: at byte {begin} lies no medium of {size} bytes, as the table of media says; "
                        "the store is damaged: ingest its source again"
                    )


def keep_media(store: Store, shards: Iterable[Path]) -> None:
    """Move finished media shards into the store; readers see them once their rows are committed."""
    folder = store.path("media_bytes")
    folder.mkdir(parents=True, exist_ok=True)
    for shard in shards:
        os.replace(shard, folder / shard.name)
    sync_folder(folder)


def part_writer(path: Path, schema: pa.Schema = PART) -> pq.ParquetWriter:
    """A writer of one file of rows without the column of the source, as `replace_part` takes it."""
    # Texts hardly repeat: a dictionary of them would be built only to be given up. Ids are hashes: every row group
    # spans all of them, so that no reader could pass one over by its statistics.
    roles = [f"{column}.list.element.role" for column in ("prompt", "chosen", "rejected")]
    return pq.ParquetWriter(
        path, schema, compression="snappy", use_dictionary=[*_REPEATING, *roles], write_statistics=False,
        write_page_checksum=True,
    )  # fmt: skip


def replace_part(
    store: Store, table: str, part: str, files: Sequence[Path], facts: Mapping[str, str] | None = None
) -> int:
    """Put finished files in the place of one source's rows of a table, in one commit; returns the new version,
    or -1 where there was no table and no file makes one.

    The files, of one file system with the store, are moved, not copied: their rows keep their order, which those
    that Delta writes itself do not. Raises `PrefmillError` when other writers took every one of the version
    numbers that were tried.
    """
    if not files and store.version(table) < 0:
        return -1  # nothing takes the place of nothing

    from deltalake import CommitProperties, DeltaTable
    from deltalake.exceptions import CommitFailedError

    folder, schema = store.path(table), TABLES[table][0]
    actions: list[AddAction | RemoveAction] = [_added(file, folder / f"source={part}", part) for file in files]
    commit = CommitProperties(
        custom_metadata={"part": part, "facts": json.dumps(dict(facts or {}), sort_keys=True)}
    )
    for _ in range(COMMIT_TRIES):
        try:
            if store.version(table) < 0:
                DeltaTable.create(str(folder), schema, mode="ignore", partition_by=["source"])
            DeltaTable(str(folder)).create_write_transaction(
                actions, mode="overwrite", schema=schema, partition_by=["source"],
                partition_filters=[("source", "=", part)], commit_properties=commit,
            )  # fmt: skip
        except CommitFailedError:
            continue
        return store.version(table)
    raise PrefmillError(f"{folder}: other writers were faster {COMMIT_TRIES} times; run again")


def _added(file: Path, folder: Path, part: str) -> AddAction:
    """Move a finished file into the table's folder; returns what tells Delta of it."""
    from deltalake.transaction import AddAction

    folder.mkdir(parents=True, exist_ok=True)
    rows = pq.read_metadata(file).num_rows
    final = folder / f"part-{uuid.uuid4().hex}.parquet"
    settle(file, final)
    return AddAction(
        path=f"{folder.name}/{final.name}",
        size=final.stat().st_size,
        partition_values={"source": part},
        modification_time=time.time_ns() // 1_000_000,
        data_change=True,
        stats=json.dumps({"numRecords": rows}),
    )
