"""Pictures that are known ones resized, written anew, cut a little, turned or mirrored."""

from __future__ import annotations

import numpy as np
import polars as pl

from filters._hamming import close_across
from filters._pictures import Read, thumbnails
from filters._views import SIDE, TURNS, VIEWS, likeness, view_hashes

_DISTANCE = 10  # bits of 64 between the hash of a picture and that of a view; drawings need them
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
    views = found.rows_by_key("media_id")
    rows: list[tuple[str, str, float]] = []
    for picture, pixels in thumbnails(pictures.join(found, on="media_id", how="semi"), read, SIDE):
        alike: dict[str, float] = {}
        for place, view in views[picture]:
            name = names[place]
            alike[name] = max(alike.get(name, 0), likeness(pixels, looks[name], view))
        rows += [(picture, name, similarity) for name, similarity in alike.items() if similarity]
    return pl.DataFrame(rows, schema=ALTERED, orient="row").sort("picture", "known")


def _candidates(pictures: pl.DataFrame, known: dict[str, np.ndarray]) -> pl.DataFrame:
    """media_id, known (its place among the sorted ids), view: for each turn the view with the nearest hash."""
    hashes = pictures.select("media_id", hash=pl.col("phash").str.to_integer(base=16, dtype=pl.UInt64))
    looks = hashes["hash"].unique().sort().to_numpy()
    views = [np.empty(0, np.uint64), *(view_hashes(known[name]) for name in sorted(known))]
    wanted, which = np.unique(np.concatenate(views), return_inverse=True)
    near = [pl.DataFrame(schema={"look": pl.Int64, "wanted": pl.Int64, "bits": pl.UInt8})]
    for look, at, bits in close_across(looks, wanted, _DISTANCE):
        near.append(pl.DataFrame({"look": look, "wanted": at, "bits": bits}))
    seen = pl.DataFrame({"wanted": which.astype(np.int64)}).with_row_index("place").cast(pl.Int64)
    nearest = (
        pl.concat(near)
        .join(seen, on="wanted")
        .select("look", "bits", known=pl.col("place") // VIEWS, view=pl.col("place") % VIEWS)
        .sort("look", "known", "bits", "view")
        .with_columns(turn=pl.col("view") // (VIEWS // TURNS))
        .unique(["look", "known", "turn"], keep="first", maintain_order=True)
    )
    look = hashes.join(pl.DataFrame({"hash": looks}).with_row_index("look").cast({"look": pl.Int64}), on="hash")
    return look.join(nearest, on="look").select("media_id", "known", "view")
