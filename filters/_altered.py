"""Pictures that are known ones resized, written anew, cut a little, turned or mirrored."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
import polars as pl

from filters._hamming import close_across
from filters._overlay import overlay, squeezed
from filters._pictures import Read, thumbnails
from filters._views import SIDE, VIEWS, view_hashes

# Bits of 64 between the hash of a picture and that of a view, by the least number of bits that noise decides.
# Drawings need 10; with 16 one picture in ten or so is compared, with 20, for a pattern, nearly every one.
_DISTANCES = ((0, 10), (8, 16), (24, 20))
_AT_ONCE = 1024  # pictures in memory, squeezed
ALTERED = pl.Schema({"picture": pl.String, "known": pl.String, "similarity": pl.Float64})


def altered(pictures: pl.DataFrame, known: pl.DataFrame, read: Read) -> pl.DataFrame:
    """Which of `pictures` are altered copies of which `known` ones, with their similarity (0.9 to 1): the columns
    of `ALTERED`, sorted. Both frames have the columns `PLACE`, each medium once; `read` is `Store.read_media`.
    Flat pictures, which have no hash, are left out.

    Reads all the known ones, and of the others those whose hash is near that of a view of a known one. Memory
    grows with the known pictures (some 80 KB each), not with the others.
    """
    looks = dict(thumbnails(known.drop_nulls("phash"), read, SIDE))
    found = _candidates(pictures.drop_nulls("phash"), looks)
    names = sorted(looks)
    rows: list[tuple[str, str, float]] = []
    for batch in _batched(thumbnails(pictures.join(found, on="media_id", how="semi"), read, SIDE)):
        shown = pl.DataFrame({"media_id": list(batch)})
        for (place,), those in found.join(shown, on="media_id", how="semi").group_by("known"):
            name, like = names[place], those["media_id"].to_list()
            similarity = overlay(np.stack([batch[each] for each in like]), looks[name]).tolist()
            rows += [(each, name, value) for each, value in zip(like, similarity, strict=True) if value]
    return pl.DataFrame(rows, schema=ALTERED, orient="row").sort("picture", "known")


def _batched(pictures: Iterator[tuple[str, np.ndarray]]) -> Iterator[dict[str, np.ndarray]]:
    while batch := {name: squeezed(pixels) for name, pixels in islice(pictures, _AT_ONCE)}:
        yield batch


def _candidates(pictures: pl.DataFrame, known: dict[str, np.ndarray]) -> pl.DataFrame:
    """media_id and known (its place among the sorted ids), each pair once."""
    hashes = pictures.select("media_id", hash=pl.col("phash").str.to_integer(base=16, dtype=pl.UInt64))
    looks = hashes["hash"].unique().sort()
    views = [view_hashes(known[name]) for name in sorted(known)]
    near = [pl.DataFrame(schema={"look": pl.Int64, "known": pl.Int64})]
    tier = np.searchsorted([least for least, _ in _DISTANCES], [noisy for _, noisy in views], side="right") - 1
    for number, (_, distance) in enumerate(_DISTANCES):
        those = np.flatnonzero(tier == number)
        every = np.concatenate([np.empty(0, np.uint64), *(views[place][0] for place in those)])
        wanted, which = np.unique(every, return_inverse=True)
        owner = pl.DataFrame({"wanted": which.astype(np.int64), "known": np.repeat(those, VIEWS)}).unique()
        for look, at, _ in close_across(looks.to_numpy(), wanted, distance):
            meets = pl.DataFrame({"look": look, "wanted": at}).join(owner, on="wanted")
            near.append(meets.select("look", "known").unique())
    look = hashes.join(looks.to_frame().with_row_index("look").cast({"look": pl.Int64}), on="hash")
    return look.join(pl.concat(near).unique(), on="look").select("media_id", "known")
