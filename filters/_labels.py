"""Labels as the rules before have left them: kept, flipped or soft."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl


def right(columns: Collection[str]) -> pl.Expr:
    """The probability, 0 to 1, that the one the source chose is better, as a trainer will be told: `soft_label`,
    and without one 0 where a rule has `flipped` the pair, else 1. Those of the two that `columns` names count."""
    soft = pl.col("soft_label") if "soft_label" in columns else pl.lit(None, pl.Float64)
    hard = 1.0 - pl.col("flipped").cast(pl.Float64) if "flipped" in columns else pl.lit(1.0)
    return pl.coalesce(soft, hard)


def likelier(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows turned to the likelier label, with `weight` (null: 1) times what is left of it.

    Where the probability s of the label is under one half, `chosen` and `rejected` change places, and `margin`, if
    there is one, its sign. |2s - 1| of the weight is left: a soft label pulls two equal rewards apart by 2s - 1 of
    what a hard one does. Pairs of which nothing is left are out.
    """
    told, turned = right(rows.columns), pl.col("right") < 0.5
    weight = pl.col("weight").fill_null(1.0) if "weight" in rows.columns else pl.lit(1.0)
    swapped = {one: pl.when(turned).then(other).otherwise(one)
               for one, other in (("chosen", "rejected"), ("rejected", "chosen"))}  # fmt: skip
    if "margin" in rows.columns:
        swapped["margin"] = pl.when(turned).then(-pl.col("margin")).otherwise("margin")
    strength = (2 * pl.col("right") - 1).abs()
    made = rows.with_columns(right=told).with_columns(weight=weight * strength, **swapped)
    return made.filter(pl.col("weight") > 0).drop("right")
