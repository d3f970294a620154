"""What filters keep on disk while they search: unnamed temporary files in the folder that TMPDIR names."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from typing import IO

import numpy as np
import polars as pl
import pyarrow as pa

_BLOCK = 1 << 20  # bytes read at once
_RUN = 1 << 15  # entries of a band that are sorted and written together
_PREFIXES = np.arange(1, 256, dtype=np.uint64) << np.uint64(56)
_AT_ONCE = 1 << 16  # entries read together, unless one prefix alone has more
_PARTS = 64
_PART_ROWS = 1 << 14  # that are read at once and put into the parts they belong to
ROW_BITS = np.uint64(32)
ROW = np.uint64((1 << 32) - 1)


def parts(frame: pl.LazyFrame, key: str) -> Iterator[pl.DataFrame]:
    """The rows of `frame` in at most `_PARTS` parts, in no certain order; those of equal `key` are in one part.

    Reads the frame once, and holds one part in memory.
    """
    with contextlib.ExitStack() as stack:
        files: dict[int, IO[bytes]] = {}
        writers: dict[int, pa.RecordBatchStreamWriter] = {}
        number = (pl.col(key).hash() % _PARTS).alias("_part")
        for batch in frame.collect_batches(chunk_size=_PART_ROWS, maintain_order=False):
            for (part,), rows in batch.with_columns(number).group_by("_part"):
                table = rows.drop("_part").to_arrow(compat_level=pl.CompatLevel.oldest())
                if part not in writers:
                    files[part] = stack.enter_context(tempfile.TemporaryFile())
                    writers[part] = pa.ipc.new_stream(files[part], table.schema)
                writers[part].write_table(table)
        for part, file in files.items():
            writers[part].close()
            file.seek(0)
            yield pl.read_ipc_stream(file)


class Scratch:
    """Bytes in an unnamed temporary file."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  (lives as long as this object)
        self._number = self._file.fileno()
        self.size = 0

    def write(self, values: np.ndarray) -> None:
        left = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        self.size += len(left)
        while len(left):
            left = left[self._file.write(left) :]

    def read(self, place: int, size: int) -> bytes:
        return os.pread(self._number, size, place)

    def read_rows(self, places: np.ndarray, sizes: np.ndarray, out: np.ndarray) -> None:
        """Fills each row of `out` from its place on with so many of its numbers."""
        for row, place, size in zip(out, places.tolist(), sizes.tolist(), strict=True):
            os.preadv(self._number, [row[:size]], place)


class Records:
    """Rows of one numpy dtype, numbered from 0 in the order in which they come."""

    def __init__(self, dtype: np.dtype) -> None:
        self._dtype = np.dtype(dtype)
        self._file = Scratch()

    def __len__(self) -> int:
        return self._file.size // self._dtype.itemsize

    def add(self, rows: np.ndarray) -> None:
        self._file.write(rows)

    def blocks(self) -> Iterator[np.ndarray]:
        """All rows, in order."""
        step = _BLOCK // self._dtype.itemsize * self._dtype.itemsize
        for place in range(0, self._file.size, step):
            block = np.frombuffer(self._file.read(place, step), self._dtype.base)
            yield block.reshape(-1, *self._dtype.shape)

    def take(self, numbers: np.ndarray) -> np.ndarray:
        """The rows of these numbers."""
        out = np.empty((len(numbers), *self._dtype.shape), self._dtype.base)
        order = np.argsort(numbers)
        ordered = numbers[order]
        first = 0
        for block in self.blocks():
            begin, end = np.searchsorted(ordered, [first, first + len(block)])
            out[order[begin:end]] = block[ordered[begin:end] - first]
            first += len(block)
        return out


class Keys:
    """Keys of rows in some bands, sorted piece by piece, to be read back a range of keys at a time.

    An entry is the upper half of a key, then the row: uint64. In memory stay, of `_RUN` rows, 2 KB for each band.
    """

    def __init__(self, bands: int) -> None:
        self._file = Scratch()
        self._bands = bands
        self._held: list[np.ndarray] = []
        self._rows = 0
        self._bounds: list[np.ndarray] = []  # [bands, prefixes + 1] of each piece, counted in entries of the file

    def add(self, keys: np.ndarray, rows: np.ndarray) -> None:
        """Put in keys `[entries, bands]` (uint64) of `rows` `[entries]`, of which each is below 2**32."""
        self._held.append((keys & ~ROW).T | rows.astype(np.uint64))
        self._rows += len(rows)
        if self._rows >= _RUN:
            self._flush()

    def _flush(self) -> None:
        piece = np.concatenate(self._held, axis=1)
        piece.sort(axis=1)
        begin = self._file.size // 8 + np.arange(self._bands) * piece.shape[1]
        ends = [np.searchsorted(band, _PREFIXES) for band in piece]
        bounds = [np.concatenate([[0], each, [piece.shape[1]]]) + at for each, at in zip(ends, begin, strict=True)]
        self._bounds.append(np.array(bounds))
        self._file.write(piece)
        self._held, self._rows = [], 0

    def parts(self, band: int) -> Iterator[np.ndarray]:
        """The entries of a band, ascending from part to part and within each; equal keys are in one part."""
        if self._rows:
            self._flush()
        if not self._bounds:
            return
        bounds = np.array([piece[band] for piece in self._bounds])
        before = (bounds - bounds[:, :1]).sum(axis=0)
        first = 0
        while first < len(before) - 1:
            last = max(first + 1, int(np.searchsorted(before, before[first] + _AT_ONCE, side="right")) - 1)
            read = [
                self._file.read(8 * begin, 8 * (end - begin)) for begin, end in bounds[:, [first, last]].tolist()
            ]
            yield np.sort(np.frombuffer(b"".join(read), np.uint64))
            first = last


def shared(entries: np.ndarray) -> np.ndarray:
    """Of sorted entries those whose bucket has another."""
    same = entries[1:] >> ROW_BITS == entries[:-1] >> ROW_BITS
    full = np.zeros(len(entries), bool)
    full[1:] = same
    full[:-1] |= same
    return entries[full]
