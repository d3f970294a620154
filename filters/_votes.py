"""Who may judge which labels: the models' margins on pairs, and how far each agrees with the labels."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from filters._calibration import wilson_low

# How the names of the two kinds of the embedded model begin: `rewards.dynamics` and `rewards.embedded.cross_fit`.
TAUGHT, UNSEEN = "dynamics", "cross-fit"


def margins(pairs: pl.LazyFrame, rewards: pl.LazyFrame) -> pl.LazyFrame:
    """`pair_id, model, margin` (reward of the chosen less that of the rejected) of each model that gave both
    completions of a pair a finite reward; one that is not finite counts as none."""
    asked = pairs.select("pair_id", "chosen_id", "rejected_id").unique()
    known = once(rewards)
    return (
        asked.join(known, left_on="chosen_id", right_on="completion_id")
        .join(known, left_on=["rejected_id", "model"], right_on=["completion_id", "model"])
        .select("pair_id", "model", margin=pl.col("reward") - pl.col("reward_right"))
    )


def once(rewards: pl.LazyFrame) -> pl.LazyFrame:
    """`model, completion_id, reward` (float64) of the finite rewards, each model and completion once.

    Two runs at a time may both have scored a completion, with other roundings: the least of their rewards counts.
    """
    finite = rewards.filter(pl.col("reward").is_finite())
    return finite.group_by("model", "completion_id").agg(pl.col("reward").min().cast(pl.Float64))


def mean_margins(pairs: pl.LazyFrame, rewards: pl.LazyFrame) -> pl.LazyFrame:
    """`pair_id, margin`: the mean over models of their margins, each in units of its own mean size."""
    scaled = margins(pairs, rewards).with_columns(
        pl.col("margin") / pl.col("margin").sort_by("pair_id").abs().mean().over("model")
    )
    # Sums of floats depend on their order: the ids and the models' names fix it.
    told = scaled.filter(pl.col("margin").is_finite()).group_by("pair_id")
    return told.agg(pl.col("margin").sort_by("model").mean())


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
    """Per model of `votes` the share of labels it agrees with: the lower end of the 95% Wilson interval.

    A model that was taught these labels agrees with any, random ones as well: its share is 0 unless one of its
    kind that was not (`UNSEEN`) agrees with more than half of them, chance aside.
    """
    agreement = (pl.col("margin").sign() + 1).mean() / 2
    found = each.group_by("model").agg(pl.len(), agreement=agreement).sort("model")
    shares = {model: wilson_low(share, count) for model, count, share in found.iter_rows()}
    sound = any(share > 0.5 for model, share in shares.items() if model.startswith(UNSEEN))
    return {model: 0.0 if model.startswith(TAUGHT) and not sound else share for model, share in shares.items()}


def mean_votes(each: pl.DataFrame) -> pl.DataFrame:
    """`pair_id, margin`, sorted: the mean over the models of `votes`."""
    ordered = each.sort("pair_id", "model")
    return ordered.group_by("pair_id", maintain_order=True).agg(pl.col("margin").mean())


def untaught(each: pl.DataFrame) -> pl.DataFrame:
    """The votes of models that were not taught the labels they judge."""
    return each.filter(~pl.col("model").str.starts_with(TAUGHT))


def named(beginnings: Sequence[str]) -> pl.Expr:
    """Votes of the models whose names begin so."""
    return pl.any_horizontal(pl.lit(False), *(pl.col("model").str.starts_with(name) for name in beginnings))
