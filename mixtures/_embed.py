"""Pictures of published rows: fetched in the order of the store, each put where rows want it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import polars as pl
import pyarrow as pa

from mixtures._columns import EXTENSIONS, IMAGES, PICTURES
from pairs.errors import PrefmillError
from pairs.store import Store


class Pictures:
    """Where the pictures of a mixture lie in the store. Raises `PrefmillError` when it lacks one."""

    def __init__(self, store: Store, media_ids: pl.Series) -> None:
        self._store = store
        self._space = np.empty(0, np.uint8)
        wanted = media_ids.to_frame()
        self._index = (
            store.scan("media")
            .select("media_id", "format", "size", "shard", "row_group", "row")
            .join(wanted.lazy(), on="media_id", how="semi")
            .collect(engine="streaming")
            .sort("media_id", "shard", "row_group", "row")
            .unique("media_id", keep="first", maintain_order=True)
        )
        lost = wanted.join(self._index, on="media_id", how="anti").sort("media_id")
        if lost.height:
            raise PrefmillError(
                f"{store.root}: {lost.height} media of the mixture are not in the store, first "
                f"{lost['media_id'][0]}; ingest their sources again"
            )

    def __len__(self) -> int:
        return self._index.height

    def of(self, groups: Sequence[pa.Table]) -> list[dict[str, pa.StructArray]]:
        """For each row group, by published column, the pictures of its rows one after another.

        The bytes lie in one buffer that the next call fills anew: getting memory each time would cost most.
        """
        columns = [rows[name].combine_chunks() for rows in groups for name in PICTURES.values()]
        ids = [pl.Series("media_id", column.flatten(), pl.String) for column in columns]
        shown = pl.concat(ids).to_frame().join(self._index, on="media_id", how="left", maintain_order="left")
        ends = np.append(0, shown["size"].cum_sum().to_numpy())
        if ends[-1] > len(self._space):
            self._space = np.empty(ends[-1] * 5 // 4, np.uint8)
        for places, data in self._store.media_groups(shown.with_columns(start=ends[:-1])):
            for row, start, size in places.select("row", "start", "size").iter_rows():
                self._space[start : start + size] = np.frombuffer(data[row].as_buffer(), np.uint8)
        paths = shown.select(pl.col("media_id") + "." + pl.col("format").replace_strict(EXTENSIONS)).to_series()
        bounds = np.cumsum([0, *map(len, ids)]).tolist()
        values = [self._values(ends[first : last + 1], paths[first:last]) for first, last in pairwise(bounds)]
        return [
            dict(zip(PICTURES, values[start : start + len(PICTURES)], strict=True))
            for start in range(0, len(values), len(PICTURES))
        ]

    def _values(self, ends: np.ndarray, paths: pl.Series) -> pa.StructArray:
        """Bytes and path of pictures that lie side by side in the buffer."""
        offsets = (ends - ends[0]).astype(np.int32)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(self._space[ends[0] : ends[-1]])]
        data = pa.Array.from_buffers(pa.binary(), len(paths), buffers)
        return pa.StructArray.from_arrays(
            [data, paths.to_arrow().cast(pa.string())], fields=IMAGES.value_type.fields
        )
