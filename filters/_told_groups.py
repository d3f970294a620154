"""Groups that a dataset names itself: the tree of a step, the post of a comment, the question of an answer."""

from __future__ import annotations

import numpy as np
import polars as pl

from filters._similar import least_reached

NAMED = pl.col("extra").str.contains('"group":', literal=True)  # rows whose source may name one


def joined(rows: pl.LazyFrame) -> pl.DataFrame:
    """The groups that belong to a lesser one, as one source gives both one name: group_id, and first, the least id
    of all those that chains of names lead to.

    `rows` are the source, the JSON `extra` with its key `group`, and the group_id so far. Holds an id for every
    group of a name that has several.
    """
    name = pl.col("extra").str.json_path_match("$.group")
    named = rows.select("source", "group_id", name=name).drop_nulls("name").unique()
    shared = named.with_columns(first=pl.col("group_id").min().over("source", "name"))
    edges = shared.filter(pl.col("first") != pl.col("group_id")).select("group_id", "first").unique().collect()
    ids = pl.concat([edges["group_id"], edges["first"]]).unique().sort()
    left, right = (ids.search_sorted(edges[column]).to_numpy() for column in ("group_id", "first"))
    least = least_reached(np.arange(len(ids)), left, right)
    groups = pl.DataFrame({"group_id": ids, "first": ids.gather(least)})
    return groups.filter(pl.col("group_id") != pl.col("first"))
