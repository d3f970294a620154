"""Finds pairs that are alike in all their texts: batches in, verified similarities out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from filters._minhash import BINS, PLACES, Keys, candidates
from filters._shingles import mixed, words
from filters._similar import Texts

FLOOR = 0.7  # similarities below it are not looked for
_PARTS = ("prompt", "chosen", "rejected")
_EVERY = BINS // 16  # one of four minima of each text makes a band of a pair


@dataclass(frozen=True)
class Found:
    """What was found among pairs, in ascending order of `pair_ids`, which are unique.

    `form` `[pairs]` is the place of the first pair with the same words, media and criterion. `near` and `opposed`
    have columns left < right (places of such first pairs); near has the similarities `prompt, chosen, rejected`,
    opposed the least of the three. Only opposed pairs need have the same criterion.
    """

    pair_ids: pl.Series
    form: np.ndarray
    near: pl.DataFrame
    opposed: pl.DataFrame


class PairSketches:
    """Takes pairs a batch at a time and keeps some 200 bytes of each."""

    def __init__(self) -> None:
        self._texts = Texts(FLOOR)
        self._ids: list[pl.Series] = []
        self._rows: list[np.ndarray] = []
        self._keys = Keys()
        self._again: list[np.ndarray] = []  # rows with keys in the other view
        self._keys_again = Keys()
        self._count = 0

    def add(self, batch: pl.DataFrame) -> None:
        """At most 1,365 pairs: their ids, the three parts as texts, and as uint64 that stand for what must be
        equal prompt_media, chosen_media, rejected_media and (for a contradiction) criterion.
        """
        ids = pl.concat([batch[f"{part}_id"].rename("id") for part in _PARTS])
        texts = pl.concat([batch[part].rename("text") for part in _PARTS])
        # A prompt stands in all pairs of its answers, an answer in several pairs.
        once = pl.DataFrame([ids, texts]).unique("id", keep="first", maintain_order=True).with_row_index("place")
        sketches = self._texts.add(words(once["text"].to_arrow()))
        place = ids.to_frame().join(once, on="id", how="left", maintain_order="left")["place"].to_numpy()
        parts = place.reshape(3, -1).T.astype(np.int64)
        media = batch.select("prompt_media", "chosen_media", "rejected_media").to_numpy()
        again = np.flatnonzero(sketches.both[parts].any(axis=1))
        self._ids.append(batch["pair_id"])
        self._rows.append(
            np.column_stack(
                [sketches.numbers[parts], media.view(np.int64), batch["criterion"].to_numpy().view(np.int64)]
            )
        )
        self._keys.add(_keys(sketches.short, parts, media))
        self._again.append(self._count + again)
        self._keys_again.add(_keys(sketches.long, parts[again], media[again]))
        self._count += batch.height

    def find(self) -> Found:
        self._texts.seal()
        ids = pl.concat([pl.Series("pair_id", [], pl.String), *self._ids])
        order = ids.arg_sort().to_numpy().astype(np.int64)
        ids = ids.gather(order)
        first = ids.is_first_distinct().to_numpy()
        order, ids = order[first], ids.filter(pl.Series(first))
        rows = np.concatenate([np.empty((0, 7), np.int64), *self._rows])[order]
        form = _first_equal(self._forms(rows))
        left, right = self._candidates(order, form)
        near, opposed = self._compared(rows, left, right)
        return Found(ids, form, near, opposed)

    def _forms(self, rows: np.ndarray) -> np.ndarray:
        parts = np.concatenate([self._texts.forms[rows[:, :3]], rows[:, 3:].view(np.uint64)], axis=1)
        total = np.zeros(len(rows), np.uint64)
        for column in range(parts.shape[1]):
            total = mixed(total + parts[:, column])
        return total

    def _candidates(self, order: np.ndarray, form: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        heads = np.flatnonzero(form == np.arange(len(form)))
        place = np.full(self._count, -1, np.int64)
        place[order[heads]] = heads
        again = [place[rows] for rows in self._again]
        return candidates([self._keys, self._keys_again], np.concatenate([place, *again]))

    def _compared(
        self, rows: np.ndarray, left: np.ndarray, right: np.ndarray
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        prompt = self._texts.similarity(rows[left, 0], rows[right, 0])
        left, right, prompt = (values[prompt >= FLOOR] for values in (left, right, prompt))
        one, two = rows[left], rows[right]

        def alike(mine: int, other: int) -> np.ndarray:
            similarity = self._texts.similarity(one[:, mine], two[:, other])
            return np.where(one[:, mine + 3] == two[:, other + 3], similarity, 0)

        chosen, rejected = alike(1, 1), alike(2, 2)
        same = np.minimum(chosen, rejected)
        turned = np.minimum(alike(1, 2), alike(2, 1))
        # Both directions fit when the completions of a pair are alike: a contradiction must not pass for a copy.
        opposed = (turned >= np.maximum(same, FLOOR)) & (one[:, 6] == two[:, 6])
        near = (same >= FLOOR) & ~opposed
        pairs = pl.DataFrame(
            {"left": left, "right": right, "prompt": prompt, "chosen": chosen, "rejected": rejected}
        )
        least = np.minimum(prompt, turned)
        return pairs.filter(near), pairs.select("left", "right", similarity=pl.Series(least)).filter(opposed)


def _keys(least: np.ndarray, parts: np.ndarray, media: np.ndarray) -> np.ndarray:
    """uint64 `[pairs, 16]`: a band holds one minimum of each text, whichever completion was chosen."""
    chosen, rejected = (mixed(least[parts[:, column], ::_EVERY]) for column in (1, 2))
    return mixed(least[parts[:, 0], ::_EVERY] * PLACES[0] + chosen + rejected + media.sum(axis=1, keepdims=True))


def _first_equal(values: np.ndarray) -> np.ndarray:
    _, first, which = np.unique(values, return_index=True, return_inverse=True)
    places: np.ndarray = first[which]
    return places
