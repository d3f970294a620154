"""How alike two texts are: the one measure of near-duplicates and of contamination.

Equal words in equal order are 1. Else it is the Jaccard similarity of the two sets of words when the shorter text
has at most `SHORT` words, and of the two sets of five-word shingles when it is longer: one changed word changes
five shingles, which in a short text is most of them, while long texts on one subject share most of their words.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from filters._jaccard import RunFile
from filters._minhash import minima
from filters._shingles import Ragged, forms, shingles
from filters._spill import Records

SHORT = 100  # words
WIDTH = 5  # words of a shingle
_PAIRS = 1 << 15  # compared at once
# Of a text: what its words are, how many, and of its short and its long run where it begins and how long it is.
_HELD = np.dtype([("form", np.uint64), ("words", np.int64), ("begin", np.int64, 2), ("size", np.int64, 2)])


@dataclass(frozen=True)
class Sketches:
    """What is needed to look for candidates among the texts of one batch.

    `numbers` `[texts]` name them in their `Texts`; `forms` `[texts]` are equal for equal words in equal order.
    `short` and `long` `[texts, BINS]` are minima; a text that can be measured both as a short and as a long one
    (`both`) has two, any other has the same twice. `measured` is False for a text that has none.
    """

    numbers: np.ndarray
    forms: np.ndarray
    short: np.ndarray
    long: np.ndarray
    both: np.ndarray
    measured: np.ndarray


class Texts:
    """Texts as runs of shingles in a file: nothing of them stays in memory.

    Similarities below `floor` may come out as 0: the words of texts that are far longer than `short` are not kept.
    With `short` 0 all texts are measured by shingles, those of fewer than `WIDTH` words only by equality.
    """

    def __init__(self, floor: float, short: int = SHORT) -> None:
        # glibc returns the pages of every freed array to the system, and faults them in again for the next one,
        # until it has seen a block as large as this come and go: that would be a quarter of the CPU time.
        np.empty(30 << 20, np.uint8)
        self._short, self._longest = short, short / floor
        self._runs = RunFile()
        self._held = Records(_HELD)

    def add(self, hashed: Ragged) -> Sketches:
        """Take in the words of some texts."""
        short = shingles(hashed, 1, 1, self._longest)
        long = shingles(hashed, WIDTH, max(WIDTH, self._short + 1), np.inf)
        numbers = len(self._held) + np.arange(len(hashed.sizes))
        held = np.empty(len(numbers), _HELD)
        held["form"] = form = forms(hashed)
        held["words"] = hashed.sizes
        for view, runs in enumerate((short, long)):
            held["begin"][:, view] = self._runs.add(runs)
            held["size"][:, view] = runs.sizes
        self._held.add(held)
        is_short, is_long = short.sizes > 0, long.sizes > 0
        of_short, of_long = minima(short), minima(long)
        of_short[~is_short] = of_long[~is_short]
        of_long[~is_long] = of_short[~is_long]
        return Sketches(numbers, form, of_short, of_long, is_short & is_long, is_short | is_long)

    def forms(self) -> np.ndarray:
        """uint64 `[texts]`: equal for texts with the same words in the same order."""
        return np.concatenate([np.empty(0, np.uint64), *(block["form"] for block in self._held.blocks())])

    def form(self, numbers: np.ndarray) -> np.ndarray:
        """Those of a few texts by their numbers: uint64 `[numbers]`."""
        form: np.ndarray = self._held.take(numbers)["form"]
        return form

    def words(self, numbers: np.ndarray) -> np.ndarray:
        """How many words texts have, by their numbers: int64 `[numbers]`."""
        words: np.ndarray = self._held.take(numbers)["words"]
        return words

    def similarity(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Similarity 0 to 1 of pairs of texts by their numbers: float64 `[pairs]`."""
        out = np.empty(len(left))
        for first in range(0, len(left), _PAIRS):
            part = slice(first, first + _PAIRS)
            numbers, which = np.unique(np.concatenate([left[part], right[part]]), return_inverse=True)
            one, two = np.split(self._held.take(numbers)[which], 2)
            out[part] = self._compared(one, two)
        return out

    def _compared(self, one: np.ndarray, two: np.ndarray) -> np.ndarray:
        out = (one["form"] == two["form"]).astype(np.float64)
        # A text that counts as short has no long run.
        view = ((one["size"][:, 1] > 0) & (two["size"][:, 1] > 0)).astype(np.int64)
        pair = np.arange(len(out))
        left, right = (
            np.stack([each["begin"][pair, view], each["size"][pair, view]], axis=1) for each in (one, two)
        )
        rest = np.flatnonzero((out == 0) & (left[:, 1] > 0) & (right[:, 1] > 0))
        out[rest] = self._runs.similarity(left[rest], right[rest])
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
