"""Archives in several files: parts that are simply cut (.zip.001, .zip_aa, .tar.gz.00), volumes (.z01, ..., .zip).

`zip -s` writes volumes. Cut parts are an ordinary zip once joined; in volumes every place counts from the start
of its own file, which `zipfile` does not follow, so places are put right after it has read the index.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
from bisect import bisect_right
from itertools import accumulate
from pathlib import PurePosixPath
from typing import IO, cast

import fsspec

from pairs.errors import SourceChanged
from sources._network import network_faults

_END = struct.Struct("<4s4H2LH")  # the end record: signature, this volume, volume of the index, ...
_END_MARK = b"PK\5\6"
_LOCATOR = struct.Struct("<4sLQL")  # before it in large archives: signature, volume of, offset of, volumes
_LOCATOR_MARK = b"PK\6\7"
_TAIL = _END.size + _LOCATOR.size + 0xFFFF  # with the longest comment
_MANY = 0xFFFF  # a volume's number that stands elsewhere
_CUT = re.compile(r"_[a-z]{2}|\.[a-z]{2}|\.[0-9]{2,3}")  # what `split` puts after the name of a part
_PACKED = (".gz", ".xz")  # of a whole tar: no parts of it


def parts(fs: fsspec.AbstractFileSystem, full: str) -> list[str]:
    """The files that make up the archive at a path, in order: itself, volumes or cut parts; none without it.

    Raises `SourceChanged` when volumes are missing between others.
    """
    whole = fs.isfile(full)
    volumes = _volumes(fs, full, whole)
    if volumes:
        if not whole:
            raise SourceChanged(f"{full} is not there, the last volume of {volumes[max(volumes)]}; download it")
        _refuse_gaps(full, set(volumes), max(volumes))
        return [*(volumes[number] for number in sorted(volumes)), full]
    if whole:
        return [full]
    beside = (path for path in fs.glob(f"{full}[._]*") if not path.endswith(_PACKED))
    name = PurePosixPath(full).name
    return sorted(path for path in beside if _CUT.fullmatch(PurePosixPath(path).name.removeprefix(name)))


def _volumes(fs: fsspec.AbstractFileSystem, full: str, whole: bool) -> dict[int, str]:
    """The volumes beside a zip by their numbers."""
    if not full.endswith(".zip"):
        return {}
    try:
        beside = fs.glob(f"{full.removesuffix('.zip')}.z[0-9]*")
    except network_faults():
        if not whole:
            raise
        return {}  # a web server that lists no folders
    numbered = ((re.fullmatch(r"\.z(\d{2,5})", PurePosixPath(path).suffix), path) for path in beside)
    return {int(found[1]): path for found, path in numbered if found}


def _refuse_gaps(full: str, there: set[int], last: int) -> None:
    missing = sorted(set(range(1, last + 1)) - there)
    if missing:
        volume = f"{full.removesuffix('.zip')}.z{missing[0]:02d}"
        raise SourceChanged(f"{volume} is not there, one of {last + 1} volumes of {full}; download it")


class Volumes(io.RawIOBase):
    """Several files one after the other, as one that can seek."""

    def __init__(self, fs: fsspec.AbstractFileSystem, files: list[str]) -> None:
        self._files: list[IO[bytes]] = [fs.open(file, "rb") for file in files]
        self.starts = list(accumulate((int(fs.size(file)) for file in files), initial=0))
        self.cover = 0, b""  # an offset, and bytes that stand there instead of those of the files
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.starts[-1]}[whence]
        if base + offset < 0:
            raise OSError("seek before the start")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._at >= self.starts[-1]:
            return 0
        part = bisect_right(self.starts, self._at) - 1
        self._files[part].seek(self._at - self.starts[part])
        data = self._files[part].read(min(len(buffer), self.starts[part + 1] - self._at))
        buffer[: len(data)] = data
        at, cover = self.cover
        first, last = max(at, self._at), min(at + len(cover), self._at + len(data))
        if first < last:
            buffer[first - self._at : last - self._at] = cover[first - at : last - at]
        self._at += len(data)
        return len(data)


def open_joined(fs: fsspec.AbstractFileSystem, files: list[str]) -> IO[bytes]:
    """The files of `parts` as one."""
    if len(files) == 1:
        return cast(IO[bytes], fs.open(files[0], "rb"))
    return cast(IO[bytes], io.BufferedReader(Volumes(fs, files), 1 << 16))


def open_zip(fs: fsspec.AbstractFileSystem, full: str, files: list[str]) -> zipfile.ZipFile:
    """The zip that the files of `parts` make up; raises as `_zip_of_volumes` does."""
    if len(files) > 1 and files[-1] == full:
        return _zip_of_volumes(Volumes(fs, files), full)
    return zipfile.ZipFile(open_joined(fs, files))


def _zip_of_volumes(volumes: Volumes, full: str) -> zipfile.ZipFile:
    """A zip whose index names volumes, with every place counted from the start of the first.

    Raises `SourceChanged` when the index tells of other volumes than there are, `BadZipFile` when there is none.
    """
    count = len(volumes.starts) - 1
    _say_one_volume(volumes, full, count)
    archive = zipfile.ZipFile(io.BufferedReader(volumes, 1 << 16))
    index = volumes.starts[bisect_right(volumes.starts, archive.start_dir) - 1]
    for info in archive.infolist():
        if info.volume >= count:
            raise SourceChanged(f"{full}: {info.filename} is in volume {info.volume + 1} of {count}")
        info.header_offset += volumes.starts[info.volume] - index
        if hasattr(info, "_end_offset"):  # newer Pythons bound members by places that were not right yet
            info._end_offset = None
    return archive


def _say_one_volume(volumes: Volumes, full: str, count: int) -> None:
    """Compare the end record with the files, and cover the number of volumes that `zipfile` refuses."""
    tail_at = max(0, volumes.starts[-1] - _TAIL)
    volumes.seek(tail_at)
    tail = volumes.readall()
    end = tail.rfind(_END_MARK)
    if end < 0 or len(tail) - end < _END.size:
        raise zipfile.BadZipFile("the last volume has no end record")
    _, this, *_ = _END.unpack_from(tail, end)
    if this + 1 != count and this != _MANY:
        _refuse_gaps(full, set(range(1, count)), this)
        raise SourceChanged(f"{full} is the last of {this + 1} volumes, {count} are there; remove the others")
    if end >= _LOCATOR.size and tail[end - _LOCATOR.size :].startswith(_LOCATOR_MARK):
        mark, _, offset, _ = _LOCATOR.unpack_from(tail, end - _LOCATOR.size)
        volumes.cover = tail_at + end - _LOCATOR.size, _LOCATOR.pack(mark, 0, offset, 1)
