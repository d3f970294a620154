"""Who may judge which labels: the models' margins on pairs, and how far each agrees with the labels."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from filters._calibration import wilson_low


def not_opposed(survivors: pl.DataFrame) -> pl.DataFrame:
    """Without the pairs whose completions another criterion orders the other way round."""
    turned = survivors.select(chosen_id="rejected_id", rejected_id="chosen_id", other="criterion").unique()
    opposed = survivors.join(turned, on=["chosen_id", "rejected_id"]).filter(
        pl.col("criterion") != pl.col("other")
    )
    return survivors.join(opposed, on=["source", "pair_id"], how="anti")


def votes(rows: pl.DataFrame) -> pl.DataFrame:
    """`pair_id, model, margin` of each model that scored a pair, from the signal's column `margins`."""
    return rows.select("pair_id", "margins").explode("margins").unnest("margins").drop_nulls()


def trusts(each: pl.DataFrame) -> dict[str, float]:
    """Per model of `votes` the share of labels it agrees with: the lower end of the 95% Wilson interval."""
    agreement = (pl.col("margin").sign() + 1).mean() / 2
    found = each.group_by("model").agg(pl.len(), agreement=agreement).sort("model")
    return {model: wilson_low(share, count) for model, count, share in found.iter_rows()}


def named(beginnings: Sequence[str]) -> pl.Expr:
    """Votes of the models whose names begin so."""
    return pl.any_horizontal(pl.lit(False), *(pl.col("model").str.starts_with(name) for name in beginnings))
