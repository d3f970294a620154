"""How far each seed model is to be believed in each source and modality: its agreement with labels there."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from filters._calibration import wilson_low
from filters._votes import once

TRUST = {
    "model": pl.String, "source": pl.String, "modality": pl.String, "measured_on": pl.String, "pairs": pl.Int64,
    "agreement": pl.Float64, "low": pl.Float64, "high": pl.Float64,
}  # fmt: skip
_CELL = ("model", "source", "modality")
_SIDES = ["chosen_id", "rejected_id"]


def trust(
    pairs: pl.LazyFrame, rewards: pl.LazyFrame, gold: pl.LazyFrame | None, learned: Mapping[str, str]
) -> pl.DataFrame:
    """Per model, source and modality, sorted: pairs with both rewards, the share of them where the better one has
    the higher reward (a tie counts half) and Wilson's 95% interval of it (Wilson 1927).

    `measured_on` says which one is the better. `gold`: the verified one (`gold` holds `chosen_id, rejected_id`,
    the better one first), in every source and modality that holds a gold pair, whatever its label there. `labels`:
    the chosen one. That says nothing of a model that has learned these labels, a key of `learned`: it is believed
    as far as the model that `learned` names, which is of its kind but was never shown what it judges
    (`cross-fit`), or not at all where that one judged nothing.
    """
    by_label = _counted(pairs, rewards).with_columns(measured_on=pl.lit("labels"))
    twins = pl.DataFrame({"model": list(learned), "twin": list(learned.values())}, schema=["model", "twin"])
    twins = twins.cast(pl.String)
    own = by_label.join(twins, on="model", how="left").filter(pl.col("twin").is_null()).drop("twin")
    taught = (
        by_label.select(_CELL)
        .join(twins, on="model")
        .join(own.rename({"model": "twin"}), on=["twin", "source", "modality"], how="left")
        .with_columns(pl.col("pairs").fill_null(0), measured_on=pl.lit("cross-fit"))
    )
    found = pl.concat([own, taught.select(own.columns)])
    if gold is not None:
        verified = _counted(_verified(pairs, gold), rewards).with_columns(measured_on=pl.lit("gold"))
        cells = verified.select("source", "modality").unique()
        found = pl.concat([verified, found.join(cells, on=["source", "modality"], how="anti")])
    return _with_interval(found).select(list(TRUST)).cast(TRUST).sort(_CELL)  # type: ignore[arg-type]


def _with_interval(found: pl.DataFrame) -> pl.DataFrame:
    cells = [
        (None, None) if share is None else (wilson_low(share, count), 1 - wilson_low(1 - share, count))
        for share, count in found.select("agreement", "pairs").iter_rows()
    ]
    ends = pl.DataFrame(cells, schema={"low": pl.Float64, "high": pl.Float64}, orient="row")
    return found.hstack(ends)


def trusted(pairs: pl.LazyFrame, rewards: pl.LazyFrame, cells: pl.DataFrame, least: float) -> pl.LazyFrame:
    """The rewards of each model without those of completions that occur only where the lower end of its agreement
    (`cells`: as from `trust`) is under `least` or unknown: there the model has no vote, and a rule without votes
    leaves a pair alone."""
    held = pl.concat([pairs.select("source", "modality", pl.col(side).alias("completion_id")) for side in _SIDES])
    believed = cells.lazy().filter(pl.col("low") >= least).select(_CELL)
    votes = held.join(believed, on=["source", "modality"]).select("model", "completion_id").unique()
    return rewards.join(votes, on=["model", "completion_id"], how="semi")


def _verified(pairs: pl.LazyFrame, gold: pl.LazyFrame) -> pl.LazyFrame:
    """The pairs that `gold` holds in either order, with the better one as the chosen one."""
    columns = ["source", "modality", *_SIDES]
    known = gold.select(_SIDES).unique()
    turned = pairs.rename({"chosen_id": "rejected_id", "rejected_id": "chosen_id"})
    both = [side.select(columns).join(known, on=_SIDES, how="semi") for side in (pairs, turned)]
    return pl.concat(both)


def _counted(pairs: pl.LazyFrame, rewards: pl.LazyFrame) -> pl.DataFrame:
    """`model, source, modality, pairs, agreement` over the pairs that a model scored whole."""
    known = once(rewards)
    margins = (
        pairs.select("source", "modality", *_SIDES)
        .join(known, left_on="chosen_id", right_on="completion_id")
        .join(known, left_on=["rejected_id", "model"], right_on=["completion_id", "model"])
        .select(*_CELL, margin=pl.col("reward") - pl.col("reward_right"))
    )
    agree = (pl.col("margin").sign() + 1) / 2
    return margins.group_by(_CELL).agg(pairs=pl.len().cast(pl.Int64), agreement=agree.mean()).sort(_CELL).collect()
