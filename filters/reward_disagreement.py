"""Pairs whose label is probably wrong, by what reward models make of them.

What is judged is a calibrated probability that the label is right, never a raw margin: margins of two models
differ by a factor of ten. The share of wrong labels is estimated with it, so that much goes where much is wrong
and hardly anything from clean data. And it is judged at equal length, because reward models like long answers:
dropping what they dislike as it stands would leave a mixture in which the longer answer wins even more often.

Each criterion of a source is judged apart: a model of helpfulness must not throw out the labels of harmlessness.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl
import pyarrow as pa
from pydantic import BaseModel, Field

from filters._calibration import Judgement, fit_noise, judge, length_share
from filters._decisions import DECISIONS, decisions
from filters._strata import bounded_weights, chars

_UNITS = {"model": pl.String, "unit": pl.Float64}
_SHARPEST = 0.1  # no temperature below this share of a model's mean margin: one model must not outshout the rest

SIGNAL = pa.schema(
    [
        pa.field("pair_id", pa.string(), nullable=False),
        # Mean over models of reward margin / that model's temperature; null without rewards.
        pa.field("reward_margin", pa.float64()),
        # Each model's margin / temperature, in order of the models' names.
        pa.field("margins", pa.list_(pa.struct([("model", pa.string()), ("margin", pa.float64())]))),
        pa.field("spread", pa.float64()),  # population standard deviation over models; 0 for one
        pa.field("votes_against", pa.int32(), nullable=False),  # models that prefer the rejected one
        pa.field("models", pa.int32(), nullable=False),  # that scored both completions
        pa.field("length_difference", pa.int64(), nullable=False),  # characters, chosen less rejected
    ]
)


class Rule(BaseModel, extra="forbid"):
    policy: Literal["drop", "flip", "soften", "weight"] = Field(
        "drop",
        description="drop, flip or soften the pairs picked by `below` and `quantile`, or weight all pairs by the "
        "probability of their label",
    )
    below: float = Field(
        0.4, ge=0, le=1, description="drop, flip, soften: pick pairs whose label is less probable than this"
    )
    quantile: float = Field(
        0.3,
        ge=0,
        le=1,
        description="drop, flip, soften: pick at most this share of a source's criterion, the least probable",
    )
    at_equal_length: bool = Field(
        True,
        description="drop, flip, soften: take no larger a share of the pairs where the shorter one won than of "
        "those where the longer one won; weight: neither side gains weight",
    )
    min_pairs: int = Field(100, ge=2, description="leave a source's criterion with fewer scored pairs alone")
    min_agreement: float = Field(
        0.55, ge=0, le=1, description="leave a source's criterion alone unless rewards agree with at least this "
        "share of its labels (lower end of the 95% Wilson interval)",
    )  # fmt: skip
    floor: float = Field(0.05, ge=0, le=1, description="soften: the least soft label")
    max_weight: float = Field(
        4.0, gt=1, allow_inf_nan=False, description="weight: weights lie between 1/max_weight and max_weight"
    )


def signal(pairs: pl.LazyFrame, rewards: pl.LazyFrame) -> pl.LazyFrame:
    """A reward that is not finite counts as none: that model abstains on the pair."""
    difference = (chars("chosen") - chars("rejected")).alias("length_difference")
    asked = pairs.select("pair_id", "chosen_id", "rejected_id", difference).unique()
    known = rewards.select("model", "completion_id", pl.col("reward").cast(pl.Float64)).filter(
        pl.col("reward").is_finite()
    )
    margin = (pl.col("reward") - pl.col("reward_right")).alias("margin")
    margins = (
        asked.join(known, left_on="chosen_id", right_on="completion_id")
        .join(known, left_on=["rejected_id", "model"], right_on=["completion_id", "model"])
        .select("pair_id", "model", margin)
    )
    units = pl.LazyFrame(_units(margins.collect()), schema=_UNITS, orient="row")
    scaled = margins.join(units, on="model").with_columns(pl.col("margin") / pl.col("unit"))
    # Sums of floats depend on their order: the models' names fix it.
    votes = scaled.group_by("pair_id").agg(
        margins=pl.struct("model", "margin").sort_by("model"), each=pl.col("margin").sort_by("model")
    )
    against = pl.col("each").list.eval((pl.element() < 0).cast(pl.Int32)).list.sum()
    return asked.join(votes, on="pair_id", how="left").select(
        "pair_id",
        reward_margin=pl.col("each").list.mean(),
        margins="margins",
        spread=pl.col("each").list.std(ddof=0),
        votes_against=against.fill_null(0).cast(pl.Int32),
        models=pl.col("each").list.len().fill_null(0).cast(pl.Int32),
        length_difference="length_difference",
    )


def _units(margins: pl.DataFrame) -> list[tuple[str, float]]:
    """What makes log-odds of a model's margins: its temperature over all pairs, so that a model counts as much as
    its margins tell. A model whose margins are all nil or speak against the labels has none, and no vote.
    """
    units = []
    for part in margins.sort("model", "pair_id").partition_by("model", maintain_order=True):
        found = part["margin"].to_numpy()
        fitted = fit_noise(found)
        if fitted is not None:
            units.append((part["model"][0], max(fitted[0], _SHARPEST * float(np.abs(found).mean()))))
    return units


def _judged(survivors: pl.DataFrame, params: Rule) -> list[tuple[pl.DataFrame, pl.DataFrame, Judgement]]:
    """Per source and criterion: its pairs, those with rewards, and what to hold of the model there."""
    judged = []
    ordered = survivors.sort("source", "criterion", "pair_id")
    for rows in ordered.partition_by("source", "criterion", maintain_order=True):
        scored = rows.filter(pl.col("reward_margin").is_not_null())
        views = _views(scored)
        shares = [length_share(view, scored["length_difference"].to_numpy()) for view in views]
        if params.at_equal_length:
            views += [view - share for view, share in zip(views, shares, strict=True) if share is not None]
        judgement = judge(views, params.min_pairs, params.min_agreement)
        if params.at_equal_length and any(share is None for share in shares) and judgement.abstains is None:
            judgement = Judgement(judgement.agreement, judgement.agreement_low, abstains="label_follows_length")
        judged.append((rows, scored, judgement))
    return judged


def _sign(rows: pl.DataFrame) -> np.ndarray:
    """1 where the longer one won, -1 where the shorter one did, 0 at equal length."""
    sign: np.ndarray = np.sign(rows["length_difference"].to_numpy())
    return sign


def _views(scored: pl.DataFrame) -> list[np.ndarray]:
    """The mean margins, and where several models scored all pairs those of each."""
    views = [scored["reward_margin"].to_numpy()]
    each = scored.select("margins").explode("margins").unnest("margins")
    parts = each.partition_by("model", maintain_order=True)
    if len(parts) > 1:
        views += [part["margin"].to_numpy() for part in parts if part.height == scored.height]
    return views


def rule(survivors: pl.DataFrame, params: Rule) -> pl.DataFrame:
    """Drops, flips or softens `reward_disagreement` (value: probability of the label as it is, for soften not
    under `floor`), or weights `reward_weight`. Pairs without rewards stay; `report` counts them.
    """
    made = [DECISIONS.to_frame()]
    for _, scored, judgement in _judged(survivors, params):
        if judgement.probabilities is None:
            continue
        rows = scored.with_columns(p=judgement.probabilities)
        sign = _sign(scored) if params.at_equal_length else np.zeros(scored.height, np.int64)
        if params.policy == "weight":
            weights = bounded_weights(_weights(judgement.probabilities, sign), params.max_weight)
            made.append(decisions(rows.with_columns(weight=weights), "weight", "reward_weight", "weight"))
            continue
        picked = rows[_picked(judgement.probabilities, sign, params)].sort("p", "pair_id")
        if params.policy == "soften":
            picked = picked.with_columns(pl.col("p").clip(lower_bound=params.floor))
        made.append(decisions(picked, params.policy, "reward_disagreement", "p"))
    return pl.concat(made)


def _picked(right: np.ndarray, sign: np.ndarray, params: Rule) -> np.ndarray:
    """Places of the pairs to act on, the least probable labels first."""
    order = np.argsort(right, kind="stable")[: int(params.quantile * len(right))]
    order = order[right[order] < params.below]
    longer, shorter = (sign[order] == side for side in (1, -1))
    share = longer.sum() / max(1, (sign == 1).sum())
    allowed = int(share * (sign == -1).sum() + 1e-9)
    return order[~shorter | (np.cumsum(shorter) <= allowed)]


def _weights(right: np.ndarray, sign: np.ndarray) -> np.ndarray:
    """Probabilities over their mean where the longer one won, where the shorter one did, and at equal length."""
    sums, counts = np.bincount(sign + 1, right, 3), np.bincount(sign + 1, minlength=3)
    weights: np.ndarray = np.maximum(right, 1e-9) / np.maximum(sums / np.maximum(counts, 1), 1e-9)[sign + 1]
    return weights


def report(survivors: pl.DataFrame, params: Rule) -> pl.DataFrame:
    """Per source and criterion, sorted: pairs, without_rewards, agreement of rewards with labels,
    agreement_low (95% Wilson), flip_rate (estimated share of wrong labels; null: not fitted), temperature and
    abstains: why the rule leaves them alone, or null. `survivors` as the rule sees them.
    """
    out = [
        {
            "source": rows["source"][0],
            "criterion": rows["criterion"][0],
            "pairs": rows.height,
            "without_rewards": rows.height - scored.height,
            "agreement": judgement.agreement,
            "agreement_low": judgement.agreement_low,
            "flip_rate": judgement.flip_rate,
            "temperature": judgement.temperature,
            "abstains": judgement.abstains,
        }
        for rows, scored, judgement in _judged(survivors, params)
    ]
    number = dict.fromkeys(("agreement", "agreement_low", "flip_rate", "temperature"), pl.Float64)
    counts = dict.fromkeys(("pairs", "without_rewards"), pl.Int64)
    names = {"source": pl.String, "criterion": pl.String}
    return pl.DataFrame(out, schema={**names, **counts, **number, "abstains": pl.String})
