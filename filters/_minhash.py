"""Which texts may be alike: minima of their shingles (MinHash with one permutation) in bands.

The hash space is cut into `BINS` parts, and the least hash of a set in each part is kept (Li, Owen and Zhang
2012); an empty part borrows from a random one (Shrivastava 2017). Two sets of Jaccard similarity J agree in one
minimum with probability J, so in a band of r with J to the r.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence

import numpy as np

from filters._shingles import HASH_BITS, HASH_MASK, PLACES, Ragged, distinct, mixed

BINS = 64
BANDS = 16
_BIN_BITS = np.uint64(HASH_BITS - 6)
# By attempt and part: which other part to borrow from.
_BORROW = (mixed(np.arange(32 * BINS, dtype=np.uint64)) >> np.uint64(58)).astype(np.int64).reshape(32, BINS)
_AT_ONCE = 1 << 17  # entries
_NEXT = 3  # neighbours in a bucket that each text is held against


def minima(sets: Ragged) -> np.ndarray:
    """uint64 `[texts, BINS]`: the least hash of each set in each part of the hash space; all ones for no hashes.

    Takes the ascending sets of `shingle_sets`.
    """
    texts = len(sets.starts) - 1
    least = np.full(texts * BINS, ~np.uint64(0))
    bins = np.repeat(np.arange(texts, dtype=np.uint64) * np.uint64(BINS), sets.sizes) + (sets.values >> _BIN_BITS)
    first = np.ones(len(bins), bool)
    np.not_equal(bins[1:], bins[:-1], out=first[1:])
    least[bins[first]] = sets.values[first]
    holes = np.flatnonzero((least.reshape(texts, BINS) > HASH_MASK) & (sets.sizes > 0)[:, None])
    least[holes] = _borrowed(sets, least, holes)
    return least.reshape(texts, BINS)


def _borrowed(sets: Ragged, least: np.ndarray, holes: np.ndarray) -> np.ndarray:
    row, column = np.divmod(holes, BINS)
    values = sets.values[sets.starts[row]]  # for a set of so few hashes that all attempts fail
    left = np.arange(len(holes))
    for source in _BORROW:
        found = least[row * BINS + source[column]]
        there = found <= HASH_MASK
        values[left[there]] = found[there]
        row, column, left = row[~there], column[~there], left[~there]
        if not len(left):
            break
    return values


def bands(least: np.ndarray) -> np.ndarray:
    """uint64 `[texts, BANDS]`: one key for every four minima."""
    fours = least.reshape(len(least), BANDS, BINS // BANDS)
    return mixed((fours * PLACES[: BINS // BANDS]).sum(axis=2))


class Keys:
    """Keys in an unnamed temporary file (in the folder that TMPDIR names), to be read back band by band."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(buffering=1 << 20)  # noqa: SIM115  (lives as long as this object)
        self._sizes: list[int] = []

    def add(self, keys: np.ndarray) -> None:
        """Put keys `[entries, BANDS]` (uint64) behind the others."""
        self._file.write(np.ascontiguousarray(keys.T))
        self._sizes.append(len(keys))

    def band(self, number: int) -> np.ndarray:
        """The keys of all entries in one band: uint64 `[entries]`."""
        self._file.flush()
        out = np.empty(sum(self._sizes), np.uint64)
        begin = 0
        for size in self._sizes:
            place = 8 * (begin * BANDS + number * size)
            out[begin : begin + size] = np.frombuffer(os.pread(self._file.fileno(), 8 * size, place), np.uint64)
            begin += size
        return out


def candidates(keys: Sequence[Keys], rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of rows that share a key in a band: two int64 arrays, left < right, sorted, each pair once.

    The entries of `keys` follow each other; `rows` int64 `[all entries]` says whose they are, -1 for entries to
    leave out. In a bucket every row is held against the least and against the `_NEXT` before it, never all against
    all: a bucket of n costs n, not n squared. In memory are one band's keys, and some 10 MB besides.
    """
    bits = np.uint64(max(int(rows.max(initial=1)).bit_length(), 1))
    taken = rows >= 0
    whose = rows[taken].astype(np.uint64)
    parts = np.uint64(len(whose) // _AT_ONCE + 1)
    pairs = [np.empty(0, np.uint64)]
    for band in range(BANDS if keys else 0):
        key = np.concatenate([each.band(band) for each in keys])[taken]
        # A bucket agrees in its upper half, so it lies in one part.
        part = (key >> np.uint64(32)) * parts >> np.uint64(32)
        for number in range(int(parts)):
            here = part == number
            pairs.append(_neighbours(key[here] >> bits << bits | whose[here], bits))
    packed = distinct(np.concatenate(pairs))
    left, right = (packed >> np.uint64(32)).astype(np.int64), (packed & np.uint64(0xFFFFFFFF)).astype(np.int64)
    return left[left != right], right[left != right]


def _neighbours(entries: np.ndarray, bits: np.uint64) -> np.ndarray:
    """Of entries (bucket, then row in the lower `bits`) the pairs of rows to compare, left in the upper half."""
    ordered = np.sort(entries)
    bucket, row = ordered >> bits, ordered & ((np.uint64(1) << bits) - np.uint64(1))
    new = np.ones(len(row), bool)
    new[1:] = bucket[1:] != bucket[:-1]
    head = row[np.maximum.accumulate(np.where(new, np.arange(len(row)), 0))]
    found = [head[~new] << np.uint64(32) | row[~new]]
    for step in range(1, _NEXT + 1):
        same = bucket[step:] == bucket[:-step]
        found.append(row[:-step][same] << np.uint64(32) | row[step:][same])
    return distinct(np.concatenate(found))
