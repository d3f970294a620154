"""Rows that compare the same two completions under the same criterion, whichever of the two was chosen."""

from __future__ import annotations

import polars as pl


def clusters(pairs: pl.LazyFrame) -> pl.LazyFrame:
    """Ids per pair and the counts of its cluster: columns pair_id, cluster (its least pair_id), rows_for (rows
    (source, pair_id) with this label) and rows_against (with the other one).

    A completion's id holds its prompt and media, so two completion ids say what is compared.
    """
    chosen, rejected = pl.col("chosen_id"), pl.col("rejected_id")
    first = chosen < rejected
    key = [
        pl.col("criterion"),
        pl.when(first).then(chosen).otherwise(rejected).alias("low"),
        pl.when(first).then(rejected).otherwise(chosen).alias("high"),
    ]
    labels = pairs.group_by("pair_id", *key).agg(pl.len().cast(pl.Int32).alias("rows_for"))
    whole = labels.group_by("criterion", "low", "high").agg(
        pl.col("pair_id").min().alias("cluster"), pl.col("rows_for").sum().alias("rows")
    )
    return labels.join(whole, on=["criterion", "low", "high"], nulls_equal=True).select(
        "pair_id", "cluster", "rows_for", (pl.col("rows") - pl.col("rows_for")).alias("rows_against")
    )
