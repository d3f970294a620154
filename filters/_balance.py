"""Labels that lean on a measure of the completions: what it alone says about them, and rules that take it out.

Length and formatting are balanced in the same way: columns `chosen` and `rejected` hold the measure of the two
completions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from filters._calibration import length_share, wilson_low
from filters._decisions import DECISIONS, decisions
from filters._labels import right
from filters._strata import bounded_weights, lean_auc, strata

DIFFERENCE = pl.col("chosen") - pl.col("rejected")


@dataclass(frozen=True)
class Measure:
    """How decisions about one measure are named. `larger` and `smaller` say who wins, `value` is the column that
    the ledger keeps, `weighed` the reason of weights, `key` draws which pairs of a surplus go."""

    larger: str
    smaller: str
    value: str
    weighed: str
    key: bytes


def matched(part: pl.DataFrame, bins: int, measure: Measure) -> pl.DataFrame:
    """Drops from the side that holds more pairs until both hold as many, in each stratum of the size of the
    difference, and undoes what earlier weights make of that: a trainer that honours weights and one that ignores
    them see the same balance.

    `part` has source, pair_id, chosen, rejected, larger, weight and `measure.value`. Where it has `margin`, those
    that seed models hold `_wrong` go first; a keyed hash of the pair_id draws the rest. (By the size of the margin
    the hard but right pairs would go: where the larger side is truly better that costs more than drawing.)
    """
    rows = _stratified(part.with_columns(wrong=_wrong(part), each=pl.lit(1.0)), bins, "each")
    keys = [hashlib.blake2b(pair_id.encode(), key=measure.key).digest() for pair_id in rows["pair_id"]]
    upto = pl.col("each").cum_sum().over("stratum", "larger")
    ranked = rows.with_columns(key=pl.Series(keys, dtype=pl.Binary)).sort("wrong", "key", "source")
    surplus = upto > pl.col("other")
    winner = pl.when("larger").then(pl.lit(measure.larger)).otherwise(pl.lit(measure.smaller))
    drops = decisions(ranked.filter(surplus), "drop", winner + pl.lit("_wins_surplus"), measure.value)
    # A side of a stratum weighs what its pairs weighed on average in the whole part.
    usual = part.select(pl.col("weight").mean()).item()
    factor = usual / pl.col("weight").mean().over("stratum", "larger")
    evened = ranked.filter(~surplus).sort("source", "pair_id").with_columns(factor=factor)
    told = evened.filter((pl.col("factor") - 1).abs() > 1e-9)
    return pl.concat([drops, decisions(told, "weight", measure.weighed, "factor")])


def _wrong(part: pl.DataFrame) -> pl.Series:
    """Whether seed models hold a pair's label wrong, were both completions of one length: its margin less what the
    difference alone predicts of it is below 0. Nobody's is where such margins do not agree with more than half of
    the labels (lower end of Wilson's 95% interval)."""
    nobody = pl.repeat(False, part.height, eager=True)
    known = part["margin"].is_not_null().to_numpy() if "margin" in part.columns else np.zeros(part.height, bool)
    if not known.any():
        return nobody
    margins = part["margin"].to_numpy()[known]
    share = length_share(margins, part.select(DIFFERENCE).to_series().to_numpy()[known])
    at_equal = margins if share is None else margins - share
    agreement = float((np.sign(at_equal) + 1).mean() / 2)
    if wilson_low(agreement, len(at_equal)) <= 0.5:
        return nobody
    wrong = np.zeros(part.height, bool)
    wrong[known] = at_equal < 0
    return pl.Series(wrong)


def weighted(part: pl.DataFrame, bins: int, limit: float, measure: Measure) -> pl.DataFrame:
    """The same by weights between 1/limit and limit with mean one; pairs without a difference get theirs too."""
    raw = (pl.col("side") + pl.col("other")) / (2 * pl.col("side"))
    unequal = _stratified(part, bins, "weight").with_columns(raw=raw)
    equal = part.filter(DIFFERENCE == 0).with_columns(raw=1.0)
    rows = pl.concat([unequal, equal], how="diagonal")
    weights = bounded_weights(rows["raw"].to_numpy(), limit)
    return decisions(rows.with_columns(factor=weights), "weight", measure.weighed, "factor")


def balance(
    rows: pl.DataFrame, measure: Measure, *, policy: str, bins: int, per_source: bool, max_weight: float
) -> pl.DataFrame:
    """`matched` or `weighted` inside each criterion of each source, or over all rows."""
    whole = rows if "weight" in rows.columns else rows.with_columns(weight=pl.lit(None, pl.Float64))
    ready = whole.with_columns(pl.col("weight").fill_null(1.0), larger=DIFFERENCE > 0)
    parts = ready.partition_by("source", "criterion", maintain_order=True) if per_source else [ready]
    made = [
        matched(part, bins, measure) if policy == "match" else weighted(part, bins, max_weight, measure)
        for part in parts
    ]
    return pl.concat([DECISIONS.to_frame(), *made])


def _stratified(part: pl.DataFrame, bins: int, counted: str) -> pl.DataFrame:
    """The rows with a difference, with stratum and the sums of the column `counted` over their own side of it
    (`side`) and over the other one."""
    unequal = part.filter(DIFFERENCE != 0)
    gaps = unequal.select(DIFFERENCE.abs()).to_series().to_numpy()
    side = pl.col(counted).sum().over("stratum", "larger")
    return unequal.with_columns(stratum=pl.Series(strata(gaps, bins))).with_columns(
        side=side, other=pl.col(counted).sum().over("stratum") - side
    )


def lean(frame: pl.DataFrame, by: Sequence[str], share: str) -> pl.DataFrame:
    """What the measure alone says about the labels, per value of the columns `by`, sorted by them.

    `frame` has `by`, chosen, rejected and, where pairs count unequally, weight (null = 1); where rules have
    changed labels, flipped and soft_label (of the source's chosen one): a soft label counts both ways, as it does
    in the loss. Columns: `by`, pairs, `share` (of the weight where the chosen one has more, equal ones counting
    half) and auc (`lean_auc`).
    """
    weight = pl.col("weight").fill_null(1.0) if "weight" in frame.columns else pl.lit(1.0)
    rows = frame.select(*by, difference=DIFFERENCE, weight=weight, right=right(frame.columns))
    pairs = {values: part.height for values, part in rows.group_by(by)}
    turned = rows.with_columns(-pl.col("difference"), right=1 - pl.col("right"))
    told = pl.concat([rows, turned]).with_columns(pl.col("weight") * pl.col("right"))
    told = told.filter(pl.col("weight") > 0).sort(*by, "difference", "weight")
    out = [
        {
            **dict(zip(by, values, strict=True)),
            "pairs": pairs[values],
            share: float(np.average((np.sign(part["difference"]) + 1) / 2, weights=part["weight"])),
            "auc": lean_auc(part["difference"].to_numpy(), part["weight"].to_numpy()),
        }
        for values, part in told.group_by(by, maintain_order=True)
    ]
    figures = {"pairs": pl.Int64(), share: pl.Float64(), "auc": pl.Float64()}
    return pl.DataFrame(out, schema={**rows.select(by).schema, **figures})
