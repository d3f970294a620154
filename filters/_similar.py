"""How alike two texts are: the one measure of near-duplicates and of contamination.

Equal words in equal order are 1. Else it is the Jaccard similarity of the two sets of words when the shorter text
has at most `SHORT` words, and of the two sets of five-word shingles when it is longer: one changed word changes
five shingles, which in a short text is most of them, while long texts on one subject share most of their words.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from filters._jaccard import SetFile
from filters._minhash import minima
from filters._shingles import Ragged, forms, shingle_sets

SHORT = 100  # words
WIDTH = 5  # words of a shingle


@dataclass(frozen=True)
class Sketches:
    """What is needed to look for candidates among the texts of one batch.

    `numbers` `[texts]` name them in their `Texts`. `short` and `long` `[texts, BINS]` are minima; a text that can
    be measured both as a short and as a long one (`both`) has two, any other has the same twice. `measured` is
    False for a text that has none.
    """

    numbers: np.ndarray
    short: np.ndarray
    long: np.ndarray
    both: np.ndarray
    measured: np.ndarray


class Texts:
    """Texts as sets in a file; in memory some 60 bytes each.

    Similarities below `floor` may come out as 0: word sets of texts that are far longer than `short` are not kept.
    With `short` 0 all texts are measured by shingles, those of fewer than `WIDTH` words only by equality.
    """

    def __init__(self, floor: float, short: int = SHORT) -> None:
        # glibc returns the pages of every freed array to the system, and faults them in again for the next one,
        # until it has seen a block as large as this come and go: that would be a quarter of the CPU time.
        np.empty(30 << 20, np.uint8)
        self._short, self._longest = short, short / floor
        self._file = SetFile()
        self._count = 0
        self._forms: list[np.ndarray] = []
        self._sets: list[np.ndarray] = []  # [texts, 2, 2]: short and long, where the set begins and its size

    def add(self, hashed: Ragged) -> Sketches:
        """Take in the words of at most `MAX_TEXTS` texts."""
        short = shingle_sets(hashed, 1, 1, self._longest)
        long = shingle_sets(hashed, WIDTH, max(WIDTH, self._short + 1), np.inf)
        self._sets.append(np.stack([self._file.add(short), self._file.add(long)], axis=1))
        self._forms.append(forms(hashed))
        numbers = self._count + np.arange(len(hashed.sizes))
        self._count += len(numbers)
        is_short, is_long = short.sizes[:, None] > 0, long.sizes[:, None] > 0
        of_short, of_long = minima(short), minima(long)
        return Sketches(
            numbers,
            np.where(is_short, of_short, of_long),
            np.where(is_long, of_long, of_short),
            (is_short & is_long)[:, 0],
            (is_short | is_long)[:, 0],
        )

    def seal(self) -> None:
        """No more texts come; from now on they can be compared."""
        self.forms: np.ndarray = np.concatenate([np.empty(0, np.uint64), *self._forms])
        self._held: np.ndarray = np.concatenate([np.empty((0, 2, 2), np.int64), *self._sets])
        self._forms, self._sets = [], []

    def similarity(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Similarity 0 to 1 of pairs of texts by their numbers: float64 `[pairs]`."""
        out = (self.forms[left] == self.forms[right]).astype(np.float64)
        rest = np.flatnonzero(out == 0)
        one, two = self._held[left[rest]], self._held[right[rest]]
        # A text that counts as short has no long set.
        view = ((one[:, 1, 1] > 0) & (two[:, 1, 1] > 0)).astype(np.int64)
        pair = np.arange(len(rest))
        one, two = one[pair, view], two[pair, view]
        there = np.flatnonzero((one[:, 1] > 0) & (two[:, 1] > 0))
        common = self._file.common(one[there], two[there])
        out[rest[there]] = common / (one[there, 1] + two[there, 1] - common)
        return out


def least_reached(start: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The least of the places in `start` (int64 `[rows]`) that chains of edges `left` to `right` lead to."""
    least = start.copy()
    while True:
        before = least
        lower = np.minimum(least[left], least[right])
        least = least.copy()
        np.minimum.at(least, least[left], lower)
        np.minimum.at(least, least[right], lower)
        least = least[least]
        if (least == before).all():
            return least


def first_kept(left: np.ndarray, right: np.ndarray, count: int) -> np.ndarray:
    """Who stays when rows 0 to `count` are taken in order and a row goes if it is alike one that stayed.

    `left` < `right` are the alike ones. Returns int64 `[count]`: -1 for a row that stays, else the place in
    `left` and `right` of the pair that says which one it is alike. Never a chain: A like B and B like C does not
    remove C.
    """
    why = np.full(count, -1, np.int64)
    for edge in np.lexsort((left, right)):
        if why[right[edge]] < 0 and why[left[edge]] < 0:
            why[right[edge]] = edge
    return why
