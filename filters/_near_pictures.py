"""Lists of pictures that look alike, each picture like the one in its place."""

from __future__ import annotations

import numpy as np
import polars as pl

from filters._near_media import looks

MOST = 6  # bits; pictures further apart are not looked for
_FAR = 64
COLUMNS = ("media_ids", "chosen_media_ids", "rejected_media_ids")


def list_key(column: str) -> pl.Expr:
    """What stands for a list of media (UInt64): equal for equal ids in equal order."""
    return pl.col(column).list.join(" ").hash()


class PictureLists:
    """The lists of media in `pairs` with a picture that looks like another one there; memory grows with these.

    Any other list is like none but itself, and so is a picture without a hash: a flat one.
    """

    def __init__(self, pairs: pl.LazyFrame, media: pl.LazyFrame) -> None:
        every = pl.concat([pairs.select(key=list_key(column), media_id=column) for column in COLUMNS])
        shown = every.select("media_id").explode("media_id").drop_nulls()
        alike = looks(media, shown.unique(), MOST)
        some = every.explode("media_id").join(alike.lazy(), on="media_id", how="semi").select("key").unique()
        lists = every.join(some, on="key", how="semi").unique("key", keep="any").collect(engine="streaming")
        lists = lists.sort("key")
        each = lists.explode("media_id").join(alike, on="media_id", how="left", maintain_order="left")
        look = each.group_by("key", maintain_order=True).agg(pl.coalesce("look", "media_id"))
        self._key = lists["key"].to_numpy()
        self._look = look.select(list_key("look")).to_series().to_numpy()
        self._hashes = each["hash"].fill_null(0).to_numpy()
        self._count = lists["media_id"].list.len().cast(pl.Int64).to_numpy()
        self._start = np.cumsum(self._count) - self._count

    def looks(self, keys: np.ndarray) -> np.ndarray:
        """uint64 in the shape of `keys` (`list_key`): equal for lists that chains of alike pictures join."""
        place = self._place(keys)
        out = keys.copy()
        out[place >= 0] = self._look[place[place >= 0]]
        return out

    def apart(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """The most bits between two pictures in the same place of lists, given by their `list_key` (uint64
        `[n]`): int32 `[n]`, 0 to 64, 0 for equal lists and 64 for lists that no chain of alike pictures joins.
        """
        out = np.where(left == right, 0, _FAR).astype(np.int32)
        one, two = self._place(left), self._place(right)
        both = np.flatnonzero((left != right) & (one >= 0) & (two >= 0))
        # Lists of the same looks are equally long, and where a picture has no hash it is the same one in both.
        both = both[self._look[one[both]] == self._look[two[both]]]
        if len(both):
            size = self._count[one[both]]
            first = np.cumsum(size) - size
            step = np.arange(size.sum()) - np.repeat(first, size)
            sides = [self._hashes[np.repeat(self._start[side[both]], size) + step] for side in (one, two)]
            out[both] = np.maximum.reduceat(np.bitwise_count(sides[0] ^ sides[1]), first)
        return out

    def _place(self, keys: np.ndarray) -> np.ndarray:
        """int64 in the shape of `keys`: places in `_key`, -1 for a list that is not there."""
        if not len(self._key):
            return np.full(keys.shape, -1)
        place = np.searchsorted(self._key, keys).clip(max=len(self._key) - 1)
        return np.where(self._key[place] == keys, place, -1)
