"""Groups that a dataset names itself: the tree of a step, the post of a comment, the question of an answer."""

from __future__ import annotations

import polars as pl

NAMED = pl.col("extra").str.contains('"group":', literal=True)  # rows whose source may name one


def named(rows: pl.LazyFrame) -> pl.DataFrame:
    """group_id, first: the ids of prompts to which one source gives one name, and the least of these.

    `rows` are the source, the JSON `extra` with its key `group`, and the group_id so far.
    """
    name = pl.col("extra").str.json_path_match("$.group")
    told = rows.select("source", "group_id", name=name).drop_nulls("name").unique()
    return told.select("group_id", first=pl.col("group_id").min().over("source", "name")).unique().collect()
