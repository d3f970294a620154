"""How far each seed model is to be believed in each source and modality: its agreement with the labels there."""

from __future__ import annotations

import polars as pl

from filters._calibration import wilson_low

TRUST = {
    "model": pl.String, "source": pl.String, "modality": pl.String, "pairs": pl.Int64,
    "agreement": pl.Float64, "low": pl.Float64, "high": pl.Float64,
}  # fmt: skip
_CELL = ("model", "source", "modality")


def trust(pairs: pl.LazyFrame, rewards: pl.LazyFrame) -> pl.DataFrame:
    """Per model, source and modality, sorted: pairs with both rewards, the share of them where the chosen one has
    the higher reward (a tie counts half) and Wilson's 95% interval of it (Wilson 1927).

    An outside model is measured as it is, a cross-fitted one on pairs that its judge never saw. Training dynamics
    have seen the labels: their agreement says how well they learned, not how far they are to be believed.
    """
    margins = _margins(pairs, rewards)
    agree = (pl.col("margin").sign() + 1) / 2
    counted = (
        margins.group_by(_CELL).agg(pairs=pl.len().cast(pl.Int64), agreement=agree.mean()).sort(_CELL).collect()
    )
    cells = list(zip(counted["agreement"], counted["pairs"], strict=True))
    return counted.with_columns(
        low=pl.Series([wilson_low(share, count) for share, count in cells], dtype=pl.Float64),
        high=pl.Series([1 - wilson_low(1 - share, count) for share, count in cells], dtype=pl.Float64),
    ).cast(TRUST)  # type: ignore[arg-type]


def trusted(pairs: pl.LazyFrame, rewards: pl.LazyFrame, least: float) -> pl.LazyFrame:
    """The rewards of each model without those of completions that occur only where the lower end of its agreement
    is under `least`: there the model has no vote, and a rule without votes leaves a pair alone."""
    cells = trust(pairs, rewards).filter(pl.col("low") >= least).select(_CELL)
    held = pl.concat(
        [
            pairs.select("source", "modality", pl.col(side).alias("completion_id"))
            for side in ("chosen_id", "rejected_id")
        ]
    )
    believed = held.join(cells.lazy(), on=["source", "modality"]).select("model", "completion_id").unique()
    return rewards.join(believed, on=["model", "completion_id"], how="semi")


def _margins(pairs: pl.LazyFrame, rewards: pl.LazyFrame) -> pl.LazyFrame:
    """`model, source, modality, margin` of each pair that a model scored whole."""
    known = rewards.select("model", "completion_id", pl.col("reward").cast(pl.Float64))
    return (
        pairs.select("source", "modality", "chosen_id", "rejected_id")
        .join(known, left_on="chosen_id", right_on="completion_id")
        .join(known, left_on=["rejected_id", "model"], right_on=["completion_id", "model"])
        .select(*_CELL, margin=pl.col("reward") - pl.col("reward_right"))
    )
