"""Rows in zips and pictures in the zips of their shards, read where they lie; a changed archive is read again."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import zipfile
from pathlib import Path

import fsspec
import pytest

from pairs.errors import SourceChanged
from sources._media import MediaFinder
from sources._read import ingest
from sources._shapes import PIXELS_PNG

TOY = """
"Rows in a zip. http://example.org"
from pairs.schema import Pair
from sources._source import Source
source = Source(repo="nobody/toy", revision=None, files={"train": ("rows.zip!/**/*.jsonl*",)}, licence="MIT",
    label_source="human", modality="image", media=("pictures.zip", "unpacked"),
    example={"question": "q", "image": "a.png", "chosen": "a", "rejected": "b", "_file": "rows.zip!/a.jsonl"})
def pairs(row):
    yield Pair(prompt=row["question"], chosen=row["chosen"], rejected=row["rejected"], images=[row["image"]],
               category=row["_file"])
"""


def lines(*questions):
    rows = [{"question": each, "image": "a.png", "chosen": "a", "rejected": "b"} for each in questions]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def pack(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


@pytest.fixture
def native(tmp_path, toy_source):
    toy_source("toy", TOY)
    root = tmp_path / "native"
    root.mkdir()
    pack(
        root / "rows.zip",
        {"a.jsonl": lines("1", "2"), "deep/b.jsonl.gz": gzip.compress(lines("3")), "c.txt": b"no"},
    )
    pack(root / "pictures.zip", {"a.png": PIXELS_PNG})
    return root


def cut(path, pieces=3, name="{path}_a{letter}"):
    data = path.read_bytes()
    path.unlink()
    size = -(-len(data) // pieces)
    for number in range(pieces):
        part = data[number * size : (number + 1) * size]
        Path(name.format(path=path, letter="abcdef"[number], number=number)).write_bytes(part)


def places(store):
    rows = store.scan("pairs", ["toy"]).sort("source_row").collect()
    assert rows["source_row"].str.replace(r":\d+$", "").to_list() == rows["category"].to_list()
    return rows["source_row"].to_list()


def test_files_in_a_zip_are_read_where_they_lie(store, native):
    before = sorted(native.iterdir())
    books = ingest(store, "toy", path=str(native))
    assert (books.rows, books.pairs, books.files, books.asides) == (3, 3, 2, {})
    assert places(store) == ["rows.zip!/a.jsonl:0", "rows.zip!/a.jsonl:1", "rows.zip!/deep/b.jsonl.gz:0"]
    assert sorted(native.iterdir()) == before
    assert not ingest(store, "toy", path=str(native)).changed


@pytest.mark.parametrize("name", ["{path}_a{letter}", "{path}.00{number}", "{path}.a{letter}", "{path}.0{number}"])
def test_a_zip_in_parts_and_several_processes_give_the_same_rows(store, native, name):
    whole = ingest(store, "toy", path=str(native))
    known = store.scan("pairs", ["toy"]).drop("source_revision").sort("source_row").collect()
    for archive in ("rows.zip", "pictures.zip"):
        cut(native / archive, name=name)
    books = ingest(store, "toy", path=str(native), workers=2)
    assert (books.changed, books.rows, books.revision) == (True, 3, whole.revision)
    assert store.scan("pairs", ["toy"]).drop("source_revision").sort("source_row").collect().equals(known)


def test_a_large_file_in_a_zip_is_not_cut(store, native, monkeypatch):
    monkeypatch.setattr("sources._units.UNIT_BYTES_ELSE", 10)
    assert ingest(store, "toy", path=str(native)).rows == 3


def test_what_a_zip_held_is_read_from_the_folder_of_its_name(store, native):
    with zipfile.ZipFile(native / "rows.zip") as archive:
        archive.extractall(native / "rows")
    ingest(store, "toy", path=str(native))
    assert places(store)[0] == "rows.zip!/a.jsonl:0", "the zip goes first"
    (native / "rows.zip").unlink()
    assert ingest(store, "toy", path=str(native)).rows == 3
    assert places(store) == ["rows/a.jsonl:0", "rows/a.jsonl:1", "rows/deep/b.jsonl.gz:0"]


def test_rows_and_pictures_in_zips_come_from_a_bucket(store, native, bucket):
    client, url = bucket
    for archive in native.iterdir():
        client.upload_file(str(archive), "native", f"toy/{archive.name}")
    assert ingest(store, "toy", path=url).rows == 3
    assert not ingest(store, "toy", path=url).changed
    pack(native / "rows.zip", {"a.jsonl": lines("4")})
    client.upload_file(str(native / "rows.zip"), "native", "toy/rows.zip")
    assert ingest(store, "toy", path=url).rows == 1


def test_names_in_a_zip_lead_nowhere_else(store, native):
    (native.parent / "secret.jsonl").write_bytes(lines("secret"))
    pack(native / "rows.zip", {"../secret.jsonl": lines("1"), "/etc/x.jsonl": lines("2")})
    link = zipfile.ZipInfo("link.jsonl")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(native / "rows.zip", "a") as archive:
        archive.writestr(link, "../secret.jsonl")
    assert ingest(store, "toy", path=str(native)).rows == 2
    prompts = store.scan("pairs", ["toy"]).collect()["prompt"].to_list()
    assert sorted(turns[0]["content"].removeprefix("<image>\n") for turns in prompts) == ["1", "2"]


def damaged(path, at, value=b"\xff"):
    data = path.read_bytes()
    path.write_bytes(data[:at] + value + data[at + len(value) :])


def test_a_zip_that_cannot_be_read_is_named(store, native):
    rows = native / "rows.zip"
    whole = rows.read_bytes()
    damaged(rows, whole.index(b"a.jsonl") + len("a.jsonl") + 5, b"\xff\xff\xff")
    with pytest.raises(SourceChanged, match=r"rows\.zip!/a\.jsonl: not readable as zip: .*; download it again"):
        ingest(store, "toy", path=str(native))
    rows.write_bytes(whole)
    damaged(rows, whole.index(b"PK\1\2") + 10, b"\x09")  # another method of compression
    with pytest.raises(SourceChanged, match=r"rows\.zip!/a\.jsonl: .*; unpack .*rows\.zip beside itself"):
        ingest(store, "toy", path=str(native))
    rows.write_bytes(whole[:-30])
    with pytest.raises(SourceChanged, match=r"rows\.zip: File is not a zip file; download it again"):
        ingest(store, "toy", path=str(native))
    with zipfile.ZipFile(rows, "w") as archive:
        archive.writestr("a.jsonl", lines("1"))
    damaged(rows, rows.read_bytes().index(b'"1"') + 1, b"2")
    with pytest.raises(SourceChanged, match=r"rows\.zip!/a\.jsonl: not readable as zip: Bad CRC"):
        ingest(store, "toy", path=str(native))
    pack(rows, {"a.txt": b""})
    with pytest.raises(
        SourceChanged, match=r"expected rows\.zip!/\*\*/\*\.jsonl\*; it holds pictures\.zip, rows\.zip"
    ):
        ingest(store, "toy", path=str(native))


def test_a_mended_archive_of_pictures_is_read_again(store, native):
    pack(native / "pictures.zip", {"a.png": PIXELS_PNG + b"first"})
    ingest(store, "toy", path=str(native))
    pack(native / "pictures.zip", {"a.png": PIXELS_PNG + b"other"})
    assert ingest(store, "toy", path=str(native)).changed
    cut(native / "pictures.zip")
    assert ingest(store, "toy", path=str(native)).changed
    assert not ingest(store, "toy", path=str(native)).changed
    os.utime(native / "pictures.zip_ac", (1, 1))
    assert ingest(store, "toy", path=str(native)).changed
    os.utime(native / "rows.zip", (1, 1))
    assert ingest(store, "toy", path=str(native)).changed
    (native / "unpacked").mkdir()
    assert not ingest(store, "toy", path=str(native)).changed, "of a folder only which it is"


def test_pictures_elsewhere_leave_the_sources_own_archives_alone(store, native, tmp_path):
    shutil.copy(native / "pictures.zip", tmp_path / "elsewhere.zip")
    elsewhere = str(tmp_path / "elsewhere.zip")
    ingest(store, "toy", path=str(native), pictures=elsewhere)
    os.utime(native / "pictures.zip", (1, 1))
    assert not ingest(store, "toy", path=str(native), pictures=elsewhere).changed


@pytest.mark.parametrize("archive", ["shards/{shard}.zip", "shards/{shard}/{shard}.zip"])
@pytest.mark.parametrize("member", ["x.png", "{shard}/x.png", "shards/{shard}/x.png"])
def test_a_picture_is_looked_up_in_the_zip_of_its_shard(tmp_path, archive, member):
    for shard in ("one", "two"):
        (tmp_path / "shards" / shard).mkdir(parents=True)
        pack(tmp_path / archive.format(shard=shard), {member.format(shard=shard): shard.encode()})
    finder = MediaFinder(fsspec.filesystem("file"), str(tmp_path), ("shards/*.zip", "shards/*/*.zip"))
    assert finder.read("shards/two/x.png") == b"two"
    assert len(finder._archives) == 1, "the others stay closed"
    assert finder.read("shards/one/x.png") == b"one"
