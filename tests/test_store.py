"""Tables and media shards: parts are replaced alone, media come back by id, names follow content."""

from __future__ import annotations

import os
import time

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from pairs.errors import PrefmillError
from pairs.media import check_image, encode_image
from pairs.shards import MediaWriter
from pairs.store import GROUP_ROWS, file_hash
from pairs.tables import BAD_ROWS, REWARDS


def bad_rows(source, count):
    return pa.Table.from_pylist(
        [
            {"source": source, "source_split": "train", "source_row": f"f:{n}", "kind": "broken",
             "reason": "r", "detail": "d", "whole_row": True}
            for n in range(count)
        ],
        schema=BAD_ROWS,
    )  # fmt: skip


def counts(store):
    frame = store.scan("bad_rows").group_by("source").len().sort("source").collect()
    return dict(frame.iter_rows())


def pictures(count, seed=0):
    rng = np.random.default_rng(seed)
    return [check_image(encode_image(rng.integers(0, 255, (48, 48, 3), dtype=np.uint8))) for _ in range(count)]


def test_a_table_not_yet_written_is_empty(store):
    assert store.scan("pairs").collect().height == 0
    assert store.facts("pairs", "a") == {}
    assert store.version("pairs") == -1


def test_replacing_one_part_leaves_the_others(store):
    store.replace("bad_rows", "a", bad_rows("a", 3), {"n": "1"})
    store.replace("bad_rows", "b", bad_rows("b", 2), {"n": "2"})
    store.replace("bad_rows", "a", bad_rows("a", 1), {"n": "3"})
    assert counts(store) == {"a": 1, "b": 2}
    assert store.facts("bad_rows", "a") == {"n": "3"}
    assert store.facts("bad_rows", "b") == {"n": "2"}
    old = pl.scan_delta(str(store.path("bad_rows")), version=1).collect()
    assert old.height == 5


def test_facts_outlive_the_month_after_which_delta_forgets_its_log(store):
    store.replace("bad_rows", "a", bad_rows("a", 1), {"n": "1"})
    store.replace("bad_rows", "b", bad_rows("b", 1), {"n": "2"})
    past = time.time() - 400 * 86_400
    for entry in store.path("bad_rows", "_delta_log").iterdir():
        os.utime(entry, (past, past))
    store.replace("bad_rows", "b", bad_rows("b", 2), {"n": "3"})
    table = DeltaTable(str(store.path("bad_rows")))
    table.create_checkpoint()
    table.cleanup_metadata()
    assert [store.facts("bad_rows", part) for part in "ab"] == [{"n": "1"}, {"n": "3"}]


def test_a_part_can_become_empty(store):
    store.replace("bad_rows", "a", bad_rows("a", 3), {})
    store.replace("bad_rows", "a", bad_rows("a", 0), {"n": "0"})
    assert counts(store) == {}
    assert store.facts("bad_rows", "a") == {"n": "0"}


def test_rows_of_another_shape_or_part_are_refused(store):
    wrong = bad_rows("a", 1).set_column(0, "source", pa.array([5]))
    with pytest.raises(PrefmillError, match="schema"):
        store.replace("bad_rows", "a", wrong, {})
    with pytest.raises(PrefmillError, match="part"):
        store.replace("bad_rows", "a", bad_rows("b", 1), {})


def test_a_signal_may_measure_more_than_it_did(store):
    """A newer filter's column joins a store that an older one has filled; other mixtures have it empty."""
    old = {"pair_id": ["x"], "n": pa.array([1], pa.int64())}
    for mixture in ("a", "b"):
        store.replace("signals/toy", mixture, pa.table({"mixture": [mixture], **old}), {})
    store.replace("signals/toy", "a", pa.table({"mixture": ["a"], **old, "more": pa.array([0.5])}), {})
    rows = store.scan("signals/toy").select("mixture", "n", "more").sort("mixture").collect().rows()
    assert rows == [("a", 1, 0.5), ("b", 1, None)]


def test_media_come_back_by_id_and_shards_are_named_by_content(store):
    media = pictures(40)
    writer = MediaWriter(store, "a")
    for medium in [*media, *media[:5]]:
        writer.add(medium)
    rows = writer.close()
    store.replace("media", "a", rows, {})
    assert rows.num_rows == 40
    wanted = [medium.media_id for medium in media[::7]]
    assert store.media(wanted) == {medium.media_id: medium.data for medium in media[::7]}
    for shard in store.path("media_bytes").iterdir():
        assert shard.stem == file_hash(shard)


def test_the_same_media_make_the_same_shard(store, tmp_path):
    from pairs.store import Store

    names = []
    for root in (store, Store(tmp_path / "other")):
        writer = MediaWriter(root, "a")
        for medium in pictures(10):
            writer.add(medium)
        names.append(set(writer.close()["shard"].to_pylist()))
    assert names[0] == names[1]


def test_an_abandoned_writer_leaves_nothing(store):
    writer = MediaWriter(store, "a")
    for medium in pictures(300):
        writer.add(medium)
    writer.abort()
    assert not [*store.path("media_bytes").iterdir()]


def test_a_medium_that_is_not_there_is_named(store):
    with pytest.raises(PrefmillError, match="0123"):
        store.media(["0123" * 8])


def test_row_groups_are_small_so_that_a_few_rows_are_found_in_little_memory(store):
    count = 2 * GROUP_ROWS + 1
    rows = pa.table({"model": ["m"] * count, "completion_id": [f"{n:032x}" for n in range(count)],
                     "reward": np.zeros(count, np.float32)}).cast(REWARDS)  # fmt: skip
    store.replace("rewards", "m", rows, {})
    store.replace("rewards", "m", rows, {})
    for file in store.path("rewards").rglob("*.parquet"):
        meta = pq.ParquetFile(file).metadata
        sizes = [meta.row_group(n).num_rows for n in range(meta.num_row_groups)]
        assert max(sizes) <= GROUP_ROWS
        assert meta.row_group(0).column(0).compression == "SNAPPY"


def test_batches_are_one_part_once_in_whole_row_groups(store, monkeypatch):
    monkeypatch.setattr("pairs.store.GROUP_ROWS", 10)
    for source in ("a", "it's"):
        store.append("bad_rows", source, bad_rows(source, 35), {})
        store.append("bad_rows", source, bad_rows(source, 7), {})
    pieces = list(store.batches("bad_rows", "it's", 15))
    assert sorted(piece.height for piece in pieces) == [7, 15, 20]
    held = pl.concat(pieces).select(BAD_ROWS.names)
    assert held.sort("source_row").equals(store.scan("bad_rows", ["it's"]).collect().sort("source_row"))
    assert list(store.batches("pairs", "a", 15)) == []
