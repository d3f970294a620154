"""Prompts that are one prompt with a few words changed."""

from __future__ import annotations

import numpy as np
import polars as pl

from filters._minhash import BANDS, bands, candidates
from filters._shingles import mixed, words
from filters._similar import Texts, least_reached
from filters._spill import Keys

SIMILARITY = 0.8  # of the sets of five-word shingles
FEWEST = 20  # words; of two shorter prompts the one word that differs is the point


class NearPrompts:
    """Takes prompts a batch at a time and keeps some 300 bytes of each."""

    def __init__(self) -> None:
        self._texts = Texts(SIMILARITY, short=0)
        self._rows: list[pl.DataFrame] = []
        self._keys = Keys(BANDS)

    def add(self, batch: pl.DataFrame) -> None:
        """At most `MAX_TEXTS` rows: group_id; words (a text, the same for the same id); kept (UInt64), which
        stands for what must be equal in two prompts that are one.
        """
        sketches = self._texts.add(words(batch["words"].to_arrow()))
        self._rows.append(batch.select("group_id", "kept", number=sketches.numbers))
        self._keys.add(mixed(bands(sketches.long) + batch["kept"].to_numpy()[:, None]), sketches.numbers)

    def find(self) -> pl.DataFrame:
        """The groups that are part of a larger one: group_id, and first, the least id of all those that chains of
        near prompts lead to. Groups that are `first` themselves are left out.
        """
        empty = pl.DataFrame(schema={"group_id": pl.String, "kept": pl.UInt64, "number": pl.Int64})
        rows = pl.concat([empty, *self._rows]).with_row_index("entry")
        # One id may come in several spellings; the order of batches must not choose among them.
        once = rows.sort("group_id", "kept").unique("group_id", keep="first", maintain_order=True)
        place = np.full(rows.height, -1, np.int64)
        place[once["entry"].to_numpy()] = np.arange(once.height)
        left, right = (place[rows] for rows in candidates(self._keys, place >= 0, place.take))
        number, kept = once["number"].to_numpy(), once["kept"].to_numpy()
        near = self._texts.similarity(number[left], number[right]) >= SIMILARITY
        near &= kept[left] == kept[right]
        first = least_reached(np.arange(once.height), left[near], right[near])
        groups = once.select("group_id", first=pl.col("group_id").gather(first))
        return groups.filter(pl.col("group_id") != pl.col("first"))
