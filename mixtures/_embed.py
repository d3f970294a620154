"""Pictures of published rows: each read from where it lies in the store to where a row wants it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
import pyarrow as pa

from mixtures._columns import EXTENSIONS, IMAGES, PICTURES
from pairs.errors import PrefmillError
from pairs.shards import begins, read_media_at
from pairs.store import Store

_PLACE = ["shard", "row_group", "row"]


class Pictures:
    """Where the pictures of a mixture lie in the store. Raises `PrefmillError` when it lacks one."""

    def __init__(self, store: Store, media_ids: pl.Series) -> None:
        self._store = store
        self._space = np.empty(0, np.uint8)
        wanted = media_ids.to_frame()
        media = store.scan("media").select("media_id", "format", "size", *_PLACE)
        groups = media.join(wanted.lazy(), on="media_id", how="semi").select(_PLACE[:2]).unique()
        beside = media.join(groups, on=_PLACE[:2], how="semi").unique(_PLACE).collect(engine="streaming")
        self._index = (
            begins(store, beside)
            .join(wanted, on="media_id", how="semi")
            .sort("media_id", *_PLACE)
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

    def of(self, rows: pa.Table) -> dict[str, pa.StructArray]:
        """By published column the pictures of `rows`, a row group, one after another.

        The bytes lie in one buffer that the next call fills anew: getting memory each time would cost most.
        """
        ids = [
            pl.Series("media_id", rows[name].combine_chunks().flatten(), pl.String) for name in PICTURES.values()
        ]
        shown = pl.concat(ids).to_frame().join(self._index, on="media_id", how="left", maintain_order="left")
        ends = np.append(0, shown["size"].cum_sum().to_numpy())
        if ends[-1] > len(self._space):
            self._space = np.empty(ends[-1] * 5 // 4, np.uint8)
        places = shown.with_columns(start=ends[:-1])
        read_media_at(self._store, places.filter(pl.col("begin").is_not_null()), self._space)
        for group, data in self._store.media_groups(places.filter(pl.col("begin").is_null())):
            for row, start, size in group.select("row", "start", "size").iter_rows():
                self._space[start : start + size] = np.frombuffer(data[row].as_buffer(), np.uint8)
        paths = shown.select(pl.col("media_id") + "." + pl.col("format").replace_strict(EXTENSIONS)).to_series()
        bounds = pairwise(np.cumsum([0, *map(len, ids)]).tolist())
        values = [self._values(ends[first : last + 1], paths[first:last]) for first, last in bounds]
        return dict(zip(PICTURES, values, strict=True))

    def _values(self, ends: np.ndarray, paths: pl.Series) -> pa.StructArray:
        """Bytes and path of pictures that lie side by side in the buffer."""
        offsets = (ends - ends[0]).astype(np.int32)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(self._space[ends[0] : ends[-1]])]
        data = pa.Array.from_buffers(pa.binary(), len(paths), buffers)
        return pa.StructArray.from_arrays(
            [data, paths.to_arrow().cast(pa.string())], fields=IMAGES.value_type.fields
        )
