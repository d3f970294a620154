"""Pictures that rows name by a relative path: looked up in the source's own folders and archives, as streams.

A path in a row never leaves them, nothing is unpacked, and nothing in a row is opened as a URL here: `_web` does
that for hosts that the user names.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence

import fsspec
from fsspec.implementations.local import LocalFileSystem

from pairs.errors import BadRow, SourceChanged, shown
from pairs.schema import MAX_BYTES
from sources._archives import Archive, is_archive, open_archive
from sources._volumes import parts


class MediaFinder:
    """Bytes of media below `root`: in the folders and archives named by the source, or in the root itself.

    A place with a `*` stands for the archives that fit it. Not `beside`: in the archives alone.
    """

    def __init__(
        self, fs: fsspec.AbstractFileSystem, root: str, places: Sequence[str], *, beside: bool = True
    ) -> None:
        self._fs = fs
        self._root = root.rstrip("/")
        self._named = places
        self._places = spread(fs, self._root, places)
        self._beside = beside
        self._archives: dict[str, Archive | None] = {}

    def read(self, value: bytes | str) -> bytes:
        """The bytes behind what a row gave; `BadRow` when there are none."""
        if isinstance(value, bytes):
            return value
        path = _inside(value)
        # What lies where the path leads goes first: there may be an archive for each of a hundred shards.
        for place in sorted(self._places, key=lambda place: -max(map(len, _homes(place, path)))):
            data = self._from_archive(place, path) if is_archive(place) else None
            if data is None and self._beside:  # a folder, or an archive that was unpacked beside where it lay
                data = self._from_folder(posixpath.join(_folder(place), path))
            if data is not None:
                return data
        data = self._from_folder(path) if self._beside else None
        if data is None:
            looked = ", ".join([*self._named, *(["the source's folder"] if self._beside else [])])
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

    def _from_archive(self, place: str, path: str) -> bytes | None:
        if place not in self._archives:
            full = f"{self._root}/{place}"
            archive = open_archive(self._fs, full)
            if archive is None and not self._fs.isdir(_folder(full)):
                raise SourceChanged(f"{full} is not there; this source's pictures lie in it: download it to there")
            self._archives[place] = archive
        found = self._archives[place]
        if found is None:
            return None
        names = (path.removeprefix(home) for home in _homes(place, path))
        return next((data for name in names if (data := found.read(name)) is not None), None)


def spread(fs: fsspec.AbstractFileSystem, root: str, media: Sequence[str]) -> list[str]:
    """The places that a source names, with the archives below `root` that fit a pattern instead of the pattern."""
    places: list[str] = []
    for place in media:
        found = sorted(fs.glob(f"{root}/{place}")) if "*" in place else [f"{root}/{place}"]
        places += (path.removeprefix(root).lstrip("/") for path in found)
    return places


def archive_files(fs: fsspec.AbstractFileSystem, root: str, media: Sequence[str]) -> list[str]:
    """The files of all archives among the places, parts and volumes included."""
    return [
        file for place in spread(fs, root, media) if is_archive(place) for file in parts(fs, f"{root}/{place}")
    ]


def _folder(place: str) -> str:
    """Where an archive is unpacked: beside itself, under its own name."""
    return place.partition(".tar")[0].removesuffix(".zip").removesuffix(".tgz") if is_archive(place) else place


def _homes(place: str, path: str) -> list[str]:
    """From where the members of an archive may be named, for those that a path leads to: the source's folder, that
    of the archive, and the one into which it would be unpacked."""
    homes = ("", f"{posixpath.dirname(place)}/", f"{_folder(place)}/")
    return [home for home in homes if path.startswith(home)]


def _really_below(path: str, root: str) -> bool:
    return os.path.realpath(path).startswith(os.path.realpath(root) + os.sep)


def _inside(value: str) -> str:
    """A relative path in its plain form; raises when it points anywhere else."""
    if "://" in value or "\\" in value or "\0" in value or value.startswith("/") or value[1:2] == ":":
        hint = "; `open_urls` names hosts whose pictures are fetched" if "://" in value else ""
        raise BadRow("media_path_outside", f"{shown(value)}, expected a path relative to the source{hint}")
    path = posixpath.normpath(value)
    if path in (".", "..") or path.startswith("../"):
        raise BadRow("media_path_outside", f"{shown(value)} leaves the source's folder")
    return path
