"""Pictures of published rows: each read alone from where it lies, or with its row group where that is unknown."""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mixtures._columns import PICTURES
from mixtures._embed import Pictures
from pairs.errors import PrefmillError
from pairs.schema import Medium
from pairs.shards import MediaWriter, begins
from pairs.tables import MEDIA


def put(store, sizes):
    """Random bytes of these sizes as media of the store: bytes by id."""
    chance, held = np.random.default_rng(3), {}
    writer = MediaWriter(store, "a")
    for size in sizes:
        data = chance.bytes(size)
        name = hashlib.blake2b(data, digest_size=16).hexdigest()
        held[writer.add(Medium(name, "image", "JPEG", 8, 8, None, data))] = data
    store.replace("media", "a", writer.close().cast(MEDIA), {})
    return held


def table(ids):
    """Three rows that show pictures twice, none, and all."""
    shown = [[*ids[:2], ids[0]], [], list(ids)]
    empty = [[]] * 3
    return pa.table(
        [shown, empty, empty], pa.schema([(name, pa.list_(pa.string())) for name in PICTURES.values()])
    )


def test_rows_get_the_bytes_of_their_pictures(store, monkeypatch):
    held = put(store, [60_000 + number for number in range(40)])
    monkeypatch.setattr(
        store, "media_groups", lambda places: [] if places.is_empty() else pytest.fail("whole groups")
    )
    ids = sorted(held)
    found = Pictures(store, pl.Series("media_id", ids)).of(table(ids))["images"]
    assert found.field("bytes").to_pylist() == [held[name] for name in [*ids[:2], ids[0], *ids]]
    assert found.field("path").to_pylist()[:2] == [f"{name}.jpg" for name in ids[:2]]


def test_small_pictures_that_fill_two_pages_are_read_with_their_row_group(store):
    held = put(store, [1020] * 1029 + [70_000] * 20)
    (file,) = store.path("media_bytes").iterdir()
    assert pq.read_metadata(file).row_group(0).num_rows == 1029
    media = store.scan("media").collect()
    known = begins(store, media).group_by("row_group").agg(pl.col("begin").is_not_null().all()).sort("row_group")
    assert known["begin"].to_list()[:2] == [False, True]
    ids = [*held][:3] + [*held][1020:1045]
    found = Pictures(store, pl.Series("media_id", ids)).of(table(ids))["images"]
    assert found.field("bytes").to_pylist() == [held[name] for name in [*ids[:2], ids[0], *ids]]


def test_a_shard_that_holds_something_else_is_named(store):
    ids = [*put(store, [60_000 + number for number in range(40)])]
    pictures = Pictures(store, pl.Series("media_id", ids))
    (file,) = store.path("media_bytes").iterdir()
    file.write_bytes(file.read_bytes()[:-1000].replace((60_003).to_bytes(4, "little"), b"\0\0\0\0"))
    with pytest.raises(PrefmillError, match=rf"{file.name}: at byte \d+ lies no medium of 60003 bytes.*ingest"):
        pictures.of(table(ids))
