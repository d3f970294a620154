"""Which texts may be alike: minima of their shingles (MinHash with one permutation) in bands.

The hash space is cut into `BINS` parts, and the least hash of a set in each part is kept (Li, Owen and Zhang
2012); an empty part borrows from a random one (Shrivastava 2017). Two sets of Jaccard similarity J agree in one
minimum with probability J, so in a band of r with J to the r.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from filters._shingles import HASH_BITS, HASH_MASK, PLACES, Ragged, distinct, mixed
from filters._spill import ROW, ROW_BITS, Keys, shared

BINS = 64
BANDS = 16
_BIN_BITS = np.uint64(HASH_BITS - 6)
_NONE = ~np.uint64(0)
# By attempt and part: which other part to borrow from.
_BORROW = (mixed(np.arange(32 * BINS, dtype=np.uint64)) >> np.uint64(58)).astype(np.int64).reshape(32, BINS)
_NEXT = 3  # neighbours in a bucket that each text is held against


def minima(runs: Ragged) -> np.ndarray:
    """uint64 `[texts, BINS]`: the least hash of a run in each part of the hash space; all ones for no hashes."""
    texts = len(runs.sizes)
    least = np.full(texts * BINS, _NONE)
    bins = np.repeat(np.arange(texts) * BINS, runs.sizes)
    bins += (runs.values >> _BIN_BITS).view(np.int64)
    np.minimum.at(least, bins, runs.values)
    row, column = np.divmod(np.flatnonzero(least > HASH_MASK), BINS)
    there = runs.sizes[row] > 0
    row, column = row[there], column[there]
    least = least.reshape(texts, BINS)
    least[row, column] = _borrowed(least, row, column)
    return least


def _borrowed(least: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    values = np.empty(len(row), np.uint64)
    left = np.arange(len(row))
    for source in _BORROW:
        found = least[row, source[column]]
        there = found <= HASH_MASK
        values[left[there]] = found[there]
        row, column, left = row[~there], column[~there], left[~there]
        if not len(left):
            return values
    values[left] = least[row].min(axis=1)  # so few hashes that all attempts failed
    return values


def bands(least: np.ndarray) -> np.ndarray:
    """uint64 `[texts, BANDS]`: one key for every four minima."""
    fours = least.reshape(len(least), BINS // BANDS, BANDS)
    return mixed((fours * PLACES[: BINS // BANDS, None]).sum(axis=1))


def candidates(
    keys: Keys, taken: np.ndarray, order: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of rows that share a key in a band: two int64 arrays, left < right, sorted, each pair once.

    Only the rows of which `taken` `[rows]` is true. In a bucket of more than `_NEXT` + 1 every row is held against
    the first and against the `_NEXT` before it, never all against all: a bucket of n costs n, not n squared. There
    `order` gives the numbers by which rows are put in order. In memory is what was found, and some 5 MB besides.
    """
    pairs = np.empty(0, np.uint64)
    for band in range(BANDS):
        for entries in keys.parts(band):
            here = shared(entries[taken[entries & ROW]])
            pairs = distinct(np.concatenate([pairs, _neighbours(here, order)]))
    return (pairs >> ROW_BITS).astype(np.int64), (pairs & ROW).astype(np.int64)


def _neighbours(entries: np.ndarray, order: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The pairs of rows to compare, the smaller one in the upper half, of the sorted entries of full buckets."""
    bucket, row = entries >> ROW_BITS, entries & ROW
    begin = np.flatnonzero(np.concatenate([[True], bucket[1:] != bucket[:-1]])[: len(bucket)])
    size = np.diff(np.append(begin, len(bucket)))
    head = np.repeat(begin, size)
    crowded = np.flatnonzero(np.repeat(size > _NEXT + 1, size))
    if len(crowded):
        rows = row[crowded]
        row[crowded] = rows[np.lexsort((order(rows.astype(np.int64)), bucket[crowded]))]
    one, two = [row[head[crowded]]], [row[crowded]]
    for step in range(1, _NEXT + 1):
        same = bucket[step:] == bucket[:-step]
        one.append(row[:-step][same])
        two.append(row[step:][same])
    left, right = np.concatenate(one), np.concatenate(two)
    apart = left != right
    left, right = left[apart], right[apart]
    return np.minimum(left, right) << ROW_BITS | np.maximum(left, right)
