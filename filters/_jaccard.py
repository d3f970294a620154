"""Sizes of intersections of sets, exactly; and sets kept in a file, so that memory does not grow with the text."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import numpy as np

from filters._shingles import HASH_BITS, Ragged

_PAIRS = 4096  # at once: their number takes the upper 12 bits of a sort key
_VALUES = 1 << 20  # hashes at once
_BITS = np.uint64(HASH_BITS)


class SetFile:
    """Sets of 52-bit hashes in an unnamed temporary file (in the folder that TMPDIR names)."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(buffering=1 << 20)  # noqa: SIM115  (lives as long as this object)
        self._written = 0

    def add(self, sets: Ragged) -> np.ndarray:
        """Put sets behind the others: int64 `[sets, 2]`, where each begins and its size, counted in hashes."""
        places = np.stack([self._written + sets.starts[:-1], sets.sizes], axis=1)
        self._file.write(sets.values)
        self._written += len(sets.values)
        return places

    def common(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Sizes of the intersections of pairs of sets that are not empty, by their places: int64 `[pairs]`."""
        self._file.flush()
        out = np.zeros(len(left), np.int64)
        for part in _parts(left[:, 1] + right[:, 1]):
            both = np.concatenate([left[part], right[part]])
            begins, known = np.unique(both[:, 0], return_index=True)
            sizes = both[known, 1]
            read = [os.pread(self._file.fileno(), 8 * size, 8 * begin) for begin, size in both[known].tolist()]
            both[:, 0] = (np.cumsum(sizes) - sizes)[np.searchsorted(begins, both[:, 0])]
            one, two = np.split(both, 2)
            values = np.frombuffer(b"".join(read), np.uint64)
            out[part] = _common(values, one, values, two)
        return out


def common(left: Ragged, lefts: np.ndarray, right: Ragged, rights: np.ndarray) -> np.ndarray:
    """Sizes of the intersections of sets `lefts` of `left` with sets `rights` of `right`: int64 `[pairs]`."""
    one, two = (np.stack([sets.starts[:-1], sets.sizes], axis=1) for sets in (left, right))
    one, two = one[lefts], two[rights]
    out = np.zeros(len(one), np.int64)
    for part in _parts(one[:, 1] + two[:, 1]):
        out[part] = _common(left.values, one[part], right.values, two[part])
    return out


def _parts(sizes: np.ndarray) -> Iterator[slice]:
    """Cuts pairs into runs of at most `_PAIRS`, and of some `_VALUES` hashes unless one pair alone has more."""
    ends = np.cumsum(sizes)
    first = 0
    while first < len(sizes):
        limit = (ends[first - 1] if first else 0) + _VALUES
        last = min(first + _PAIRS, max(first + 1, int(np.searchsorted(ends, limit))))
        yield slice(first, last)
        first = last


def _common(left: np.ndarray, lefts: np.ndarray, right: np.ndarray, rights: np.ndarray) -> np.ndarray:
    # What stands twice behind the number of a pair is in both of its sets.
    keys = np.sort(np.concatenate([_numbered(left, lefts), _numbered(right, rights)]))
    twice = keys[1:][keys[1:] == keys[:-1]]
    return np.bincount((twice >> _BITS).astype(np.int64), minlength=len(lefts))


def _numbered(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    begins, sizes = places.T
    inner = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    number = np.arange(len(places), dtype=np.uint64) << _BITS
    return np.repeat(number, sizes) | values[np.repeat(begins, sizes) + inner]
