"""Rows that compare the same two completions under the same criterion, whichever of the two was chosen."""

from __future__ import annotations

import polars as pl


def clusters(pairs: pl.LazyFrame) -> pl.LazyFrame:
    """Ids per pair and the counts of its cluster: columns pair_id, cluster (its least pair_id), rows_for (rows
    (source, pair_id) with this label), rows_against (with the other one), and any_for and any_against (the same
    under any criterion).

    A completion's id holds its prompt and media, so two completion ids say what is compared.
    """
    chosen, rejected = pl.col("chosen_id"), pl.col("rejected_id")
    first = (chosen < rejected).alias("first")
    low, high = pl.when(first).then(chosen).otherwise(rejected), pl.when(first).then(rejected).otherwise(chosen)
    key = [low.alias("low"), high.alias("high"), first]
    rows = pl.len().cast(pl.Int32)
    labels = pairs.group_by("pair_id", "criterion", *key).agg(rows_for=rows)
    whole = labels.group_by("criterion", "low", "high").agg(
        cluster=pl.col("pair_id").min(), rows=pl.sum("rows_for")
    )
    sides = labels.group_by("low", "high").agg(
        pl.sum("rows_for").alias("any"), low_first=pl.col("rows_for").filter("first").sum()
    )
    any_for = pl.when("first").then("low_first").otherwise(pl.col("any") - pl.col("low_first"))
    both = labels.join(whole, on=["criterion", "low", "high"]).join(sides, on=["low", "high"])
    return both.select(
        "pair_id",
        "cluster",
        "rows_for",
        rows_against=pl.col("rows") - pl.col("rows_for"),
        any_for=any_for,
        any_against=pl.col("any") - any_for,
    )
