"""Hostile files: damaged, lying or swollen ones end with one typed error or as bad rows, in bounded memory."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import subprocess
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pairs.errors import BadRow, PrefmillError, SourceChanged
from pairs.media import encode_image
from sources import _inflate
from sources._archives import _Tar, open_archive
from sources._media import MediaFinder
from sources._read import ingest

TOY = """
from pairs.schema import Pair
from sources._source import Source
source = Source(repo="nobody/toy", revision=None, licence="MIT", label_source="human",
    files={"train": ("*.jsonl", "*.gz", "*.json", "*.csv", "*.parquet")},
    example={"question": "q", "chosen": "a", "rejected": "b"})
def pairs(row):
    yield Pair(prompt=row["question"], chosen=row["chosen"], rejected=row["rejected"])
"""
PREFLIGHT = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), int(sys.argv[1])))
import sources
from pairs.store import Store
from pairs.errors import PrefmillError
from sources._read import ingest
sources.__path__.append(sys.argv[2])
try:
    books = ingest(Store(sys.argv[3]), "toy", path=sys.argv[4], workers=0)
    print("READ", books.rows, books.pairs)
except PrefmillError as error:
    print("REFUSED", type(error).__name__, error)
"""


def rows(count):
    return [{"question": f"Q{n}?", "chosen": f"good {n}", "rejected": f"bad {n}"} for n in range(count)]


@pytest.fixture
def native(tmp_path):
    folder = tmp_path / "native"
    folder.mkdir()
    return folder


@pytest.fixture
def read(store, toy_source, native):
    """Ingest one file of given bytes; returns the books, or the error."""
    toy_source("toy", TOY)

    def run(name, data):
        for old in native.iterdir():
            old.unlink()
        (native / name).write_bytes(data)
        try:
            return ingest(store, "toy", path=str(native))
        except PrefmillError as error:
            return error

    return run


def parquet_bytes():
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows(2_000)), out, row_group_size=500, compression="zstd")
    return out.getvalue()


def test_damaged_parquet_files_are_refused_or_balance(read):
    sound, rng = parquet_bytes(), random.Random(5)
    refused = 0
    for turn in range(150):
        data = bytearray(sound)
        if turn % 3 == 0:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        elif turn % 3 == 1:
            data = data[: rng.randrange(len(data))]
        else:
            data[-4 - rng.randrange(400) :] = rng.randbytes(8)
        found = read("a.parquet", bytes(data))
        if isinstance(found, PrefmillError):
            refused += 1
            assert isinstance(found, SourceChanged)
        else:
            found.check()
    assert refused > 75


@pytest.mark.parametrize(
    "tail", [b"PAR1", b"\0\0\0\0PAR1", b"\xff\xff\xff\x7fPAR1", b"\xff\xff\xff\xffPAR1", b"PARE", b""]
)
def test_a_wrong_parquet_footer_is_refused(read, tail):
    assert isinstance(read("a.parquet", b"PAR1" + b"x" * 100 + tail), SourceChanged)


def test_broken_bytes_cost_the_rows_that_hold_them(read):
    good = "".join(json.dumps(row) + "\n" for row in rows(500)).encode()
    bad = b'{"question": "\xff\xfe", "chosen": "a", "rejected": "b"}\n'
    deep = b'{"question": ' + b"[" * 100_000 + b"]" * 100_000 + b', "chosen": "a", "rejected": "b"}\n'
    huge = b'{"question": ' + b"9" * 1_000_000 + b', "chosen": "a", "rejected": "b"}\n'
    books = read("a.jsonl", b"\xef\xbb\xbf" + good + bad + deep + huge)
    assert (books.rows, books.pairs, books.broken) == (503, 500, 3)


def test_broken_bytes_in_a_table_cost_their_rows(read):
    lines = ["question,chosen,rejected", *(",".join(row.values()) for row in rows(500))]
    text = b"\xef\xbb\xbf" + "\n".join(lines).encode() + b"\nq\xff,a,b\nq,a\n\x00,a,b\nlast?,a,b\n"
    books = read("a.csv", text)
    assert (books.rows, books.pairs, books.broken) == (504, 501, 3)


def test_a_json_list_survives_broken_bytes_and_ends_at_broken_syntax(read):
    text = json.dumps(rows(500)).encode()
    books = read("a.json", text[:-1] + b', {"question": "\xff", "chosen": "a", "rejected": "b"}]')
    assert (books.rows, books.pairs, books.asides) == (501, 500, {"prompt_not_unicode": 1})
    books = read("a.json", text[:-1] + b', {"question": ' + b"[" * 100_000 + b"]" * 100_000 + b"}]")
    assert (books.rows, books.pairs, books.broken) == (501, 500, 1)


def test_a_cut_or_damaged_gzip_file_is_refused(read):
    sound = gzip.compress("".join(json.dumps(row) + "\n" for row in rows(3_000)).encode())
    flipped = bytearray(sound)
    flipped[len(sound) // 2] ^= 0x55
    for data in (sound[: len(sound) // 2], bytes(flipped), b"no gzip at all", sound[:-4] + b"\0\0\0\0"):
        found = read("a.jsonl.gz", data)
        assert isinstance(found, SourceChanged), found


def bomb(size):
    """`size` megabytes of one letter, gzipped."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b"a" * (1 << 20)
    return b"".join(packer.compress(block) for _ in range(size)) + packer.flush()


def swollen_parquet(path):
    """A Parquet file of some hundred KB whose one text column unfolds to gigabytes."""
    text = pa.array(["x" * (1 << 20)])
    dictionary = pa.DictionaryArray.from_arrays(pa.array([0] * 4_000, pa.int32()), text)
    table = pa.table({"question": dictionary.cast(pa.dictionary(pa.int32(), pa.string())), "chosen": ["a"] * 4_000,
                      "rejected": ["b"] * 4_000})  # fmt: skip
    pq.write_table(table, path, compression="zstd", store_schema=False)


def limited(tmp_path, native, limit):
    code = tmp_path / "toys"
    code.mkdir(exist_ok=True)
    (code / "toy.py").write_text(TOY)
    made = subprocess.run(
        [sys.executable, "-c", PREFLIGHT, str(limit), str(code), str(tmp_path / "store"), str(native)],
        capture_output=True, text=True, timeout=100, cwd=Path(__file__).parents[2],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"},
    )  # fmt: skip
    assert made.returncode == 0, made.stderr[-2_000:]
    return made.stdout


def test_swollen_files_are_refused_within_the_memory_limit(tmp_path, native):
    swollen_parquet(native / "a.parquet")
    assert (native / "a.parquet").stat().st_size < 1 << 20
    said = limited(tmp_path, native, 3 << 30)
    assert said.startswith("REFUSED SourceChanged")
    (native / "a.parquet").unlink()
    (native / "a.jsonl.gz").write_bytes(bomb(1_500))
    assert (native / "a.jsonl.gz").stat().st_size < 2 << 20
    said = limited(tmp_path, native, 3 << 30)
    assert "row_too_long" in said


def png():
    return encode_image(np.random.default_rng(1).integers(0, 255, (16, 16, 3), dtype=np.uint8))


def finder(folder, place):
    import fsspec

    return MediaFinder(fsspec.filesystem("file"), str(folder), (place,))


def tar_with(path, members):
    with tarfile.open(path, "w") as archive:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            if kind == tarfile.REGTYPE:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                info.linkname = content
                archive.addfile(info)


def test_only_regular_members_of_a_tar_are_pictures(native, tmp_path):
    (tmp_path / "secret.png").write_bytes(png())
    tar_with(
        native / "pictures.tar",
        [
            ("./sub/good.png", tarfile.REGTYPE, png()),
            ("../escape.png", tarfile.REGTYPE, b"escape"),
            ("/abs.png", tarfile.REGTYPE, b"abs"),
            ("link.png", tarfile.SYMTYPE, str(tmp_path / "secret.png")),
            ("hard.png", tarfile.LNKTYPE, "sub/good.png"),
            ("device.png", tarfile.CHRTYPE, ""),
            ("pipe.png", tarfile.FIFOTYPE, ""),
        ],
    )
    found = finder(native, "pictures.tar")
    # No folder of that name lies beside: only the archive can answer.
    assert found.read("sub/good.png") == png()
    for name in ("link.png", "hard.png", "device.png", "pipe.png"):
        with pytest.raises(BadRow) as caught:
            found.read(name)
        assert caught.value.reason == "media_not_found"
    for name in ("../escape.png", "/abs.png", "sub/../../escape.png"):
        with pytest.raises(BadRow) as caught:
            found.read(name)
        assert caught.value.reason == "media_path_outside"
    assert sorted(path.name for path in native.iterdir()) == ["pictures.tar"]


def test_links_and_swollen_members_of_a_zip_are_no_pictures(native):
    with zipfile.ZipFile(native / "pictures.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("swollen.png", b"\0" * (65 << 20))
        archive.writestr("good.png", png())
    found = finder(native, "pictures.zip")
    assert found.read("good.png") == png()
    for name, reason in (("link.png", "media_not_found"), ("swollen.png", "image_size")):
        with pytest.raises(BadRow) as caught:
            found.read(name)
        assert caught.value.reason == reason


def test_a_zip_in_parts_is_read_as_one(native):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(30):
            archive.writestr(f"p/{number}.png", png() + bytes([number]))
    data = out.getvalue()
    third = len(data) // 3
    for name, part in (("aa", data[:third]), ("ab", data[third : 2 * third]), ("ac", data[2 * third :])):
        (native / f"pictures.zip_{name}").write_bytes(part)
    found = finder(native, "pictures.zip")
    assert [found.read(f"p/{number}.png") for number in range(30)] == [png() + bytes([n]) for n in range(30)]
    (native / "pictures.zip_ab").unlink()
    with pytest.raises((SourceChanged, BadRow)):
        finder(native, "pictures.zip").read("p/15.png")


@pytest.mark.parametrize("name", ["pictures.tar.zst", "pictures.tar.xz"])
def test_a_packed_tar_is_refused_with_advice_unless_unpacked(native, name):
    (native / name).write_bytes(gzip.compress(b"x"))
    with pytest.raises(SourceChanged, match="unpack it"):
        finder(native, name).read("a.png")
    (native / name).unlink()
    (native / "pictures").mkdir()
    (native / "pictures" / "a.png").write_bytes(png())
    assert finder(native, name).read("a.png") == png()


def packed_tar(path, count):
    """A tar of noise, packed; its members by name."""
    rng = random.Random(7)
    members = {f"pictures/{n}.bin": rng.randbytes(rng.randrange(1, 200_000)) for n in range(count)}
    whole = path.parent / "whole"
    tar_with(whole, [(name, tarfile.REGTYPE, content) for name, content in members.items()])
    path.write_bytes(gzip.compress(whole.read_bytes()))
    whole.unlink()
    return members


@pytest.mark.parametrize("name", ["pictures.tar.gz", "pictures.tgz"])
def test_a_tar_packed_by_gzip_is_read_in_place_in_any_order(native, name, monkeypatch):
    monkeypatch.setattr(_inflate, "EVERY", 300_000)
    members = packed_tar(native / name, 60)
    looked_up = finder(native, name)
    order = list(members)
    random.Random(8).shuffle(order)
    for path in [*order, *order[:5]]:
        assert looked_up.read(path) == members[path]
    assert looked_up.read(order[0].removeprefix("pictures/")) == members[order[0]], "without its first folder"
    with pytest.raises(BadRow):
        looked_up.read("nothing.bin")


def test_a_later_look_into_a_packed_tar_unpacks_little_of_it(native, monkeypatch):
    monkeypatch.setattr(_inflate, "EVERY", 300_000)
    members = packed_tar(native / "p.tar.gz", 60)
    with (native / "p.tar.gz").open("rb") as packed:
        counted = Counted(packed)
        archive = _Tar(_inflate.inflated(counted), "p")
        assert counted.bytes > 4_000_000, "the index takes one pass"
        counted.bytes = 0
        for path in list(members)[-1], next(iter(members)):
            assert archive.read(path) == members[path]
    assert counted.bytes < 1_500_000


class Counted:
    """A file, and how many bytes were read of it."""

    def __init__(self, file):
        self.file, self.bytes, self.seek, self.tell = file, 0, file.seek, file.tell

    def read(self, size):
        data = self.file.read(size)
        self.bytes += len(data)
        return data


def test_a_packed_tar_in_several_parts_padded_or_cut(native):
    members = packed_tar(native / "p.tar.gz", 12)
    packed = (native / "p.tar.gz").read_bytes()
    tar = gzip.decompress(packed)
    (native / "parts.tar.gz").write_bytes(gzip.compress(tar[:700_001]) + gzip.compress(tar[700_001:]) + b"\0" * 64)
    looked_up = finder(native, "parts.tar.gz")
    assert all(looked_up.read(path) == content for path, content in members.items())
    (native / "cut.tar.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(SourceChanged, match="download it again"):
        finder(native, "cut.tar.gz").read("a.bin")


def test_damaged_archives_are_refused_or_cost_the_row(native):
    import fsspec

    tar_with(native / "whole.tar", [(f"{n}.png", tarfile.REGTYPE, png()) for n in range(20)])
    with zipfile.ZipFile(native / "whole.zip", "w") as archive:
        for number in range(20):
            archive.writestr(f"{number}.png", png())
    rng, answers = random.Random(3), set()
    (native / "whole.tar.gz").write_bytes(gzip.compress((native / "whole.tar").read_bytes()))
    for name in ("whole.tar", "whole.zip", "whole.tar.gz"):
        sound = (native / name).read_bytes()
        for _ in range(150):
            data = bytearray(sound)
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            (native / name).write_bytes(data[: rng.randrange(len(data)) if rng.random() < 0.3 else None])
            try:
                archive = open_archive(fsspec.filesystem("file"), str(native / name))
                answers |= {type(archive.read(f"{number}.png")) for number in range(20)}
            except (SourceChanged, BadRow) as error:
                answers.add(type(error))
    assert answers == {bytes, type(None), SourceChanged, BadRow}
