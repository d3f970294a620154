"""Native files inside a zip: `rows.zip!/path/of/a/file.jsonl`, read as streams from where the zip lies.

The zip may be in parts or volumes. A member's name is looked up in its index, never used as a path.
"""

from __future__ import annotations

import re
import stat
import zipfile
from typing import IO, cast

import fsspec
from fsspec.utils import glob_translate

from pairs.errors import SourceChanged
from sources._volumes import open_zip, parts

_WITHIN = ".zip!/"


def archive_of(path: str) -> str | None:
    """The zip that a path or pattern leads into; None for a file by itself."""
    before, within, _ = path.partition(_WITHIN)
    return f"{before}.zip" if within else None


def members(fs: fsspec.AbstractFileSystem, archive: str) -> dict[str, int]:
    """The files in a zip by their full paths, with their bytes once unpacked; none where there is no zip."""
    if not parts(fs, archive):
        return {}
    with _opened(fs, archive) as opened:
        return {f"{archive}!/{info.filename}": info.file_size for info in opened.infolist() if regular(info)}


def matching(fs: fsspec.AbstractFileSystem, pattern: str) -> list[str]:
    """The files that fit a pattern into a zip; without the zip, those in the folder of its name, where it was
    unpacked."""
    archive = str(archive_of(pattern))
    if not parts(fs, archive):
        return list(fs.glob(pattern.replace(_WITHIN, "/", 1)))
    fits = re.compile(glob_translate(pattern.removeprefix(f"{archive}!/"))).match
    return [path for path in members(fs, archive) if fits(path.removeprefix(f"{archive}!/"))]


def open_file(fs: fsspec.AbstractFileSystem, path: str) -> IO[bytes]:
    """A file, or the member of a zip that a path leads to, from its start.

    Raises `SourceChanged` when the zip cannot be read.
    """
    archive = archive_of(path)
    if archive is None:
        return cast(IO[bytes], fs.open(path, "rb"))
    try:
        return _opened(fs, archive).open(path.removeprefix(f"{archive}!/"))
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        KeyError,
    ) as error:  # packed in another way, locked
        raise SourceChanged(f"{path}: {error}; unpack {archive} beside itself and move it away") from None


def regular(info: zipfile.ZipInfo) -> bool:
    """Whether a member is a file: no folder, link or device."""
    return not info.is_dir() and stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)


def _opened(fs: fsspec.AbstractFileSystem, archive: str) -> zipfile.ZipFile:
    try:
        return open_zip(fs, archive, parts(fs, archive))
    except (zipfile.BadZipFile, ValueError) as error:
        raise SourceChanged(f"{archive}: {error}; download it again") from None
