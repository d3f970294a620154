"""Pairs whose label a reward model that never saw them contradicts.

What is judged is a calibrated probability of the label, never a raw margin: margins of two models differ by a
factor of ten. And it is judged at equal length, because reward models like long answers: dropping what they
dislike as it stands would leave a mixture in which the longer answer wins even more often. Where labels follow
length entirely, no model can be judged at equal length, and the rule lets them be.

Each criterion of a source is judged apart: a model of helpfulness must not throw out the labels of harmlessness.
"""

from __future__ import annotations

from typing import Literal

import polars as pl
import pyarrow as pa
from pydantic import BaseModel, Field

from filters._calibration import Judgement, judge
from filters._decisions import DECISIONS, decisions
from filters._strata import bounded_weights, chars

SIGNAL = pa.schema(
    [
        pa.field("pair_id", pa.string(), nullable=False),
        # Mean over models of reward margin / that model's median absolute reward margin; null without rewards.
        pa.field("reward_margin", pa.float64()),
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
        0.2, ge=0, le=1, description="drop, flip, soften: pick pairs whose label is less probable than this"
    )
    quantile: float = Field(
        0.15,
        ge=0,
        le=1,
        description="drop, flip, soften: pick at most this share of a source's criterion, the least probable",
    )
    at_equal_length: bool = Field(True, description="take from a reward margin what the lengths alone predict")
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
    scale = margins.group_by("model").agg(pl.col("margin").abs().median().alias("scale"))
    scaled = margins.join(scale.filter(pl.col("scale") > 0), on="model").with_columns(
        pl.col("margin") / pl.col("scale")
    )
    # Sums of floats depend on their order: the models' names fix it.
    votes = scaled.group_by("pair_id").agg(pl.col("margin").sort_by("model").alias("margins"))
    against = pl.col("margins").list.eval((pl.element() < 0).cast(pl.Int32)).list.sum()
    return asked.join(votes, on="pair_id", how="left").select(
        "pair_id",
        reward_margin=pl.col("margins").list.mean(),
        spread=pl.col("margins").list.std(ddof=0),
        votes_against=against.fill_null(0).cast(pl.Int32),
        models=pl.col("margins").list.len().fill_null(0).cast(pl.Int32),
        length_difference="length_difference",
    )


def _judged(survivors: pl.DataFrame, params: Rule) -> list[tuple[pl.DataFrame, pl.DataFrame, Judgement]]:
    """Per source and criterion: its pairs, those with rewards, and what to hold of the model there."""
    judged = []
    ordered = survivors.sort("source", "criterion", "pair_id")
    for rows in ordered.partition_by("source", "criterion", maintain_order=True):
        scored = rows.filter(pl.col("reward_margin").is_not_null())
        margins = scored["reward_margin"].to_numpy()
        differences = scored["length_difference"].to_numpy() if params.at_equal_length else None
        judgement = judge(margins, differences, params.min_pairs, params.min_agreement)
        judged.append((rows, scored, judgement))
    return judged


def rule(survivors: pl.DataFrame, params: Rule) -> pl.DataFrame:
    """Drops, flips or softens `reward_disagreement` (value: probability of the label as it is, for soften not
    under `floor`), or weights `reward_weight`. Pairs without rewards stay; `report` counts them.
    """
    made = [DECISIONS.to_frame()]
    for _, scored, judgement in _judged(survivors, params):
        if judgement.probabilities is None:
            continue
        rows = scored.with_columns(p=judgement.probabilities)
        if params.policy == "weight":
            weights = bounded_weights(judgement.probabilities, params.max_weight)
            made.append(decisions(rows.with_columns(weight=weights), "weight", "reward_weight", "weight"))
            continue
        picked = rows.filter(pl.col("p") < params.below).sort("p", "pair_id")
        picked = picked.head(int(params.quantile * scored.height))
        if params.policy == "soften":
            picked = picked.with_columns(pl.col("p").clip(lower_bound=params.floor))
        made.append(decisions(picked, params.policy, "reward_disagreement", "p"))
    return pl.concat(made)


def report(survivors: pl.DataFrame, params: Rule) -> pl.DataFrame:
    """Per source and criterion, sorted: pairs, without_rewards, agreement of rewards with labels (at equal length
    when the rule judges so), agreement_low (95% Wilson), temperature (null: not fitted) and abstains: why the rule
    leaves them alone, or null. `survivors` as the rule sees them.
    """
    out = [
        {
            "source": rows["source"][0],
            "criterion": rows["criterion"][0],
            "pairs": rows.height,
            "without_rewards": rows.height - scored.height,
            "agreement": judgement.agreement,
            "agreement_low": judgement.agreement_low,
            "temperature": judgement.temperature,
            "abstains": judgement.abstains,
        }
        for rows, scored, judgement in _judged(survivors, params)
    ]
    number = dict.fromkeys(("agreement", "agreement_low", "temperature"), pl.Float64)
    counts = dict.fromkeys(("pairs", "without_rewards"), pl.Int64)
    names = {"source": pl.String, "criterion": pl.String}
    return pl.DataFrame(out, schema={**names, **counts, **number, "abstains": pl.String})
