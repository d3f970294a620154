"""The reader of gzip files, beside Python's own."""

from __future__ import annotations

import gzip
import io
import zlib

import pytest

from sources._inflate import inflated

LINES = b"".join(b"line %d of a file that packs well\n" % number for number in range(40_000))


def packed(data):
    return gzip.compress(data, mtime=0)  # the time would be part of the test's name


def unpacked(data):
    with inflated(io.BytesIO(data)) as file:
        return file.read()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        packed(b""),
        packed(LINES),
        packed(LINES[:1_000]) + packed(b"") + packed(LINES[1_000:]),
        packed(LINES[:1_000]) + bytes(70_000) + packed(LINES[1_000:]) + bytes(512),
        packed(bytes(3 << 20)),
    ],
)
def test_what_python_unpacks_comes_out_the_same(data):
    assert unpacked(data) == gzip.GzipFile(fileobj=io.BytesIO(data)).read()


def test_lines_and_a_second_start():
    with inflated(io.BytesIO(gzip.compress(LINES))) as file:
        assert file.readline() == LINES[: LINES.index(b"\n") + 1]
        file.read(1 << 20)
        file.seek(0)
        assert list(file) == LINES.splitlines(keepends=True)


def test_a_file_cut_anywhere_is_never_taken_for_whole():
    data = gzip.compress(b"".join(b"%d " % (number * 7919 % 1_000) for number in range(300)))
    for stop in range(1, len(data)):
        with pytest.raises(EOFError):
            unpacked(data[:stop])


def test_damage_and_what_follows_a_member_are_refused():
    data = gzip.compress(LINES)
    for bad in (data[:-8] + b"\1\2\3\4" + data[-4:], b"plain text", data + b"and more", bytes(20) + data):
        with pytest.raises(zlib.error):
            unpacked(bad)


def test_little_is_unpacked_at_a_time_whatever_the_file_holds():
    with inflated(io.BytesIO(gzip.compress(bytes(64 << 20)))) as file:
        assert len(file.readline(1 << 20)) == 1 << 20
        assert file.raw.tell() <= (1 << 20) + (256 << 10)
