"""Archives of pictures read in place: zip, zip in parts or volumes, tar and tar.gz. Nothing is unpacked to disk.

Only regular members count; links and devices are as if they were not there. A member's name is looked up, never
used as a path, so a name that points out of the archive leads nowhere.
"""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Protocol, TypeVar

import fsspec

from pairs.errors import BadRow, SourceChanged
from pairs.schema import MAX_BYTES
from sources._inflate import inflated
from sources._members import regular
from sources._volumes import open_joined, open_zip, parts

MAX_MEMBERS = 5_000_000
_SUFFIXES = (".zip", ".tar", ".tgz")
_Member = TypeVar("_Member")
_GZIP = (".tar.gz", ".tgz")
_PACKED = (".tar.zst", ".tar.xz", ".tar.bz2")


class Archive(Protocol):
    def read(self, path: str) -> bytes | None:
        """The bytes of a member; None when there is none; `BadRow` when it is damaged or too large."""


def is_archive(path: str) -> bool:
    """Whether a path names an archive; so do those that have to be unpacked."""
    return path.endswith(_SUFFIXES) or ".tar." in path.rpartition("/")[2]


def open_archive(fs: fsspec.AbstractFileSystem, full: str) -> Archive | None:
    """The archive at a path, in parts (name.zip_aa, name.tar.gz.001, ...) or in volumes (name.z01, ..., name.zip);
    None when there is none.
    """
    if full.endswith(_PACKED):
        if not fs.isfile(full):
            return None
        raise SourceChanged(f"{full} can only be read from its start; unpack it beside itself and move it away")
    files = parts(fs, full)
    if not files:
        return None
    try:
        if full.endswith(".zip"):
            return _Zip(open_zip(fs, full, files), full)
        opened = open_joined(fs, files)
        return _Tar(inflated(opened) if full.endswith(_GZIP) else opened, full)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, ValueError) as error:
        raise SourceChanged(f"{full}: {error}; download it again") from None


class _Zip:
    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self._name = name
        self._archive = archive
        members = [info for info in self._archive.infolist() if regular(info)]
        self._members = _by_name(((info.filename, info) for info in members), name)

    def read(self, path: str) -> bytes | None:
        info = self._members.get(path)
        if info is None:
            return None
        _check_size(path, info.file_size)
        try:
            return self._archive.read(info)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
            raise BadRow("media_not_readable", f"{path} in {self._name}: {error}") from None


class _Tar:
    """Members by their place in the file: the index is read once, each member with one seek."""

    def __init__(self, opened: IO[bytes], name: str) -> None:
        self._opened = opened
        self._members = _by_name(_tar_members(opened), name)

    def read(self, path: str) -> bytes | None:
        place = self._members.get(path)
        if place is None:
            return None
        offset, size = place
        _check_size(path, size)
        try:
            self._opened.seek(offset)
            data = self._opened.read(size)
        except (zlib.error, EOFError) as error:
            raise BadRow("media_not_readable", f"{path}: {error}") from None
        if len(data) < size:
            raise BadRow("media_not_readable", f"{path}: the archive ends inside it")
        return data


def _tar_members(opened: IO[bytes]) -> Iterator[tuple[str, tuple[int, int]]]:
    with tarfile.open(fileobj=opened, mode="r:") as archive:
        for member in archive:
            archive.members = []  # else it keeps every header
            if member.isreg() and not member.issparse():
                yield member.name.removeprefix("./"), (member.offset_data, member.size)


def _by_name(members: Iterator[tuple[str, _Member]], archive: str) -> dict[str, _Member]:
    """Members under their names, and without their first folder: archives often hold one that rows do not name."""
    found: dict[str, _Member] = {}
    for number, (name, member) in enumerate(members):
        if number >= MAX_MEMBERS:
            raise SourceChanged(f"{archive}: over {MAX_MEMBERS} members")
        found.setdefault(name, member)
        found.setdefault(name.partition("/")[2], member)
    return found


def _check_size(path: str, size: int) -> None:
    if size > MAX_BYTES:
        raise BadRow("image_size", f"{path} has {size} bytes, at most {MAX_BYTES}")
