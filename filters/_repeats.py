"""Of alike pairs the first stays: which one that is, and what near-duplicates of texts and of pictures share."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from filters._decisions import decisions
from filters._similar import first_kept

PRIORITY = "sources in the order in which their pairs stay, before the others, which follow in the recipe's order"

ACROSS_CRITERIA = (
    "also drop a pair whose earlier like, in another source, has another criterion but prefers the same side; "
    "what one source says under several criteria stays together"
)


def rank(priority: Sequence[str]) -> pl.Expr:
    """Place of a survivor's source (Int64): those in `priority` first, in that order, then the recipe's order."""
    return pl.coalesce(
        pl.col("source").replace_strict(list(priority), range(len(priority)), default=None, return_dtype=pl.Int64),
        pl.col("source_order").cast(pl.Int64) + len(priority),
    )


def by_priority(survivors: pl.DataFrame, priority: Sequence[str]) -> pl.DataFrame:
    """Survivors in the order in which they stay."""
    return survivors.sort(rank(priority), "source", "pair_id") if priority else survivors


def same_question(across_criteria: bool) -> pl.Expr:
    """Whether one of two alike rows may stand for the other: `source` and `criterion`, and those of the other row
    as `source_right` and `criterion_right`.

    Sources name their criteria as they like, so across sources a name tells little. Within one source two
    criteria are two findings.
    """
    same = pl.col("criterion") == pl.col("criterion_right")
    return same | (pl.col("source") != pl.col("source_right")) if across_criteria else same


def repeats(
    rows: pl.DataFrame, heads: pl.DataFrame, edges: pl.DataFrame, reason: str, equal: float
) -> pl.DataFrame:
    """Drops every row that is alike an earlier one that stays; `by` is that one.

    `rows` has source, pair_id, form and place, 0 and on; `heads` are the first rows of each form, `edges` join the
    places of alike heads: left < right, value. Rows of one form are equal, and their value is `equal`.
    """
    why = first_kept(edges["left"].to_numpy(), edges["right"].to_numpy(), rows.height)
    fates = (
        heads.select("form", head="place", edge=pl.Series(why).gather(heads["place"]))
        .join(edges.with_columns(edge=pl.int_range(pl.len())), on="edge", how="left")
        .with_columns(stays=pl.coalesce("left", "head"), value=pl.coalesce("value", equal))
    )
    gone = rows.select("source", "pair_id", "form", "place").join(fates, on="form", maintain_order="left")
    gone = gone.filter((pl.col("edge") >= 0) | (pl.col("place") != pl.col("head")))
    return decisions(gone.with_columns(by=rows["pair_id"].gather(gone["stays"])), "drop", reason, "value", "by")
