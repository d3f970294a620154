"""What a store holds that nothing reads any more: replaced files of its tables, and media shards without a row.

A file stays for a time after it was replaced, so that a reader that began before ends in peace, and a shard for a
time after it was written, since the ingestion that wrote it commits its rows at the end. Published versions,
models and reports are never touched.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

from pairs.errors import PrefmillError
from pairs.store import Store

WEEK = 168.0  # hours
_ASIDE = ".superseded"


def superseded(store: Store, hours: float = WEEK) -> list[Path]:
    """The files that nothing has needed for so many hours, sorted. Raises `PrefmillError` for negative hours."""
    if hours < 0:
        raise PrefmillError(f"hours is {hours:g}; expected 0 or more, and more than the longest run takes")
    found = [file for table in _tables(store) for file in _replaced(table, hours)]
    halves = store.root.rglob(f".*{_ASIDE}")  # left by a clean-up that was killed
    return sorted([*found, *_unreferenced(store, hours, set(found)), *halves])


def remove(files: Sequence[Path], hours: float = WEEK) -> int:
    """Delete files that `superseded` has named for the same `hours`; returns how many bytes that were.

    A file that was written again meanwhile stays.
    """
    freed = 0
    for file in files:
        aside = file.with_name(f".{file.name}{_ASIDE}")
        with contextlib.suppress(FileNotFoundError):  # another clean-up has it
            os.rename(file, aside)
            facts = aside.stat()
            if facts.st_mtime > time.time() - 3600 * hours:
                os.rename(aside, file)
                continue
            aside.unlink()
            freed += facts.st_size
    return freed


def _tables(store: Store) -> list[Path]:
    return sorted(log.parent for log in store.root.rglob("_delta_log"))


def _replaced(table: Path, hours: float) -> list[Path]:
    """Files of a table that its log names no more and that are old enough, as Delta's vacuum counts it."""
    from deltalake import DeltaTable

    # Delta counts whole hours; for less than one it would take what was replaced this moment.
    names = DeltaTable(str(table)).vacuum(int(hours), dry_run=True, enforce_retention_duration=False)
    limit = time.time() - 3600 * hours
    files = [table / name for name in names]
    return [file for file in files if file.exists() and file.stat().st_mtime <= limit]


def _unreferenced(store: Store, hours: float, replaced: set[Path]) -> list[Path]:
    """Old shards that no file of the media table names, be it of a former version that may still be read."""
    import polars as pl

    rows = [file for file in store.path("media").rglob("*.parquet") if file not in replaced]
    named = set(pl.scan_parquet(rows).select(pl.col("shard").unique()).collect()["shard"]) if rows else set()
    limit = time.time() - 3600 * hours
    shards = store.path("media_bytes").glob("*.parquet")
    return [file for file in shards if file.stem not in named and file.stat().st_mtime <= limit]
