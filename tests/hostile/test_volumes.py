"""Zips in volumes (`zip -s`): read in place, whole or not at all."""

from __future__ import annotations

import io
import random
import struct
import zipfile

import fsspec
import pytest

from pairs.errors import BadRow, SourceChanged
from sources._archives import open_archive

MEMBERS = {f"p/{n}.bin": random.Random(n).randbytes(700 + 31 * n) for n in range(20)}
ENTRY = 46  # bytes of an entry of the index before its name


def in_volumes(folder, size, members=MEMBERS, *, zip64=False, elsewhere=None):
    """Write pictures.z01, ..., pictures.zip as `zip -s` does; `elsewhere` makes the index name that volume."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    plain = out.getvalue()
    end = plain.rindex(b"PK\5\6")
    count, length, begin = struct.unpack_from("<H2L", plain, end + 10)
    data = bytearray(b"PK\7\x08" + plain[:end])
    at = begin + 4
    for _ in range(count):
        place = struct.unpack_from("<L", data, at + 42)[0] + 4
        volume, offset = divmod(place, size)
        struct.pack_into("<H", data, at + 34, volume if elsewhere is None else elsewhere)
        struct.pack_into("<L", data, at + 42, offset)
        at += ENTRY + sum(struct.unpack_from("<3H", data, at + 28))
    of_index, place = divmod(begin + 4, size)
    last = (len(data) + 21 + 76 * zip64) // size
    if zip64:
        data += struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, last, of_index, count, count, length, place)
        data += struct.pack("<4sLQL", b"PK\6\7", last, (len(data) - 56) % size, last + 1)
        count, length, place = 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF
    data += struct.pack("<4s4H2LH", b"PK\5\6", last, of_index, count, count, length, place, 0)
    cuts = [bytes(data[start : start + size]) for start in range(0, len(data), size)]
    assert b"PK\5\6" in cuts[-1], "choose a size that does not cut the end record"
    for number, cut in enumerate(cuts[:-1], 1):
        (folder / f"pictures.z{number:02d}").write_bytes(cut)
    (folder / "pictures.zip").write_bytes(cuts[-1])
    return len(cuts)


def opened(folder):
    return open_archive(fsspec.filesystem("file"), str(folder / "pictures.zip"))


@pytest.mark.parametrize(("size", "zip64"), [(4_000, False), (9_000, True), (1_900, False), (150, False)])
def test_a_zip_in_volumes_is_read_in_place_in_any_order(tmp_path, size, zip64):
    assert in_volumes(tmp_path, size, zip64=zip64) > 2
    archive = opened(tmp_path)
    for name in random.Random(1).sample(list(MEMBERS), len(MEMBERS)):
        assert archive.read(name) == MEMBERS[name]
        assert archive.read(name.removeprefix("p/")) == MEMBERS[name], "without its first folder"
    assert archive.read("nothing.bin") is None


def test_a_member_that_names_a_place_outside_leads_nowhere(tmp_path):
    in_volumes(tmp_path, 400, {"../../etc/passwd": b"x" * 10, "good.bin": random.Random(2).randbytes(2_000)})
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_bytes(b"not this")
    archive = opened(tmp_path)
    assert len(archive.read("good.bin")) == 2_000
    assert archive.read("etc/passwd") is None


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ("pictures.z02", "pictures.z02 is not there, one of 5 volumes"),
        ("pictures.z04", "pictures.z04 is not there, one of 5 volumes"),
        ("pictures.zip", "pictures.zip is not there, the last volume of .*pictures.z04"),
    ],
)
def test_a_volume_that_is_missing_is_named(tmp_path, lost, said):
    assert in_volumes(tmp_path, 4_900) == 5
    (tmp_path / lost).unlink()
    with pytest.raises(SourceChanged, match=said):
        opened(tmp_path)


def test_a_volume_too_many_or_an_index_of_another_archive_is_refused(tmp_path):
    count = in_volumes(tmp_path, 4_900)
    (tmp_path / f"pictures.z{count:02d}").write_bytes(b"left from before")
    with pytest.raises(SourceChanged, match="the last of 5 volumes, 6 are there"):
        opened(tmp_path)
    (tmp_path / f"pictures.z{count:02d}").unlink()
    in_volumes(tmp_path, 4_900, elsewhere=77)
    with pytest.raises(SourceChanged, match="is in volume 78 of 5"):
        opened(tmp_path)
    (tmp_path / "pictures.zip").write_bytes(b"PK")
    with pytest.raises(SourceChanged, match="no end record"):
        opened(tmp_path)


def test_damaged_volumes_are_refused_or_cost_the_row(tmp_path):
    in_volumes(tmp_path, 4_900)
    rng, answers = random.Random(3), set()
    sound = {path: path.read_bytes() for path in sorted(tmp_path.iterdir())}
    for _ in range(200):
        path = rng.choice(list(sound))
        data = bytearray(sound[path])
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data[: rng.randrange(len(data)) if rng.random() < 0.3 else None])
        try:
            archive = opened(tmp_path)
        except SourceChanged:
            answers.add(SourceChanged)
        else:
            for name, content in MEMBERS.items():
                try:
                    assert archive.read(name) in (content, None)
                except BadRow:
                    answers.add(BadRow)
        path.write_bytes(sound[path])
    assert answers == {SourceChanged, BadRow}
