"""All pairs of 64-bit hashes that differ in a few bits, exactly.

If two hashes differ in at most d bits, then of d + k blocks of bits at least k are equal. So for every choice of k
blocks the hashes are sorted by those bits, and neighbours with equal bits are compared whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np

_BITS = 64
_MOST_BLOCKS = 4  # equal ones at once: more cost more sorting than they save comparing
_SORTING = 2.0  # cost of sorting one row, in comparisons
_ACROSS = 1 << 20  # hashes looked up at once
_SPREAD = np.uint64(0x9E3779B97F4A7C15)

Close = tuple[np.ndarray, np.ndarray, np.ndarray]


def close_pairs(hashes: np.ndarray, distance: int, labels: np.ndarray | None = None) -> Iterator[Close]:
    """Pairs of places whose `hashes` (uint64 `[n]`) differ in at most `distance` bits (0 to 32), each once: arrays
    left < right (int64) and how many bits differ.

    With `labels` (uint64 `[n]`) only places with the same label. Equal hashes with equal labels are the caller's
    to merge first: n copies make n squared pairs. The order depends on nothing but the arguments; memory grows
    with n, not with the pairs.
    """
    if len(hashes) < 2:
        return
    masks, kept = _blocks(hashes, distance, labels)
    row_bits = np.uint64(len(hashes).bit_length())
    salt = np.zeros(1, np.uint64) if labels is None else labels * _SPREAD
    rows = np.arange(len(hashes), dtype=np.uint64)
    for chosen in combinations(range(len(masks)), kept):
        equal = np.bitwise_or.reduce(masks[list(chosen)], initial=np.uint64(0))
        keys = ((hashes & equal) ^ salt) * _SPREAD >> row_bits << row_bits | rows
        # What an earlier choice of blocks has found already is equal in a block that this one passed over.
        passed = masks[[block for block in range(max(chosen, default=0)) if block not in chosen]]
        yield from _compared(keys, row_bits, hashes, distance, labels, passed)


def close_across(left: np.ndarray, right: np.ndarray, distance: int) -> Iterator[Close]:
    """Pairs of places in `left` and in `right` (uint64, each without repeats) whose hashes differ in at most
    `distance` bits (0 to 32): arrays left, right (int64) and how many bits. A pair may come more than once.
    """
    if not len(left) or not len(right):
        return
    masks, kept = _cheapest(len(left) + len(right), float(len(left)) * len(right), distance)
    for chosen in combinations(range(len(masks)), kept):
        equal = np.bitwise_or.reduce(masks[list(chosen)], initial=np.uint64(0))
        order = np.argsort(left & equal, kind="stable")
        keys = (left & equal)[order]
        for first in range(0, len(right), _ACROSS):
            part = right[first : first + _ACROSS]
            begin = np.searchsorted(keys, part & equal)
            count = np.searchsorted(keys, part & equal, side="right") - begin
            yield from _across(left, order, part, begin, count, distance, first)


def _across(
    left: np.ndarray,
    order: np.ndarray,
    part: np.ndarray,
    begin: np.ndarray,
    count: np.ndarray,
    distance: int,
    first: int,
) -> Iterator[Close]:
    """Holds each of `part` against the `count` places of `order` from `begin` on, one each at a time."""
    at = np.flatnonzero(count)
    step = 0
    while len(at):
        row = order[begin[at] + step]
        bits = np.bitwise_count(left[row] ^ part[at])
        hit = bits <= distance
        if hit.any():
            yield row[hit], first + at[hit], bits[hit]
        step += 1
        at = at[count[at] > step]


def _blocks(hashes: np.ndarray, distance: int, labels: np.ndarray | None) -> tuple[np.ndarray, int]:
    sizes = np.array([len(hashes)]) if labels is None else np.unique(labels, return_counts=True)[1]
    return _cheapest(len(hashes), float((sizes.astype(np.float64) ** 2).sum() / 2), distance)


def _cheapest(count: int, pairs: float, distance: int) -> tuple[np.ndarray, int]:
    """Masks of the blocks (uint64), and how many of them are compared at once: what looks cheapest if bits are
    even and independent, to find the near ones of `pairs` pairs among `count` hashes."""

    def cost(kept: int) -> float:
        left = pairs / 2 ** (_BITS * kept / max(distance + kept, 1))
        return math.comb(distance + kept, kept) * (_SORTING * count + left)

    kept = min(range(_MOST_BLOCKS + 1), key=cost)
    edges = [block * _BITS // (distance + kept) for block in range(distance + kept + 1)] if kept else []
    masks = [(1 << end) - (1 << start) for start, end in pairwise(edges)]
    return np.array(masks, np.uint64), kept


def _compared(
    keys: np.ndarray,
    row_bits: np.uint64,
    hashes: np.ndarray,
    distance: int,
    labels: np.ndarray | None,
    passed: np.ndarray,
) -> Iterator[Close]:
    keys.sort()
    row = (keys & ((np.uint64(1) << row_bits) - np.uint64(1))).astype(np.int64)
    bucket, values = keys >> row_bits, hashes[row]
    at = np.flatnonzero(bucket[1:] == bucket[:-1])
    step = 1
    while len(at):
        differ = values[at] ^ values[at + step]
        bits = np.bitwise_count(differ)
        hit = np.flatnonzero(bits <= distance)
        if len(hit):
            new = (differ[hit, None] & passed != 0).all(axis=1)
            if labels is not None:
                new &= labels[row[at[hit]]] == labels[row[at[hit] + step]]
            hit = hit[new]
            one, two = row[at[hit]], row[at[hit] + step]
            yield np.minimum(one, two), np.maximum(one, two), bits[hit]
        step += 1
        at = at[: np.searchsorted(at, len(row) - step)]
        at = at[bucket[at] == bucket[at + step]]
