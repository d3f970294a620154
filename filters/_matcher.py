"""Finds which texts of a stream are equal to, alike, or quote one of a fixed set of texts: those of benchmarks."""

from __future__ import annotations

import numpy as np
import polars as pl

from filters._jaccard import common
from filters._minhash import bands
from filters._shingles import MAX_TEXTS, PLACES, Ragged, distinct, forms, mixed, shingle_sets, words
from filters._similar import WIDTH, Sketches, Texts

FLOOR = 0.7  # similarities below it are not looked for
ENOUGH_WORDS = 8  # fewer say too little for a likeness to count
_MOST = 64  # benchmark texts that one key leads to


class Matcher:
    """Prompts are measured as `_similar` says, and count as quoted by texts that hold most of their shingles.
    Completions are measured by shingles alone: short ones on different matters often use the same words.

    Memory grows with the fixed texts, and by some 70 bytes with each one looked up.
    """

    def __init__(self, fixed: pl.Series, prompts: bool) -> None:
        self._texts = Texts(FLOOR) if prompts else Texts(FLOOR, short=0)
        self._found: list[np.ndarray] = [np.empty(0, np.int64)]
        self._quoted: list[pl.DataFrame] = []
        keys, sets, counts = [], [], []
        for first in range(0, len(fixed), MAX_TEXTS):
            hashed = words(fixed.slice(first, MAX_TEXTS).to_arrow())
            sketches = self._texts.add(hashed)
            keys += _keys(sketches, forms(hashed))
            sets.append(shingle_sets(hashed, WIDTH, ENOUGH_WORDS, np.inf))
            counts.append(hashed.sizes)
        self.words: np.ndarray = np.concatenate([np.empty(0, np.int64), *counts])
        self._keys = _Postings(*_joined(keys))
        self._quotes = _Quotes(_stacked(sets)) if prompts else None

    def look_up(self, texts: pl.Series) -> np.ndarray:
        """Takes at most `MAX_TEXTS` texts; returns their numbers, which follow those of the fixed texts."""
        hashed = words(texts.to_arrow())
        sketches = self._texts.add(hashed)
        for keys, numbers in _keys(sketches, forms(hashed)):
            place, fixed = self._keys.find(keys)
            self._found.append(distinct(fixed << 32 | numbers[place]))
        if self._quotes is not None:
            place, fixed, share = self._quotes.find(shingle_sets(hashed, WIDTH, ENOUGH_WORDS, np.inf))
            self._quoted.append(
                pl.DataFrame({"fixed": fixed, "text": sketches.numbers[place], "similarity": share})
            )
        return sketches.numbers

    def seal(self) -> pl.DataFrame:
        """No more texts come. What was found, each once: fixed, text (numbers), similarity (`FLOOR` to 1)."""
        found = distinct(np.concatenate(self._found))
        fixed, text = found >> 32, found & 0xFFFFFFFF
        similarity = self._texts.similarity(fixed, text)
        alike = pl.DataFrame({"fixed": fixed, "text": text, "similarity": similarity})
        both = pl.concat([alike, *self._quoted]).filter(pl.col("similarity") >= FLOOR)
        return both.group_by("fixed", "text").agg(pl.col("similarity").max()).sort("fixed", "text")

    @property
    def forms(self) -> np.ndarray:
        """uint64 per number, once sealed: equal for texts with the same words."""
        return self._texts.forms()


class _Postings:
    """Keys and whose they are; of a key with many owners only the first `_MOST`."""

    def __init__(self, keys: np.ndarray, owners: np.ndarray) -> None:
        order = np.lexsort((owners, keys))
        self._keys, self._owners = keys[order], owners[order]

    def find(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Two int64 arrays: places in `keys`, and the owners of the same key."""
        first = np.searchsorted(self._keys, keys)
        hit = np.flatnonzero(first < len(self._keys))
        hit = hit[self._keys[first[hit]] == keys[hit]]
        count = np.minimum(np.searchsorted(self._keys, keys[hit], side="right") - first[hit], _MOST)
        inner = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        return np.repeat(hit, count), self._owners[np.repeat(first[hit], count) + inner]


class _Quotes:
    """Which texts hold most of the shingles of a fixed one.

    A text that holds at least the share `FLOOR` of n shingles holds one of any n - ceil(FLOOR n) + 1 of them: only
    so many are looked up, those that are rarest among the fixed texts.
    """

    def __init__(self, sets: Ragged) -> None:
        self._sets = sets
        _, which, seen = np.unique(sets.values, return_inverse=True, return_counts=True)
        owner = np.repeat(np.arange(len(sets.sizes)), sets.sizes)
        order = np.lexsort((sets.values, seen[which], owner))
        rank = np.arange(len(order)) - np.repeat(sets.starts[:-1], sets.sizes)
        needed = sets.sizes - np.ceil(FLOOR * sets.sizes).astype(np.int64) + 1
        rarest = order[rank < np.repeat(needed, sets.sizes)]
        self._postings = _Postings(sets.values[rarest], owner[rarest])

    def find(self, sets: Ragged) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Places in `sets`, fixed texts, and the share of the fixed one's shingles that the other holds."""
        at, fixed = self._postings.find(sets.values)
        place = np.searchsorted(sets.starts, at, side="right") - 1
        both = distinct(place << 32 | fixed)
        place, fixed = both >> 32, both & 0xFFFFFFFF
        return place, fixed, common(sets, place, self._sets, fixed) / self._sets.sizes[fixed]


def _keys(sketches: Sketches, form: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Keys and the numbers of their texts; equal texts share all, alike ones probably some."""
    out = [(form, sketches.numbers)]
    for least, taken in ((sketches.short, sketches.measured), (sketches.long, sketches.both)):
        keys, numbers = bands(least[taken]), sketches.numbers[taken]
        keys = mixed(keys + np.arange(1, keys.shape[1] + 1, dtype=np.uint64) * PLACES[0])
        out.append((keys.ravel(), np.repeat(numbers, keys.shape[1])))
    return out


def _joined(keys: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    values = np.concatenate([np.empty(0, np.uint64), *(values for values, _ in keys)])
    return values, np.concatenate([np.empty(0, np.int64), *(numbers for _, numbers in keys)])


def _stacked(sets: list[Ragged]) -> Ragged:
    sizes = np.concatenate([np.empty(0, np.int64), *(each.sizes for each in sets)])
    values = np.concatenate([np.empty(0, np.uint64), *(each.values for each in sets)])
    return Ragged(values, np.concatenate([[0], np.cumsum(sizes)]))
