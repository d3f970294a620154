"""Labels that follow length: a reward model learns "longer is better" before anything else.

`match` and `weight` make longer and shorter winners alike in number among pairs of alike length difference, so
that length alone says nothing about the label. Pairs of equal length, or without text, stay as they are.

Each criterion of a source is balanced apart: of HH-RLHF's test pairs the longer one wins 60% in helpful-base and
45% in harmless-base, which together look like no bias at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
import polars as pl
import pyarrow as pa
from pydantic import BaseModel, Field

from filters._decisions import DECISIONS, decisions
from filters._strata import bounded_weights, chars, strata, words

SIGNAL = pa.schema(
    [
        pa.field("pair_id", pa.string(), nullable=False),
        pa.field("chosen_chars", pa.int64(), nullable=False),
        pa.field("rejected_chars", pa.int64(), nullable=False),
        pa.field("chosen_words", pa.int64(), nullable=False),
        pa.field("rejected_words", pa.int64(), nullable=False),
        pa.field("log_ratio", pa.float64()),  # ln(chosen / rejected characters); null when one has none
    ]
)
_DIFFERENCE = pl.col("chosen_chars") - pl.col("rejected_chars")


class Rule(BaseModel, extra="forbid"):
    policy: Literal["match", "weight", "cap"] = Field(
        "match",
        description="match: drop from the larger side until as many longer as shorter ones win, at every length "
        "difference; weight: the same by sample weights; cap: only drop pairs over `ratio`",
    )
    bins: int = Field(
        10, ge=1, le=1000, description="quantile bins of the length difference (fewer under 50 pairs a bin)"
    )
    per_source: bool = Field(
        True,
        description="match and weight inside each criterion of each source; false: over all, so that sources may "
        "offset each other",
    )
    ratio: float = Field(
        8.0, gt=1, allow_inf_nan=False, description="cap: largest ratio of the longer to the shorter length"
    )
    max_weight: float = Field(
        4.0, gt=1, allow_inf_nan=False, description="weight: weights lie between 1/max_weight and max_weight"
    )


def signal(pairs: pl.LazyFrame) -> pl.LazyFrame:
    lengths = pairs.select(
        "pair_id",
        chosen_chars=chars("chosen"),
        rejected_chars=chars("rejected"),
        chosen_words=words("chosen"),
        rejected_words=words("rejected"),
    ).unique()
    both = (pl.col("chosen_chars") > 0) & (pl.col("rejected_chars") > 0)
    ratio = pl.col("chosen_chars").log() - pl.col("rejected_chars").log()
    return lengths.with_columns(log_ratio=pl.when(both).then(ratio))


def rule(survivors: pl.DataFrame, params: Rule) -> pl.DataFrame:
    """Drops `longer_wins_surplus`, `shorter_wins_surplus` or `length_ratio` (value: `log_ratio`), or weights
    `length_balance`. Which pairs of a surplus go is a keyed hash of the pair_id: the same ones in every run.
    """
    texts = as_published(survivors.filter(pl.col("log_ratio").is_not_null()))
    if params.policy == "cap":
        over = texts.filter(pl.col("log_ratio").abs() > np.log(params.ratio))
        return decisions(over, "drop", "length_ratio", "log_ratio")
    texts = texts.with_columns(longer=_DIFFERENCE > 0)
    parts = texts.partition_by("source", "criterion", maintain_order=True) if params.per_source else [texts]
    made = [_weighted(part, params) if params.policy == "weight" else _matched(part, params) for part in parts]
    return pl.concat([DECISIONS.to_frame(), *made])


def as_published(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows whose pair an earlier rule has flipped (column `flipped`), with the lengths swapped too."""
    turned = pl.col("flipped")
    return rows.with_columns(
        chosen_chars=pl.when(turned).then("rejected_chars").otherwise("chosen_chars"),
        rejected_chars=pl.when(turned).then("chosen_chars").otherwise("rejected_chars"),
        log_ratio=pl.when(turned).then(-pl.col("log_ratio")).otherwise("log_ratio"),
    )


def _stratified(part: pl.DataFrame, bins: int) -> pl.DataFrame:
    unequal = part.filter(_DIFFERENCE != 0)
    gaps = unequal.select(_DIFFERENCE.abs()).to_series().to_numpy()
    side = pl.len().over("stratum", "longer")
    return unequal.with_columns(stratum=pl.Series(strata(gaps, bins))).with_columns(
        side=side, other=pl.len().over("stratum") - side
    )


def _matched(part: pl.DataFrame, params: Rule) -> pl.DataFrame:
    rows = _stratified(part, params.bins)
    keys = [hashlib.blake2b(pair_id.encode(), key=b"length_bias").digest() for pair_id in rows["pair_id"]]
    place = pl.col("pair_id").cum_count().over("stratum", "longer")
    surplus = (
        rows.with_columns(key=pl.Series(keys, dtype=pl.Binary))
        .sort("key", "source")
        .filter(place > pl.col("other"))
    )
    winner = pl.when("longer").then(pl.lit("longer")).otherwise(pl.lit("shorter"))
    return decisions(surplus, "drop", winner + pl.lit("_wins_surplus"), "log_ratio")


def _weighted(part: pl.DataFrame, params: Rule) -> pl.DataFrame:
    raw = (pl.col("side") + pl.col("other")) / (2 * pl.col("side"))
    unequal = _stratified(part, params.bins).with_columns(weight=raw)
    equal = part.filter(_DIFFERENCE == 0).with_columns(weight=1.0)
    rows = pl.concat([unequal, equal], how="diagonal")
    weights = bounded_weights(rows["weight"].to_numpy(), params.max_weight)
    return decisions(rows.with_columns(weight=weights), "weight", "length_balance", "weight")


def report(frame: pl.DataFrame, by: Sequence[str] = ("source",)) -> pl.DataFrame:
    """What length alone says about the labels, per value of the columns `by`, sorted by them.

    `frame` has `by`, chosen_chars, rejected_chars and, where pairs count unequally, weight (null = 1). Columns:
    `by`, pairs, longer_share (of the weight, equal lengths counting half) and auc: show every pair in both
    orders, once with the chosen one first; `auc` is the probability that a showing with the chosen one first has a
    larger length difference (first less second) than a showing with the chosen one second, draws apart, ties half.
    """
    weight = pl.col("weight").fill_null(1.0) if "weight" in frame.columns else pl.lit(1.0)
    rows = frame.select(*by, difference=_DIFFERENCE, weight=weight).sort(*by, "difference", "weight")
    out = [
        {
            **dict(zip(by, values, strict=True)),
            "pairs": part.height,
            "longer_share": float(np.average((np.sign(part["difference"]) + 1) / 2, weights=part["weight"])),
            "auc": _auc(part["difference"].to_numpy(), part["weight"].to_numpy()),
        }
        for values, part in rows.group_by(by, maintain_order=True)
    ]
    figures = {"pairs": pl.Int64(), "longer_share": pl.Float64(), "auc": pl.Float64()}
    return pl.DataFrame(out, schema={**rows.select(by).schema, **figures})


def _auc(differences: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(-differences, kind="stable")
    mirrored = -differences[order]
    below = np.concatenate([[0.0], np.cumsum(weights[order])])
    strictly = below[np.searchsorted(mirrored, differences, side="left")]
    at_most = below[np.searchsorted(mirrored, differences, side="right")]
    return float((weights * (strictly + at_most)).sum() / 2 / weights.sum() ** 2)
