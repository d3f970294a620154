"""Texts of a mixture in the order of publication: a bucket sort through scratch files, in memory that stays flat.

A file holds the rows of a range of positions, in the order in which the store gave them; it is put in order when
it is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from mixtures._columns import PICTURES
from mixtures._order import Order
from mixtures._recipe import Recipe
from pairs.store import Store

FILES = 256  # open scratch files
FILE_ROWS = 20_000  # of a scratch file, unless that makes more than FILES
ROW_BYTES = 400  # of ids and names beside the texts
_BATCH_ROWS = 10_000
_GROUP = np.dtype([("position", "<i4"), ("words", "<u8", 2)])


class Scratch:
    """The pairs of a plan's rows in scratch files below `folder`, and what was seen of them on the way."""

    def __init__(self, store: Store, recipe: Recipe, order: Order, folder: Path) -> None:
        """Reads every pair of the mixture once. Raises `PrefmillError` when the store lacks one.

        What `order` knows is in the files then, but for groups.
        """
        self._folder = folder
        self._rows = max(FILE_ROWS, -(-len(order) // FILES))
        self._held: tuple[int, pa.Table | None] = (-1, None)
        self._sizes: pl.DataFrame | None = None
        self._store = store
        self.bytes = [0] * len(order.splits)  # texts and pictures of each split
        self.pictures: set[str] = set()  # columns of `PICTURES` that some row has
        self.shown = 0  # pictures of all rows, one that is shown twice counted twice
        self._media: list[pl.Series] = []
        self.licences: Counter[tuple[str, str]] = Counter()  # pairs by licence and source
        self._writers: dict[int, pa.ipc.RecordBatchFileWriter] = {}
        try:
            for source in recipe.sources:
                for batch in store.batches("pairs", source, _BATCH_ROWS):
                    self._add(order, source, batch)
        finally:
            for writer in self._writers.values():
                writer.close()
        order.check("pairs")

    def _add(self, order: Order, source: str, batch: pl.DataFrame) -> None:
        rows, positions = order.find(batch["pair_id"], source)
        if not len(rows):
            return
        order.seen(positions)
        for licence, count in batch["licence"][np.unique(rows)].value_counts().iter_rows():
            self.licences[licence, source] += count
        by_file = np.argsort(positions // self._rows, kind="stable")
        rows, positions = rows[by_file], positions[by_file]
        table = batch.rechunk()[rows].to_arrow()  # of lists in several chunks rows are taken ten times slower
        sizes = _text_bytes(table) + ROW_BYTES + self._media_bytes(table)
        for place, (_, start, end) in enumerate(order.splits):
            self.bytes[place] += int(sizes[(positions >= start) & (positions < end)].sum())
        more = {"_position": pl.Series(positions), "_size": pl.Series(sizes), **order.columns(positions)}
        for name, values in more.items():
            table = table.append_column(name, values.to_arrow())
        files = positions // self._rows
        starts = np.flatnonzero(np.diff(files, prepend=-1))
        for start, end in zip(starts, [*starts[1:], len(files)], strict=True):
            self._writer(int(files[start]), table.schema).write_table(table.slice(start, end - start))

    def _writer(self, number: int, schema: pa.Schema) -> pa.ipc.RecordBatchFileWriter:
        if number not in self._writers:
            self._writers[number] = pa.ipc.new_file(str(self._folder / f"{number}.arrow"), schema)
        return self._writers[number]

    def _media_bytes(self, table: pa.Table) -> np.ndarray:
        """Bytes of the pictures of each row: int64 `[rows]`. Those the store lacks count nothing here."""
        found = np.zeros(table.num_rows, dtype=np.int64)
        shown = {name for name, ids in PICTURES.items() if pc.sum(pc.list_value_length(table[ids])).as_py()}
        if shown:
            self.pictures |= shown
            ids = pl.DataFrame(table.select(list(PICTURES.values())))
            ids = ids.select(media_id=pl.concat_list(*ids.columns)).with_row_index("row")
            ids = ids.explode("media_id").drop_nulls("media_id")
            self.shown += ids.height
            self._media.append(ids["media_id"].unique())
            if self._sizes is None:
                self._sizes = self._store.scan("media").select("media_id", "size").unique().collect()
            sized = ids.join(self._sizes, on="media_id", how="inner").group_by("row").agg(pl.col("size").sum())
            found[sized["row"].to_numpy()] = sized["size"].to_numpy()
        return found

    def join_groups(self, groups: Iterable[tuple[np.ndarray, np.ndarray]]) -> None:
        """Note the groups of all rows, as `Order.groups` gives them."""
        for positions, words in groups:
            lines = np.empty(len(positions), _GROUP)
            lines["position"], lines["words"] = positions, words
            lines = lines[np.argsort(positions // self._rows)]
            files = lines["position"] // self._rows
            starts = np.flatnonzero(np.diff(files, prepend=-1))
            for start, end in zip(starts, [*starts[1:], len(files)], strict=True):
                with (self._folder / f"{files[start]}.groups").open("ab") as file:
                    file.write(lines[start:end].data)

    def _groups(self, number: int, rows: int) -> pa.Array:
        """The `group_id` of the rows of a file, in the order of their positions."""
        lines = np.fromfile(self._folder / f"{number}.groups", _GROUP)
        words = np.empty((rows, 2), ">u8")
        words[lines["position"] - number * self._rows] = lines["words"]
        ends = np.arange(0, 32 * rows + 1, 32, dtype=np.int32)
        digits = words.tobytes().hex().encode()
        return pa.StringArray.from_buffers(rows, pa.py_buffer(ends), pa.py_buffer(digits))

    def media_ids(self) -> pl.Series:
        """The pictures of the mixture, each once, in no order."""
        return pl.concat([pl.Series("media_id", [], dtype=pl.String), *self._media]).unique()

    def read(self, start: int, end: int) -> Iterator[pa.Table]:
        """The rows at positions `start` to `end` in order, file by file, with `_size` in bytes and the plan's
        columns; without media bytes."""
        while start < end:
            number = start // self._rows
            first = number * self._rows
            rows = self._file(number).slice(start - first, end - start)
            yield rows
            start += rows.num_rows

    def _file(self, number: int) -> pa.Table:
        if self._held[0] != number:
            self._held = (-1, None)
            with pa.memory_map(str(self._folder / f"{number}.arrow")) as file:
                table = pa.ipc.open_file(file).read_all()
                table = table.take(pc.sort_indices(table["_position"])).drop_columns("_position")
            self._held = (number, table.append_column("group_id", self._groups(number, table.num_rows)))
        table = self._held[1]
        assert table is not None
        return table


def _text_bytes(table: pa.Table) -> np.ndarray:
    """UTF-8 bytes of the texts of each row: int64 `[rows]`."""
    total = np.zeros(table.num_rows, dtype=np.int64)
    for name in ("prompt", "chosen", "rejected"):
        messages = table[name].combine_chunks()
        content = pl.Series(messages.values.field("content"))
        lengths = np.append(0, content.str.len_bytes().fill_null(0).cum_sum().to_numpy())
        total += np.diff(lengths[pl.Series(messages.offsets).to_numpy()])
    for name in ("rationale", "reference", "extra"):
        total += pl.Series(table[name]).str.len_bytes().fill_null(0).to_numpy()
    return total
