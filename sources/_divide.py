"""Where a large file is cut into pieces: between row groups of Parquet, between lines of JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from pairs.errors import SourceChanged
from sources import _units
from sources._files import MAX_ROW_BYTES
from sources._units import Piece, weight


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
    begun = -_units.UNIT_BYTES_ELSE
    while line := opened.readline(MAX_ROW_BYTES):
        if offset - begun >= _units.UNIT_BYTES_ELSE:
            yield first, offset
            begun = offset
        first += not line.isspace()
        offset += len(line)
