"""Cleaning a store: what was replaced goes when it is old, nothing that anyone may read does."""

from __future__ import annotations

import os
import time

import polars as pl
import pytest
from mixtures_made import TEXT_AND_IMAGES, image_rows, picture, put, recipe_of, small_store, text_rows, write
from typer.testing import CliRunner

from pairs.clean import remove, superseded
from pairs.errors import PrefmillError
from pairs.schema import Medium
from pairs.shards import MediaWriter
from pipelines.cli import app

OLD = 10 * 24 * 3600


def aged(store, seconds=OLD):
    """All files of the store as if written so long ago."""
    for file in store.root.rglob("*.parquet"):
        os.utime(file, (time.time() - seconds,) * 2)


@pytest.fixture
def replaced(tmp_path):
    """A store whose pairs were written twice, and whose first shard of pictures no row names."""
    store = small_store(tmp_path / "store", texts=20, images=6)
    first = {file.name for file in store.path("media_bytes").iterdir()}
    write(store, "talk", text_rows("talk", 25))
    write(store, "look", image_rows(store, "look", 9))
    return store, first


def everything(store):
    media = store.scan("media").collect()
    return store.scan("pairs").sort("pair_id").collect(), store.media(media["media_id"].to_list())


def test_replaced_files_and_shards_without_rows_go_and_nothing_that_is_read_does(replaced):
    store, first = replaced
    aged(store)
    before = everything(store)
    files = superseded(store, 0)
    assert {file.name for file in files if file.parent.name == "media_bytes"} == first
    assert len([file for file in files if "pairs" in file.parts]) == 2
    size = sum(file.stat().st_size for file in files)
    assert remove(files, 0) == size
    assert not any(file.exists() for file in files)
    after = everything(store)
    assert after[0].equals(before[0])
    assert after[1] == before[1]
    assert superseded(store, 0) == []
    assert not list(store.root.rglob(".*superseded"))
    write(store, "talk", text_rows("talk", 3))
    assert store.scan("pairs", ["talk"]).collect().height == 3


def test_what_was_replaced_lately_stays_for_those_who_read_it(replaced):
    store, first = replaced
    aged(store)
    assert superseded(store, 1) == [], "old files, but replaced just now: a run may still read them"
    read = pl.scan_delta(str(store.path("media")), version=0).collect()
    assert set(read["shard"] + ".parquet") == first


def test_a_shard_whose_rows_are_not_committed_yet_stays(replaced):
    store, _ = replaced
    aged(store)
    remove(superseded(store, 0), 0)
    writer = MediaWriter(store, "late")
    made = picture(77)
    writer.add(Medium(made.media_id, "image", made.format, made.width, made.height, None, made.data))
    rows = writer.close()
    assert superseded(store, 1) == []
    aged(store)
    assert [file.stem for file in superseded(store, 1)] == rows["shard"].to_pylist(), (
        "an ingestion that was killed"
    )


def test_a_file_that_was_written_again_after_it_was_named_stays(replaced):
    store, first = replaced
    aged(store)
    files = superseded(store, 0)
    (name,) = first
    shard = store.path("media_bytes", name)
    os.utime(shard, (time.time() + 60,) * 2)
    remove(files, 0)
    assert shard.exists()


def test_published_versions_are_never_touched(replaced, tmp_path):
    store, _ = replaced
    made = put(store, recipe_of(tmp_path, TEXT_AND_IMAGES))
    aged(store)
    remove(superseded(store, 0), 0)
    assert all((made.folder / name).exists() for name in made.files)


def test_the_command_shows_first_and_deletes_when_it_is_told_to(replaced, monkeypatch):
    store, _ = replaced
    aged(store)
    monkeypatch.setenv("PREFMILL_STORE", str(store.root))
    shown = CliRunner().invoke(app, ["clean", "--older-than", "0"])
    count = len(superseded(store, 0))
    assert f"{count} files" in shown.output
    assert "nothing was deleted; --yes deletes them" in shown.output
    assert len(superseded(store, 0)) == count > 0
    assert "deleted" in CliRunner().invoke(app, ["clean", "--older-than", "0", "--yes"]).output
    assert superseded(store, 0) == []
    assert "nothing to clean" in CliRunner().invoke(app, ["clean"]).output
    with pytest.raises(PrefmillError, match="expected 0 or more"):
        superseded(store, -1)
