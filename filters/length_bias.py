"""Labels that follow length: a reward model learns "longer is better" before anything else.

`match` and `weight` make longer and shorter winners alike in number among pairs of alike length difference, so
that length alone says nothing about the label: `match` first by numbers, then by the weights that earlier rules
gave, `weight` by weights alone. A soft label s weighs 2s - 1 of a pair: under one half the other one won. Pairs of
equal length, or without text, stay as they are.

Each criterion of a source is balanced apart: of HH-RLHF's test pairs the longer one wins 60% in helpful-base and
45% in harmless-base, which together look like no bias at all.
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
from filters._strata import chars, words
from filters._tokens import tokens
from filters._votes import mean_margins

SIGNAL = pa.schema(
    [
        pa.field("pair_id", pa.string(), nullable=False),
        pa.field("chosen_chars", pa.int64(), nullable=False),
        pa.field("rejected_chars", pa.int64(), nullable=False),
        pa.field("chosen_words", pa.int64(), nullable=False),
        pa.field("rejected_words", pa.int64(), nullable=False),
        pa.field("chosen_tokens", pa.int64(), nullable=False),  # estimated: words, signs, single CJK characters
        pa.field("rejected_tokens", pa.int64(), nullable=False),
        pa.field("log_ratio", pa.float64()),  # ln(chosen / rejected characters); null when one has none
        # Mean over models of reward margin / that model's mean size of margins; null without rewards.
        pa.field("margin", pa.float64()),
    ]
)
_LENGTH = Measure("longer", "shorter", "log_ratio", "length_balance", b"length_bias")


class Rule(BaseModel, extra="forbid"):
    policy: Literal["match", "weight", "cap"] = Field(
        "match",
        description="match: drop from the larger side until as many longer as shorter ones win, at every length "
        "difference, first those that seed models hold wrong; weight: the same by sample weights; cap: only "
        "drop pairs over `ratio`",
    )
    unit: Literal["characters", "words", "tokens"] = Field(
        "characters",
        description="what lengths are counted in; words are runs between white space; tokens are estimated by "
        "words, signs, single Chinese, Japanese and Korean characters",
    )
    bins: int = Field(
        10, ge=1, le=1000, description="quantile bins of the length difference (fewer under 50 pairs a bin)"
    )
    per_source: bool = Field(
        True,
        description="match and weight inside each criterion of each source; false: over all, so that sources may "
        "offset each other",
    )
    max_dropped: float = Field(0.9, ge=0, le=1, description=MAX_DROPPED)
    ratio: float = Field(
        8.0, gt=1, allow_inf_nan=False, description="cap: largest ratio of the longer to the shorter length"
    )
    max_weight: float = Field(
        4.0, gt=1, allow_inf_nan=False, description="weight: weights lie between 1/max_weight and max_weight"
    )


def signal(pairs: pl.LazyFrame, rewards: pl.LazyFrame | None = None) -> pl.LazyFrame:
    lengths = pairs.select(
        "pair_id",
        chosen_chars=chars("chosen"),
        rejected_chars=chars("rejected"),
        chosen_words=words("chosen"),
        rejected_words=words("rejected"),
        chosen_tokens=tokens("chosen"),
        rejected_tokens=tokens("rejected"),
    ).unique()
    both = (pl.col("chosen_chars") > 0) & (pl.col("rejected_chars") > 0)
    ratio = pl.col("chosen_chars").log() - pl.col("rejected_chars").log()
    measured = lengths.with_columns(log_ratio=pl.when(both).then(ratio))
    if rewards is None:
        return measured.with_columns(margin=pl.lit(None, pl.Float64))
    return measured.join(mean_margins(pairs, rewards), on="pair_id", how="left")


def rule(survivors: pl.DataFrame, params: Rule) -> pl.DataFrame:
    """Drops `longer_wins_surplus`, `shorter_wins_surplus` or `length_ratio` (value: `log_ratio`), or weights
    `length_balance`. Of a surplus those go first whose label the mixture's seed models hold wrong, where they
    agree with labels at all; of the rest a keyed hash of the pair_id says which, the same ones in every run. Keeps
    `would_drop_too_many` where `max_dropped` says so.
    """
    rows = _measured(survivors, params.unit).filter(pl.min_horizontal("chosen", "rejected") > 0)
    texts = likelier(rows).with_columns(log_ratio=pl.col("chosen").log() - pl.col("rejected").log())
    if params.policy == "cap":
        over = texts.filter(pl.col("log_ratio").abs() > np.log(params.ratio))
        return decisions(over, "drop", "length_ratio", "log_ratio")
    made = balance(texts, _LENGTH, **params.model_dump(exclude={"unit", "ratio", "max_dropped"}))
    return spared(made, texts, params.per_source, params.max_dropped)


def report(frame: pl.DataFrame, by: Sequence[str] = ("source",), unit: str = "characters") -> pl.DataFrame:
    """What length alone says about the labels: `filters._balance.lean` with the share `longer_share`.

    `frame` has `by`, the signal's lengths in `unit` and what `lean` reads of weights and labels.
    """
    return lean(_measured(frame, unit), by, "longer_share")


def _measured(rows: pl.DataFrame, unit: str) -> pl.DataFrame:
    name = "chars" if unit == "characters" else unit
    return rows.with_columns(chosen=f"chosen_{name}", rejected=f"rejected_{name}")
