"""Labels that follow formatting: headings, lists, bold type and emoji win votes whatever they decorate.

The same rules as for length. `match` and `weight` make more and less formatted winners alike in number among pairs
whose formatting differs alike, inside each criterion of each source; pairs without a difference stay. Formatting
goes with length: apply this rule before `length_bias`, and look at both in the report.

What is inside code counts as code alone: a comment is no heading. Nor is `__init__`, a name, bold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import polars as pl
import pyarrow as pa
from pydantic import BaseModel, Field

from filters._balance import Measure, balance, lean
from filters._decisions import decisions
from filters._labels import likelier
from filters._spared import MAX_DROPPED, spared

_MARKS = {
    "headings": r"(?m)^ {0,3}#{1,6} ",
    "lists": r"(?m)^\s*(?:[-*+•]|\d{1,3}[.)])\s+\S",
    "bold": r"\*\*[^*\n]+\*\*|\b__[^_\n]*[^\w\n][^_\n]*__\b",  # one word alone is a name, as `__init__`
    "emoji": r"\p{Emoji_Presentation}|\p{Emoji}\x{FE0F}",
}
_FENCES = (rf"{sign}[^`\n]*\n(?s:.*?)(?:^[ \t]*{sign}[ \t\r]*$|\z)" for sign in ("```", "~~~"))
_BLOCK = rf"(?m)^[ \t]*(?:{'|'.join(_FENCES)})"  # one that is never closed goes to the end
_SPAN = r"``[^\n]+?``|`[^`\n]+`"
CODE = "code"
KINDS = (*_MARKS, CODE)
_SIDES = ("chosen", "rejected")

SIGNAL = pa.schema(
    [pa.field("pair_id", pa.string(), nullable=False)]
    + [pa.field(f"{side}_{kind}", pa.int64(), nullable=False) for side in _SIDES for kind in KINDS]
)
_FORMATTING = Measure("formatted", "plain", "log_ratio", "formatting_balance", b"formatting_bias")


class Rule(BaseModel, extra="forbid"):
    measure: Literal["all", "headings", "lists", "bold", "emoji", "code"] = Field(
        "all",
        description="what is counted in a completion: one kind of formatting, or all but code together: code "
        "is as often what was asked for",
    )
    policy: Literal["match", "weight", "cap"] = Field(
        "match",
        description="match: drop from the larger side until as many more as less formatted ones win, at every "
        "difference; weight: the same by sample weights; cap: only drop pairs over `ratio`",
    )
    bins: int = Field(
        10, ge=1, le=1000, description="quantile bins of the difference (fewer under 50 pairs a bin)"
    )
    per_source: bool = Field(
        True, description="match and weight inside each criterion of each source; false: over all"
    )
    max_dropped: float = Field(0.9, ge=0, le=1, description=MAX_DROPPED)
    ratio: float = Field(
        8.0, gt=1, allow_inf_nan=False, description="cap: largest ratio of the two counts, each plus one"
    )
    max_weight: float = Field(
        4.0, gt=1, allow_inf_nan=False, description="weight: weights lie between 1/max_weight and max_weight"
    )


def signal(pairs: pl.LazyFrame) -> pl.LazyFrame:
    """How many headings, list items, bold spans and emoji all messages of both completions have outside of code,
    and how many blocks and spans of code."""
    text = pl.element().struct.field("content")
    prose = text.str.replace_all(_BLOCK, "\n")
    counts = {kind: prose.str.replace_all(_SPAN, "`").str.count_matches(mark) for kind, mark in _MARKS.items()}
    counts[CODE] = text.str.count_matches(_BLOCK) + prose.str.count_matches(_SPAN)
    found = {f"{side}_{kind}": pl.col(side).list.eval(count) for side in _SIDES for kind, count in counts.items()}
    return pairs.select(
        "pair_id", **{name: each.list.sum().cast(pl.Int64) for name, each in found.items()}
    ).unique()


def rule(survivors: pl.DataFrame, params: Rule) -> pl.DataFrame:
    """Drops `formatted_wins_surplus`, `plain_wins_surplus` or `formatting_ratio` (value: log ratio of the counts,
    each plus one), or weights `formatting_balance`. Which pairs of a surplus go is a keyed hash of the pair_id.
    Keeps `would_drop_too_many` where `max_dropped` says so.
    """
    rows = likelier(measured(survivors, params.measure))
    rows = rows.with_columns(log_ratio=(pl.col("chosen") + 1).log() - (pl.col("rejected") + 1).log())
    if params.policy == "cap":
        over = rows.filter(pl.col("log_ratio").abs() > np.log(params.ratio))
        return decisions(over, "drop", "formatting_ratio", "log_ratio")
    made = balance(rows, _FORMATTING, **params.model_dump(exclude={"ratio", "measure", "max_dropped"}))
    return spared(made, rows, params.per_source, params.max_dropped)


def report(frame: pl.DataFrame, by: Sequence[str] = ("source",), measure: str = "all") -> pl.DataFrame:
    """What formatting alone says about the labels: `filters._balance.lean` with the share `formatted_share`.

    `frame` has `by`, the signal's counts and what `lean` reads of weights and labels.
    """
    return lean(measured(frame, measure), by, "formatted_share")


def measured(rows: pl.DataFrame, measure: str) -> pl.DataFrame:
    """Rows with what `measure` counts of the completions in columns `chosen` and `rejected`."""
    kinds = list(_MARKS) if measure == "all" else [measure]
    return rows.with_columns(**{side: pl.sum_horizontal(f"{side}_{kind}" for kind in kinds) for side in _SIDES})
