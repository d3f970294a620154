"""The units of work of one ingestion: runs of small files, and pieces of large ones.

How a source divides depends on its files alone, never on the number of processes, so that the same files make
the same rows in the same order and the same media shards on every machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from pairs.errors import SourceChanged
from sources._files import MAX_ROW_BYTES
from sources._root import Root

# A second or two of work: text costs more per byte than pictures do, packed text more still.
_UNIT_BYTES = {".parquet": 64 << 20, ".gz": 4 << 20, ".zst": 4 << 20}
_UNIT_BYTES_ELSE = 16 << 20


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
    return size / _UNIT_BYTES.get(PurePosixPath(file).suffix, _UNIT_BYTES_ELSE)


def may_divide(root: Root, file: str, format_: str | None, group_by: tuple[str, ...]) -> bool:
    """Whether a file is large and its rows can be read from the middle. Groups of rows might straddle a cut."""
    local = isinstance(root.fs, LocalFileSystem)
    kind = format_ or PurePosixPath(file).suffix.removeprefix(".")
    readable = kind == "parquet" or (kind == "jsonl" and file.endswith(".jsonl") and local)
    return readable and not group_by and weight(file, root.sizes[file]) > 2


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


def divide(fs: fsspec.AbstractFileSystem, split: str, file: str) -> list[Piece]:
    """A large file in pieces. Runs in a reading process: it opens what others wrote."""
    with fs.open(file, "rb") as opened:
        try:
            cuts = list(_groups(opened, file) if file.endswith(".parquet") else _lines(opened))
        except (pa.ArrowException, OSError, MemoryError) as error:
            raise SourceChanged(f"{file}: not readable: {str(error).splitlines()[0][:200]}") from None
    stops: list[int | None] = [start for _, start in cuts[1:]]
    return [
        Piece(split, file, first, start, stop) for (first, start), stop in zip(cuts, [*stops, None], strict=True)
    ]


def _groups(opened: IO[bytes], file: str) -> Iterator[tuple[int, int]]:
    """Row numbers and row groups at which pieces of a Parquet file start."""
    pieces = max(1, round(weight(file, opened.seek(0, 2))))
    metadata = pq.ParquetFile(opened).metadata
    each = -(-metadata.num_row_groups // pieces)
    first = 0
    for group in range(metadata.num_row_groups):
        if group % each == 0:
            yield first, group
        first += metadata.row_group(group).num_rows


def _lines(opened: IO[bytes]) -> Iterator[tuple[int, int]]:
    """Row numbers and offsets at which pieces of a file of JSON lines start; blank lines are no rows."""
    first = offset = 0
    begun = -_UNIT_BYTES_ELSE
    while line := opened.readline(MAX_ROW_BYTES):
        if offset - begun >= _UNIT_BYTES_ELSE:
            yield first, offset
            begun = offset
        first += not line.isspace()
        offset += len(line)
