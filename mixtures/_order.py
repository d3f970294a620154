"""Where each row of a plan lies in the published dataset, and what the plan says of it, in 28 bytes a row.

Ids are 32 hex digits: two 64-bit words each here, found in a sorted array. A join would do it too, in a gigabyte
for each million pairs.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
import pyarrow as pa

from mixtures._recipe import Recipe
from mixtures._sample import uniform
from pairs.errors import PrefmillError

_AT_ONCE = 50_000  # rows whose ids are texts at one time
_SPLIT = np.uint64(53)  # a key is the number of the split above the 53 bits of the hash


class Order:
    """The rows of a plan in the order of publication: split by split, each in the order of a keyed hash.

    It is the hash of pair id and copy, but of prompt id and copy for the pairs in `shown` (`pair_id, prompt_id`),
    those with pictures: prompts are shuffled there, and rows that show the same pictures lie side by side. A
    position counts rows in that order from 0. `splits` has, of each split that has rows, its name, its first
    position and the one behind its last.
    """

    def __init__(self, recipe: Recipe, rows: pl.LazyFrame, shown: pl.LazyFrame) -> None:
        count = int(rows.select(pl.len()).collect().item())
        names = ["train", *recipe.splits]
        self._sources = sorted(recipe.sources)
        self._first, self._second, keys = (np.empty(count, dtype=np.uint64) for _ in range(3))
        self._source = np.empty(count, dtype=np.uint16)
        self._plan = {"copy": np.empty(count, dtype=np.int32), "flipped": np.empty(count, dtype=bool)}
        end = 0
        for batch in rows.collect_batches(chunk_size=_AT_ONCE, maintain_order=True):
            part = slice(end, end := end + batch.height)
            splits = batch["split"].replace_strict(names, range(len(names)), return_dtype=pl.UInt64).to_numpy()
            self._note(part, batch, count)
            words = self._first[part], self._second[part]
            keys[part] = (splits << _SPLIT) | _hashes(recipe, words, self._plan["copy"][part])
        keys = self._by_id(keys)
        for batch in shown.collect_batches(chunk_size=_AT_ONCE, maintain_order=False):
            found, places = self._places(batch["pair_id"])
            hashes = _hashes(recipe, _words(batch["prompt_id"][found]), self._plan["copy"][places])
            keys[places] = (keys[places] >> _SPLIT << _SPLIT) | hashes
        self._sort(keys)
        ends = np.cumsum(np.bincount((keys >> _SPLIT).astype(np.int64), minlength=len(names))).tolist()
        self.splits = [one for one in zip(names, [0, *ends], ends, strict=False) if one[1] < one[2]]
        self._found = np.zeros(count, dtype=bool)

    def _note(self, part: slice, batch: pl.DataFrame, count: int) -> None:
        self._first[part], self._second[part] = _words(batch["pair_id"])
        codes = batch["source"].replace_strict(self._sources, range(len(self._sources)), return_dtype=pl.UInt16)
        self._source[part] = codes.to_numpy()
        for name in ("copy", "flipped"):
            self._plan[name][part] = batch[name].to_numpy()
        for name in ("soft_label", "weight"):  # finite, or null: NaN here
            if batch[name].null_count() < batch.height:
                values = self._plan.setdefault(name, np.full(count, np.nan))
                values[part] = batch[name].to_numpy()

    def _by_id(self, keys: np.ndarray) -> np.ndarray:
        """Put everything in the order of ids, where a pair is found; returns the keys in that order."""
        order = np.argsort(self._first, kind="stable").astype(np.int32)
        self._first, self._second, self._source = self._first[order], self._second[order], self._source[order]
        for name, values in self._plan.items():
            self._plan[name] = values[order]
        return keys[order]

    def _sort(self, keys: np.ndarray) -> None:
        """Put what the plan says in the order of positions.

        Rows of one key, such as a pair of two sources, or pairs about the same pictures, lie by pair id, copy and
        source.
        """
        order = np.argsort(keys, kind="stable").astype(np.int32)
        again = keys[order[1:]] == keys[order[:-1]]
        tied = np.flatnonzero(np.append(again, False) | np.append(False, again))
        few = order[tied]
        by = (self._source, self._plan["copy"], self._second, self._first, keys)
        order[tied] = few[np.lexsort([values[few] for values in by])]
        for name, values in self._plan.items():
            self._plan[name] = values[order]
        self._position = np.empty(len(order), dtype=np.int32)
        self._position[order] = np.arange(len(order), dtype=np.int32)

    def __len__(self) -> int:
        return len(self._position)

    def has(self, column: str) -> bool:
        """Whether some row has a value in `soft_label` or `weight`."""
        return column in self._plan

    def find(self, pair_ids: pl.Series, source: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the plan with one of `pair_ids`, of one source or of all: indices into `pair_ids` and positions,
        two arrays of equal length."""
        rows, places = self._places(pair_ids)
        if source is not None:
            own = self._source[places] == self._sources.index(source)
            rows, places = rows[own], places[own]
        return rows, self._position[places]

    def _places(self, pair_ids: pl.Series) -> tuple[np.ndarray, np.ndarray]:
        first, second = _words(pair_ids)
        rows = np.argsort(first)  # in order, neighbours are looked up where the processor still has the table
        begin = np.searchsorted(self._first, first[rows])
        times = np.searchsorted(self._first, first[rows], side="right") - begin
        nth = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
        rows, places = np.repeat(rows, times), np.repeat(begin, times) + nth
        same = self._second[places] == second[rows]
        return rows[same], places[same]

    def seen(self, positions: np.ndarray) -> None:
        """Note that the pairs of these rows are there."""
        self._found[positions] = True

    def groups(self, groups: pl.LazyFrame) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Positions, and the two words of the group of each: uint64 `[positions, 2]`.

        `groups` may name a pair more than once, but in one group. Raises `PrefmillError` when a row has none.
        """
        self._found[:] = False
        wanted = groups.select("pair_id", "group_id")
        for batch in wanted.collect_batches(chunk_size=_AT_ONCE, maintain_order=False):
            rows, positions = self.find(batch["pair_id"])
            yield positions, np.stack([words[rows] for words in _words(batch["group_id"])], axis=1)
            self.seen(positions)
        self.check("groups")

    def check(self, table: str) -> None:
        """Raises `PrefmillError` when a row was not seen in a table."""
        lost = np.flatnonzero(~self._found[self._position])
        if len(lost):
            row = lost[np.lexsort([values[lost] for values in (self._second, self._first, self._source)])[0]]
            raise PrefmillError(
                f"{len(lost)} rows of the plan are not in {table}, first {self._sources[self._source[row]]} "
                f"{self._first[row]:016x}{self._second[row]:016x}; "
                "the sources have changed since the plan was made: make it again"
            )

    def columns(self, positions: np.ndarray) -> dict[str, pl.Series]:
        """What the plan says of the rows at these positions."""
        return {name: pl.Series(values[positions], nan_to_null=True) for name, values in self._plan.items()}


def _hashes(recipe: Recipe, words: tuple[np.ndarray, np.ndarray], copies: np.ndarray) -> np.ndarray:
    """53 bits for each id, given by its `_words`, and copy. Ids are hashes themselves: only the key has to be
    stirred in."""
    key = uniform(recipe.seed, "order", [""]).view(np.uint64)
    return _stirred(_stirred(_stirred(words[0] ^ key) ^ words[1]) ^ copies.astype(np.uint64)) >> np.uint64(11)


def _stirred(words: np.ndarray) -> np.ndarray:
    """Each bit of the result hangs on all 64 of a word: SplitMix64 (Steele, Lea and Flood 2014)."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _words(ids: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Both 64-bit words of each id: uint64 `[ids]`, twice. Polars or Arrow raise for other than 32 hex digits."""
    data = ids.str.decode("hex").to_arrow().cast(pa.binary(16))
    words = np.frombuffer(data.buffers()[1], dtype=">u8")[2 * data.offset :][: 2 * len(data)].reshape(-1, 2)
    return words[:, 0].astype(np.uint64), words[:, 1].astype(np.uint64)
