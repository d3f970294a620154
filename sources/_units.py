"""The units of work of one ingestion: runs of small files, and pieces of large ones.

How a source divides depends on its files alone, never on the number of processes, so that the same files make
the same rows in the same order and the same media shards on every machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from fsspec.implementations.local import LocalFileSystem

from sources._members import archive_of

if TYPE_CHECKING:  # reading processes list no files
    from sources._root import Root

# A second or two of work: text costs more per byte than pictures do, packed text more still.
_UNIT_BYTES = {".parquet": 64 << 20, ".gz": 4 << 20, ".zst": 4 << 20}
UNIT_BYTES_ELSE = 16 << 20


@dataclass(frozen=True)
class Task:
    """What all units of one ingestion share. All text, so that another process can be told."""

    name: str
    url: str
    revision: str
    store: str
    scratch: str
    pictures: str | None = None  # where rows' pictures are looked up instead of beside the files
    open_urls: tuple[str, ...] = ()  # hosts at which URLs in rows are opened


@dataclass(frozen=True)
class Piece:
    """A file or a part of one: row groups of Parquet, or bytes of JSON lines, from `start` up to `stop`."""

    split: str
    file: str
    first: int = 0  # number of the first row
    start: int = 0
    stop: int | None = None  # None: to the end of the file


def weight(file: str, size: int) -> float:
    """A file's work in units."""
    return size / _UNIT_BYTES.get(PurePosixPath(file).suffix, UNIT_BYTES_ELSE)


def may_divide(root: Root, file: str, format_: str | None, group_by: tuple[str, ...]) -> bool:
    """Whether a file is large and its rows can be read from the middle. Groups of rows might straddle a cut."""
    local = isinstance(root.fs, LocalFileSystem)
    kind = format_ or PurePosixPath(file).suffix.removeprefix(".")
    readable = kind == "parquet" or (kind == "jsonl" and file.endswith(".jsonl") and local)
    return readable and not group_by and not archive_of(file) and weight(file, root.sizes[file]) > 2


def units(pieces: Iterable[Piece], root: Root) -> Iterator[tuple[Piece, ...]]:
    """Consecutive pieces, together about one unit of work each."""
    unit: list[Piece] = []
    total = 0.0
    for piece in pieces:
        size = 1.0 if piece.start or piece.stop is not None else weight(piece.file, root.sizes[piece.file])
        if unit and total + size > 1:
            yield tuple(unit)
            unit, total = [], 0.0
        unit.append(piece)
        total += size
    if unit:
        yield tuple(unit)
