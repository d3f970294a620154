"""Where each row of a plan lies in the published dataset, in some forty bytes a row.

Ids are 32 hex digits: two 64-bit words each here, found in a sorted array. A join would do it too, in a gigabyte
for each million pairs.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from mixtures._recipe import Recipe
from mixtures._sample import uniform
from pairs.errors import PrefmillError

_AT_ONCE = 50_000  # rows whose keys are Python strings at one time


class Order:
    """The rows of a plan in the order of publication: split by split, each in the order of a keyed hash.

    `position` counts rows in that order from 0. `splits` has, of each split that has rows, its name, its first
    position and the one behind its last.
    """

    def __init__(self, recipe: Recipe, rows: pl.DataFrame) -> None:
        names = ["train", *recipe.splits]
        places = rows["split"].replace_strict(names, range(len(names)), return_dtype=pl.UInt8).to_numpy()
        order = _sorted(recipe.seed, places, rows)
        ends = np.cumsum(np.bincount(places, minlength=len(names))).tolist()
        self.splits = [(*one,) for one in zip(names, [0, *ends], ends, strict=False) if one[1] < one[2]]
        self._rows, self._order = rows, order
        self._codes = {name: code for code, name in enumerate(recipe.sources)}
        self._index(recipe)
        self._found = np.zeros(len(order), dtype=bool)
        self._groups = np.zeros((len(order), 2), dtype=np.uint64)

    def __len__(self) -> int:
        return len(self._order)

    def _index(self, recipe: Recipe) -> None:
        """Halves of ids, source and position of each row, sorted by the first half."""
        first, second = _words(self._rows["pair_id"])
        by_id = np.argsort(first, kind="stable")
        self._first, self._second = first[by_id], second[by_id]
        codes = self._rows["source"].replace_strict(self._codes, return_dtype=pl.UInt16).to_numpy()
        self._source = codes[by_id]
        positions = np.empty(len(by_id), dtype=np.int32)
        positions[self._order] = np.arange(len(by_id), dtype=np.int32)
        self._position = positions[by_id]

    def find(self, pair_ids: pl.Series, source: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Which of `pair_ids` the plan has, of one source or of all, and the positions of each, in two arrays of
        equal length: indices into `pair_ids`, ascending, and positions."""
        first, second = _words(pair_ids)
        begin = np.searchsorted(self._first, first)
        times = np.searchsorted(self._first, first, side="right") - begin
        rows = np.repeat(np.arange(len(first)), times)
        nth = np.arange(len(rows)) - np.repeat(np.cumsum(times) - times, times)
        places = np.repeat(begin, times) + nth
        same = self._second[places] == second[rows]
        if source is not None:
            same &= self._source[places] == self._codes[source]
        return rows[same], self._position[places[same]]

    def seen(self, positions: np.ndarray) -> None:
        """The pairs of these rows are in the store."""
        self._found[positions] = True

    def join_groups(self, groups: pl.LazyFrame) -> None:
        """Note the group of each row. `groups` may name a pair more than once, but in one group."""
        self._check("pairs")
        self._found[:] = False
        for batch in groups.select("pair_id", "group_id").collect_batches(chunk_size=50_000, maintain_order=False):
            rows, positions = self.find(batch["pair_id"])
            self._groups[positions] = np.stack(_words(batch["group_id"]), axis=1)[rows]
            self.seen(positions)
        self._check("groups")

    def _check(self, table: str) -> None:
        lost = np.flatnonzero(~self._found)
        if len(lost):
            row = self._rows[self._order[lost]].sort("source", "pair_id").row(0, named=True)
            raise PrefmillError(
                f"{len(lost)} rows of the plan are not in {table}, first {row['source']} {row['pair_id']}; "
                "the sources have changed since the plan was made: make it again"
            )

    def columns(self, start: int, end: int) -> pa.Table:
        """What the plan says of the rows at positions `start` to `end`: copy, flipped, labels, weights, group."""
        rows = self._rows.select("copy", "flipped", "soft_label", "weight")[self._order[start:end]]
        digits = self._groups[start:end].astype(">u8").tobytes().hex().encode()
        ends = np.arange(0, len(digits) + 1, 32, dtype=np.int32)
        groups = pa.StringArray.from_buffers(end - start, pa.py_buffer(ends), pa.py_buffer(digits))
        return rows.to_arrow().append_column("group_id", groups)


def _words(ids: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """The two 64-bit words of each id; raises polars' ComputeError when one is not hexadecimal."""
    data = ids.str.decode("hex").to_arrow().cast(pa.binary(16))
    words = np.frombuffer(data.buffers()[1], dtype=">u8")[2 * data.offset :][: 2 * len(data)].reshape(-1, 2)
    return words[:, 0].astype(np.uint64), words[:, 1].astype(np.uint64)


def _sorted(seed: int, places: np.ndarray, rows: pl.DataFrame) -> np.ndarray:
    """Row numbers by split, keyed hash of pair id and copy, then pair id, copy and source: int32."""
    keys = places.astype(np.uint64) << np.uint64(53)
    for start in range(0, rows.height, _AT_ONCE):
        part = rows[start : start + _AT_ONCE]
        names = (part["pair_id"] + "/" + part["copy"].cast(pl.String)).to_list()
        keys[start : start + _AT_ONCE] |= (uniform(seed, "order", names) * 2.0**53).astype(np.uint64)
    order = np.argsort(keys, kind="stable").astype(np.int32)
    again = keys[order[1:]] == keys[order[:-1]]
    tied = np.flatnonzero(np.append(again, False) | np.append(False, again))
    few = rows[order[tied]].select("pair_id", "copy", pl.col("source").cast(pl.String))
    few = few.with_columns(key=keys[order[tied]], row=order[tied]).sort("key", "pair_id", "copy", "source")
    order[tied] = few["row"].to_numpy()
    return order
