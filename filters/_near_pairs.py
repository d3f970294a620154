"""Finds pairs that are alike in all their texts and pictures: batches in, verified similarities out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from filters._minhash import BANDS, BINS, candidates
from filters._near_pictures import MOST, PictureLists
from filters._shingles import PLACES, mixed, words
from filters._similar import Texts
from filters._spill import Keys, Records

FLOOR = 0.7  # similarities below it are not looked for
FEW = 20  # words; in a shorter completion a number or a name is the answer
_PARTS = ("prompt", "chosen", "rejected")
_TURNED = [0, 2, 1, 3, 5, 4, 6, 7, 9, 8]  # columns of a pair's row with chosen and rejected exchanged
_EVERY = BINS // BANDS  # one of four minima of each text makes a band of a pair


@dataclass(frozen=True)
class Found:
    """What was found among pairs, in ascending order of `pair_ids`, which are unique.

    `form` `[pairs]` is the place of the first pair with the same words, media and criterion. `near` and `opposed`
    have columns left < right (places of such first pairs), and `distance`, the most bits between two pictures in
    the same place, 0 to `MOST`. near has the similarities `prompt, chosen, rejected`, and `named`: whether
    prompts, and completions of fewer than `FEW` words, agree in their numbers and names.
    opposed, only of pairs with the same criterion, has `similarity`, the least of the three the other way round,
    `margin`, by how much completions are more alike the other way round than straight, and `named`, which asks
    more there: short texts, and the prompts of short completions, must be equal ("Is the cat left of the dog?"
    with its words in another order is another question, and the other answer right); `files` says whether all
    pictures are the same files.
    """

    pair_ids: pl.Series
    form: np.ndarray
    near: pl.DataFrame
    opposed: pl.DataFrame


class PairSketches:
    """Takes pairs a batch at a time and keeps the id of each in memory, the rest on disk."""

    def __init__(self, lists: PictureLists) -> None:
        self._lists = lists
        self._texts = Texts(FLOOR)
        self._ids: list[pl.Series] = []
        self._rows = Records(np.dtype((np.int64, 10)))
        self._keys = Keys(BANDS)

    def add(self, batch: pl.DataFrame) -> None:
        """Their ids, the three parts as texts, and as uint64 that stand for what must be equal prompt_media,
        chosen_media, rejected_media, (for a contradiction) criterion, prompt_names, chosen_names, rejected_names.
        """
        ids = pl.concat([batch[f"{part}_id"].rename("id") for part in _PARTS])
        texts = pl.concat([batch[part].rename("text") for part in _PARTS])
        # A prompt stands in all pairs of its answers, an answer in several pairs.
        once = pl.DataFrame([ids, texts]).unique("id", keep="first", maintain_order=True).with_row_index("place")
        sketches = self._texts.add(words(once["text"].to_arrow()))
        place = ids.to_frame().join(once, on="id", how="left", maintain_order="left")["place"].to_numpy()
        parts = place.reshape(3, -1).T.astype(np.int64)
        media = batch.select("prompt_media", "chosen_media", "rejected_media").to_numpy()
        rows = len(self._rows) + np.arange(batch.height)
        again = np.flatnonzero(sketches.both[parts].any(axis=1))
        looks = self._lists.looks(media)
        self._keys.add(_keys(sketches.short, parts, looks), rows)
        self._keys.add(_keys(sketches.long, parts[again], looks[again]), rows[again])
        more = batch.select("criterion", *(f"{part}_names" for part in _PARTS)).to_numpy()
        self._rows.add(np.column_stack([sketches.numbers[parts], media.view(np.int64), more.view(np.int64)]))
        self._ids.append(batch["pair_id"])

    def find(self) -> Found:
        ids = pl.concat([pl.Series("pair_id", [], pl.String), *self._ids])
        self._ids = []
        order = ids.arg_sort().to_numpy().astype(np.int64)
        ids = ids.gather(order)
        first = ids.is_first_distinct().to_numpy()
        order, ids = order[first], ids.filter(pl.Series(first))
        form = _first_equal(self._forms()[order])
        heads = np.flatnonzero(form == np.arange(len(form)))
        place = np.full(len(self._rows), -1, np.int64)
        place[order[heads]] = heads
        found = candidates(self._keys, place >= 0, place.take)
        left, right = np.sort([place[rows] for rows in found], axis=0)
        near, opposed = self._compared(order, *np.stack([left, right])[:, np.lexsort((right, left))])
        return Found(ids, form, near, opposed)

    def _forms(self) -> np.ndarray:
        """uint64 `[rows]`: equal for rows with the same words, media and criterion."""
        of_texts, out = self._texts.forms(), [np.empty(0, np.uint64)]
        for rows in self._rows.blocks():
            total = np.zeros(len(rows), np.uint64)
            for column in (*of_texts[rows[:, :3].T], *rows[:, 3:7].T.view(np.uint64)):
                total = mixed(total + column)
            out.append(total)
        return np.concatenate(out)

    def _compared(
        self, order: np.ndarray, left: np.ndarray, right: np.ndarray
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        one, two = self._rows.take(order[left]), self._rows.take(order[right])
        prompt, shown = self._texts.similarity(one[:, 0], two[:, 0]), self._apart(one, two, 0)
        kept = (prompt >= FLOOR) & (shown <= MOST)
        left, right, one, two, prompt, shown = (each[kept] for each in (left, right, one, two, prompt, shown))
        chosen, rejected, apart = self._sides(one, two)
        same = np.minimum(chosen, rejected)
        *sides, apart_turned = self._sides(one, two[:, _TURNED])
        turned = np.minimum(*sides)
        # Both directions fit when the completions of a pair are alike: a contradiction must not pass for a copy.
        opposed = (turned >= np.maximum(same, FLOOR)) & (one[:, 6] == two[:, 6])
        near = (same >= FLOOR) & ~opposed
        parts = {"prompt": prompt, "chosen": chosen, "rejected": rejected, "named": self._named_alike(one, two)}
        pairs = pl.DataFrame({"left": left, "right": right})
        against = {
            "similarity": np.minimum(prompt, turned)[opposed],
            "margin": (turned - same)[opposed],
            "named": self._asked_alike(one[opposed], two[opposed][:, _TURNED]),
            "distance": np.maximum(shown, apart_turned)[opposed],
            "files": (one[:, 3:6] == two[:, _TURNED][:, 3:6])[opposed].all(axis=1),
        }
        alike = pairs.with_columns(**parts, distance=np.maximum(shown, apart)).filter(near)
        return alike, pairs.filter(opposed).with_columns(**against)

    def _sides(self, one: np.ndarray, two: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Similarity of chosen and of rejected, 0 where their pictures rule it out, and the bits between these.

        Pictures that are the same files the other way round, and not this way, say which completion is which.
        """
        chosen, rejected = (self._texts.similarity(one[:, side], two[:, side]) for side in (1, 2))
        apart = np.maximum(*(self._apart(one, two, side) for side in (1, 2)))
        files, turned = one[:, 4:6], two[:, _TURNED][:, 4:6]
        out = (apart > MOST) | (files == turned).all(axis=1) & (files != two[:, 4:6]).any(axis=1)
        chosen[out] = rejected[out] = 0
        return chosen, rejected, apart

    def _apart(self, one: np.ndarray, two: np.ndarray, part: int) -> np.ndarray:
        media = [np.ascontiguousarray(rows[:, part + 3]).view(np.uint64) for rows in (one, two)]
        return self._lists.apart(*media)

    def _asked_alike(self, one: np.ndarray, two: np.ndarray) -> np.ndarray:
        """Of opposed pairs, the second turned: short texts, and prompts of short completions, must be equal."""
        words, form = (
            [read(rows[:, :3].ravel()).reshape(-1, 3) for rows in (one, two)]
            for read in (self._texts.words, self._texts.form)
        )
        short = np.minimum(*words) < FEW
        short[:, 0] |= short.any(axis=1)
        alike: np.ndarray = self._named_alike(one, two) & ((form[0] == form[1]) | ~short).all(axis=1)
        return alike

    def _named_alike(self, one: np.ndarray, two: np.ndarray) -> np.ndarray:
        words = [self._texts.words(rows[:, 1:3].ravel()).reshape(-1, 2) for rows in (one, two)]
        differ = one[:, 7:] != two[:, 7:]
        differ[:, 1:] &= np.minimum(*words) < FEW
        alike: np.ndarray = ~differ.any(axis=1)
        return alike


def _keys(least: np.ndarray, parts: np.ndarray, media: np.ndarray) -> np.ndarray:
    """uint64 `[pairs, 16]`: a band holds one minimum of each text, whichever completion was chosen."""
    chosen, rejected = (mixed(least[parts[:, column], ::_EVERY]) for column in (1, 2))
    return mixed(least[parts[:, 0], ::_EVERY] * PLACES[0] + chosen + rejected + media.sum(axis=1, keepdims=True))


def _first_equal(values: np.ndarray) -> np.ndarray:
    _, first, which = np.unique(values, return_index=True, return_inverse=True)
    places: np.ndarray = first[which]
    return places
