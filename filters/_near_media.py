"""Prompts with the same words over pictures that look alike."""

from __future__ import annotations

import numpy as np
import polars as pl

from filters._pictures import known_hashes, near_hashes
from filters._similar import least_reached


def looks(media: pl.LazyFrame, shown: pl.LazyFrame, distance: int) -> pl.DataFrame:
    """Pictures of `shown` (media_id) that look like others there, in at most `distance` bits of 64: media_id,
    look, the least media_id of all those that chains of near hashes lead to, and hash (UInt64); sorted. Flat
    pictures, which have no hash, are left out. Of a chain the ends may look apart.
    """
    hashes = known_hashes(media.join(shown, on="media_id", how="semi")).drop_nulls("hash")
    forms = hashes.group_by("hash").agg(pl.col("media_id").min().alias("look")).sort("look")
    left, right, _ = near_hashes(forms["hash"].to_numpy(), distance)
    least = least_reached(np.arange(forms.height), left, right)
    alike = forms.select("hash", look=pl.col("look").gather(least))
    joined = hashes.join(alike, on="hash").select("media_id", "look", "hash")
    return joined.filter(pl.len().over("look") > 1).sort("media_id")


def merged(edges: pl.DataFrame) -> pl.DataFrame:
    """Of `edges` (group_id, first: ids of one group) the ids that are not the least of their group: group_id, and
    first, the least id that chains of edges lead to.
    """
    ids = pl.concat([edges["group_id"], edges["first"]]).unique().sort()
    place = pl.DataFrame({"group_id": ids}).with_row_index("place").cast({"place": pl.Int64})
    left, right = (
        edges.select(group_id=side)
        .join(place, on="group_id", how="left", maintain_order="left")["place"]
        .to_numpy()
        for side in ("group_id", "first")
    )
    first = ids.gather(least_reached(np.arange(len(ids)), left, right))
    return pl.DataFrame({"group_id": ids, "first": first}).filter(pl.col("group_id") != pl.col("first"))
