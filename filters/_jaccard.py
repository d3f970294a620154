"""How much sets share, exactly; and runs of hashes kept in a file, so that memory does not grow with the text."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from filters._shingles import HASH_BITS, Ragged
from filters._spill import Scratch

_PAIRS = 4096  # at once: their number takes the upper 12 bits of a sort key
_VALUES = 1 << 18  # hashes at once
_BITS = np.uint64(HASH_BITS)
_NONE = ~np.uint64(0)


class RunFile:
    """Runs of 52-bit hashes in an unnamed temporary file (in the folder that TMPDIR names)."""

    def __init__(self) -> None:
        self._file = Scratch()

    def add(self, runs: Ragged) -> np.ndarray:
        """Put runs behind the others: int64 `[runs]`, where each begins, counted in hashes."""
        begins = self._file.size // 8 + runs.starts[:-1]
        self._file.write(runs.values)
        return begins

    def similarity(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Jaccard similarity of the sets of pairs of runs, given by where they begin and their sizes, which are
        not 0: int64 `[pairs, 2]` each. Returns float64 `[pairs]`.
        """
        out = np.empty(len(left))
        longest = np.maximum(left[:, 1], right[:, 1])
        # Those of like size together, as rows of one table: many short rows are sorted faster than one long.
        order = np.argsort(longest)
        first = 0
        while first < len(order):
            width = longest[order[first]]
            last = min(len(order), first + max(1, _VALUES // width))
            last = first + int(np.searchsorted(longest[order[first:last]], 2 * width + 8, side="right"))
            part = order[first:last]
            out[part] = _jaccard(self._sets(left[part]), self._sets(right[part]))
            first = last
        return out

    def _sets(self, runs: np.ndarray) -> np.ndarray:
        """uint64 `[runs, longest]`: of each the different hashes, ascending, and `_NONE` in all other places."""
        held = np.full((len(runs), runs[:, 1].max()), _NONE)
        self._file.read_rows(8 * runs[:, 0], runs[:, 1], held)
        held.sort(axis=1)
        held[:, 1:][held[:, 1:] == held[:, :-1]] = _NONE
        return held


def _jaccard(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    both = np.concatenate([left, right], axis=1)
    total = (both != _NONE).sum(axis=1)
    both.sort(axis=1)
    shared = ((both[:, 1:] == both[:, :-1]) & (both[:, 1:] != _NONE)).sum(axis=1)
    similarity: np.ndarray = shared / (total - shared)
    return similarity


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
