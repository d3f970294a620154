"""Pictures that rows name by a relative path: looked up in the source's own folders and archives, as streams.

A path in a row never leaves them, nothing is unpacked, and nothing in a row is ever opened as a URL.
"""

from __future__ import annotations

import os
import posixpath
import zipfile
from collections.abc import Sequence

import fsspec
from fsspec.implementations.local import LocalFileSystem

from pairs.errors import BadRow, SourceChanged, shown
from pairs.media import MAX_BYTES


class MediaFinder:
    """Bytes of media below `root`: in the folders and zip archives named by the source, or in the root itself."""

    def __init__(self, fs: fsspec.AbstractFileSystem, root: str, places: Sequence[str]) -> None:
        self._fs = fs
        self._root = root.rstrip("/")
        self._places = places
        self._archives: dict[str, tuple[zipfile.ZipFile | None, dict[str, str]]] = {}

    def read(self, value: bytes | str) -> bytes:
        """The bytes behind what a row gave; `BadRow` when there are none."""
        if isinstance(value, bytes):
            return value
        path = _inside(value)
        for place in self._places:
            data = self._from_zip(place, path) if place.endswith(".zip") else None
            if data is None:  # a folder, or an archive that was unpacked beside where it lay
                data = self._from_folder(posixpath.join(place.removesuffix(".zip"), path))
            if data is not None:
                return data
        data = self._from_folder(path)
        if data is None:
            looked = ", ".join([*self._places, "the source's folder"])
            raise BadRow("media_not_found", f"{shown(value)} is not in {looked}")
        return data

    def _from_folder(self, path: str) -> bytes | None:
        full = f"{self._root}/{path}"
        if not self._fs.isfile(full):
            return None
        if isinstance(self._fs, LocalFileSystem) and not _really_below(full, self._root):
            raise BadRow("media_path_outside", f"{path} is a link that leaves the source's folder")
        size = self._fs.size(full) or 0
        if size > MAX_BYTES:
            raise BadRow("image_size", f"{path} has {size} bytes, at most {MAX_BYTES}")
        return self._fs.cat_file(full)  # type: ignore[no-any-return]

    def _from_zip(self, place: str, path: str) -> bytes | None:
        if place not in self._archives:
            self._archives[place] = self._index(place)
        archive, members = self._archives[place]
        member = members.get(path)
        if archive is None or member is None:
            return None
        info = archive.getinfo(member)
        if info.file_size > MAX_BYTES:
            raise BadRow("image_size", f"{path} has {info.file_size} bytes, at most {MAX_BYTES}")
        try:
            return archive.read(info)
        except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError) as error:
            raise BadRow("media_not_readable", f"{path} in {place}: {error}") from None

    def _index(self, place: str) -> tuple[zipfile.ZipFile | None, dict[str, str]]:
        full = f"{self._root}/{place}"
        if not self._fs.isfile(full):
            if not self._fs.isdir(full.removesuffix(".zip")):
                raise SourceChanged(f"{full} is not there; this source's pictures lie in it")
            return None, {}
        try:
            archive = zipfile.ZipFile(self._fs.open(full, "rb"))
        except zipfile.BadZipFile as error:
            raise SourceChanged(f"{full}: {error}; download it again") from None
        members: dict[str, str] = {}
        for info in archive.infolist():
            if not info.is_dir():
                members.setdefault(info.filename, info.filename)
                # Archives often unpack into a folder that the rows do not name.
                members.setdefault(info.filename.partition("/")[2], info.filename)
        return archive, members


def _really_below(path: str, root: str) -> bool:
    return os.path.realpath(path).startswith(os.path.realpath(root) + os.sep)


def _inside(value: str) -> str:
    """A relative path in its plain form; raises when it points anywhere else."""
    if "://" in value or "\\" in value or "\0" in value or value.startswith("/") or value[1:2] == ":":
        raise BadRow("media_path_outside", f"{shown(value)}, expected a path relative to the source")
    path = posixpath.normpath(value)
    if path in (".", "..") or path.startswith("../"):
        raise BadRow("media_path_outside", f"{shown(value)} leaves the source's folder")
    return path
