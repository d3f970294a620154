"""What a rule returns: one row for every pair it touches. A pair without a row stays as it is, and so does one
with the action keep, whose reason says why the rule would not judge it."""

from __future__ import annotations

import polars as pl

from pairs.errors import PrefmillError, shown

ACTIONS = ("drop", "flip", "soften", "weight", "keep")
# `value`: the probability that the chosen one is better (soften), a factor on the sample weight (weight), else
# what the rule saw. `by`: the pair that stays instead, or that contradicts.
DECISIONS = pl.Schema(
    {
        "source": pl.String,
        "pair_id": pl.String,
        "action": pl.String,
        "reason": pl.String,
        "value": pl.Float64,
        "by": pl.String,
    }
)
KEY = ("source", "pair_id")


def decisions(
    rows: pl.DataFrame, action: str, reason: str | pl.Expr, value: str | None = None, by: str | None = None
) -> pl.DataFrame:
    """One decision per row of `rows`; `value` and `by` name the columns they are taken from."""
    return rows.select(
        *KEY,
        pl.lit(action).alias("action"),
        (pl.lit(reason) if isinstance(reason, str) else reason).alias("reason"),
        (pl.lit(None) if value is None else pl.col(value)).cast(pl.Float64).alias("value"),
        (pl.lit(None) if by is None else pl.col(by)).cast(pl.String).alias("by"),
    )


def checked(made: pl.DataFrame, survivors: pl.DataFrame, name: str) -> pl.DataFrame:
    """The decisions as made, or `PrefmillError` when a rule broke its contract."""
    if made.schema != DECISIONS:
        raise PrefmillError(f"filters/{name}.py: rule returned {made.schema}, expected {DECISIONS}")
    number = pl.col("value")
    bad = {
        f"an action other than {', '.join(ACTIONS)}": ~pl.col("action").is_in(ACTIONS),
        "no reason in snake_case": ~pl.col("reason").str.contains(r"^[a-z][a-z0-9_]*$").fill_null(False),
        "a value that is not finite": ~number.is_finite().fill_null(True),
        "a soft label outside 0 to 1": (pl.col("action") == "soften") & ~number.is_between(0, 1).fill_null(False),
        "a weight that is not above 0": (pl.col("action") == "weight") & ~(number > 0).fill_null(False),
        "a second decision on one pair": pl.struct(KEY).is_duplicated(),
    }
    for what, where in bad.items():
        _refuse(made.filter(where), what, name)
    _refuse(made.join(survivors, on=KEY, how="anti"), "a pair that it was not given", name)
    return made


def _refuse(wrong: pl.DataFrame, what: str, name: str) -> None:
    if wrong.height:
        raise PrefmillError(f"filters/{name}.py: rule returned {what}: {shown(wrong.row(0), 200)}; mend the rule")
