"""Media shards: immutable Parquet files named by their content, written while a source is read."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pairs.schema import Medium
from pairs.store import MEDIA, Store, file_hash, settle

SHARD_BYTES = 128 << 20
ROW_GROUP_BYTES = 1 << 20  # one lookup reads one row group
_SHARD = pa.schema([pa.field("media_id", pa.string()), pa.field("data", pa.binary())])


class MediaWriter:
    """Writes media once each into content-named shards; `close` returns the rows of the media table.

    Nothing is visible to readers until the caller commits those rows with `Store.replace("media", ...)`.
    """

    def __init__(self, store: Store, source: str, known: Iterable[str] = ()) -> None:
        self._store = store
        self._source = source
        self._seen = set(known)
        self._group: list[Medium] = []
        self._group_bytes = 0
        self._shard_bytes = 0
        self._row_group = 0
        self._pending: list[dict[str, Any]] = []
        self._rows: list[dict[str, Any]] = []
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
            folder = self._store.path("media_bytes")
            folder.mkdir(parents=True, exist_ok=True)
            self._path = folder / f".{uuid.uuid4().hex}.tmp"
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
        self._rows += [{**row, "shard": name} for row in self._pending]
        self._pending, self._writer, self._path = [], None, None
        self._shard_bytes = self._row_group = 0

    def close(self) -> pa.Table:
        self._flush_group()
        self._flush_shard()
        return pa.Table.from_pylist(self._rows, schema=MEDIA)

    def abort(self) -> None:
        """Drop the shard in progress after an error."""
        if self._writer is not None and self._path is not None:
            self._writer.close()
            self._path.unlink(missing_ok=True)
