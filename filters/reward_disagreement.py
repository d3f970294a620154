"""Pairs whose label is probably wrong, by what reward models make of them.

What is judged is the probability that the label is right, never a raw margin: margins of two models differ by a
factor of ten. A model votes where it agrees with enough of a source's labels: one that contradicts every third
label knows less than they do. Training dynamics, which are taught the labels and agree with any, vote where the
cross-fitted model, which is not, agrees with more than half of them, chance aside.

Reward models like long answers: without care the longer answer wins even more often in what is left. By default
the pairs that stay are weighed so that lengths say no more than before, whichever side wins more often; a trainer
that ignores weights takes `at_equal_length = "judge"`, or `length_bias` after this rule, which balances what is
left by dropping.

A soft label under 0.5 says that the rejected one is better: a trainer that ignores the column `soft_label` (TRL's
does) learns such pairs the wrong way round, and takes another policy than `soften`.

Each criterion and modality of a source is judged apart: a model of helpfulness must not throw out the labels of
harmlessness. Pairs that another criterion orders the other way round are left alone: that is no noise.
"""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
import polars as pl
import pyarrow as pa
from pydantic import BaseModel, Field, model_validator

from filters._calibration import fit_noise, reward_scaling
from filters._decisions import DECISIONS, decisions
from filters._judged import APART, Part, at_equal_length, parts, parts_by_gold
from filters._strata import bounded_weights, chars, kept_alike, least_probable, side_weights
from filters._votes import margins

_UNITS = {"model": pl.String, "unit": pl.Float64}
_DROPPED = 0.65  # below this by default; chosen on other splits of the sets of docs/curation.md
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
        pa.field("models", pa.int32(), nullable=False),  # that scored both completions and may speak here
        pa.field("silenced", pa.int32(), nullable=False),  # that scored both and may not: `[rewards] min_trust`
        pa.field("length_difference", pa.int64(), nullable=False),  # characters, chosen less rejected
    ]
)


class Rule(BaseModel, extra="forbid"):
    policy: Literal["drop", "flip", "soften", "weight", "keep_if_agree"] = Field(
        "drop",
        description="drop, flip or soften the pairs picked by `below` and `quantile`; weight all pairs by the "
        "probability of their label; keep_if_agree: drop pairs unless the `gold` model and one of `others` agree",
    )
    below: float | None = Field(
        None,
        ge=0,
        le=1,
        description="drop, flip, soften: pick pairs whose label is less probable than this; by default 0.65 to "
        "drop (a pair without much to learn from costs little), 0.5 to flip or soften",
    )
    quantile: float = Field(
        0.4,
        ge=0,
        le=1,
        description="drop, flip, soften: pick at most this share of a source's criterion, the least probable",
    )
    prior: Literal["even", "estimated"] = Field(
        "even",
        description="even: probabilities are the models' own; estimated: they start from the estimated share of "
        "wrong labels, so that hardly anything goes where little noise can be told from the models' doubt",
    )
    at_equal_length: Literal["weigh", "judge", "no"] = Field(
        "weigh",
        description="weigh: drop and keep_if_agree weigh the pairs that stay, so that lengths say no more than "
        "before; judge (and weigh with the other policies): take no larger a share of the pairs where the shorter "
        "one won than of those where the longer one won, and let neither side gain weight",
    )
    min_pairs: int = Field(100, ge=2, description="leave a source's criterion with fewer scored pairs alone")
    min_agreement: float = Field(
        0.65,
        ge=0,
        le=1,
        description="a model votes on a source's criterion where its rewards agree with at least this share of "
        "the labels (lower end of the 95% Wilson interval)",
    )
    gold: str = Field("", description="keep_if_agree: beginning of the name of the model that must agree")
    others: list[str] = Field(
        [],
        description="keep_if_agree: beginnings of the names of a judge and of the best model, say: one must agree",
    )
    scaling: Literal["probability", "margin"] = Field(
        "probability",
        description="weight: in proportion to the probability of the label; margin: by MM-RLHF's dynamic reward "
        "scaling, which lets sure pairs count up to half more and takes nothing from doubtful ones, before the "
        "mean is made one",
    )
    floor: float = Field(0.05, ge=0, le=1, description="soften: the least soft label")
    max_weight: float = Field(
        4.0, gt=1, allow_inf_nan=False, description="weight: weights lie between 1/max_weight and max_weight; "
        "weigh: none is larger",
    )  # fmt: skip

    def limit(self) -> float:
        """`below`, or what it is by default."""
        return (_DROPPED if self.policy == "drop" else 0.5) if self.below is None else self.below

    @model_validator(mode="after")
    def _names_whom_to_ask(self) -> Self:
        if self.policy == "keep_if_agree" and not (self.gold and self.others and all(self.others)):
            raise ValueError(
                "keep_if_agree needs the names of a gold model and of others, e.g. others = ['judge']"
            )
        return self


def signal(pairs: pl.LazyFrame, rewards: pl.LazyFrame, silenced: pl.LazyFrame | None = None) -> pl.LazyFrame:
    """A reward that is not finite counts as none: that model abstains on the pair. `silenced` are rewards of
    models that are not believed where these completions are."""
    difference = (chars("chosen") - chars("rejected")).alias("length_difference")
    asked = pairs.select("pair_id", difference).unique()
    found = margins(pairs, rewards)
    units = pl.LazyFrame(_units(found.collect()), schema=_UNITS, orient="row")
    scaled = found.join(units, on="model").with_columns(pl.col("margin") / pl.col("unit"))
    # Sums of floats depend on their order: the models' names fix it.
    told = scaled.group_by("pair_id").agg(
        margins=pl.struct("model", "margin").sort_by("model"), each=pl.col("margin").sort_by("model")
    )
    against = pl.col("each").list.eval((pl.element() < 0).cast(pl.Int32)).list.sum()
    unheard = margins(pairs, rewards.clear() if silenced is None else silenced)
    silent = unheard.group_by("pair_id").agg(silenced=pl.len())
    return (
        asked.join(told, on="pair_id", how="left")
        .join(silent, on="pair_id", how="left")
        .select(
            "pair_id",
            reward_margin=pl.col("each").list.mean(),
            margins="margins",
            spread=pl.col("each").list.std(ddof=0),
            votes_against=against.fill_null(0).cast(pl.Int32),
            models=pl.col("each").list.len().fill_null(0).cast(pl.Int32),
            silenced=pl.col("silenced").fill_null(0).cast(pl.Int32),
            length_difference="length_difference",
        )
    )


def _units(found: pl.DataFrame) -> list[tuple[str, float]]:
    """What makes log-odds of a model's margins: its temperature over all pairs, so that a model counts as much as
    its margins tell. Where they speak against the labels as a whole it is their mean size: the model may still
    know one source, and the rule asks who may vote in each. A model whose margins are all nil has none.
    """
    units = []
    for part in found.sort("model", "pair_id").partition_by("model", maintain_order=True):
        given = part["margin"].to_numpy()
        size, fitted = float(np.abs(given).mean()), fit_noise(given)
        if size > 0:
            units.append((part["model"][0], size if fitted is None else max(fitted[0], _SHARPEST * size)))
    return units


def _sign(rows: pl.DataFrame) -> np.ndarray:
    """1 where the longer one won, -1 where the shorter one did, 0 at equal length."""
    sign: np.ndarray = np.sign(rows["length_difference"].to_numpy())
    return sign


def rule(survivors: pl.DataFrame, params: Rule) -> pl.DataFrame:
    """Drops, flips or softens `reward_disagreement` (value: probability of the label as it is, for soften not
    under `floor`), drops `not_agreed` (value: the gold model's margin), weights `reward_weight` by probability or
    `equal_length` to make up for what was dropped. Keeps, with why (value: `agreement_low`), all of a source's
    criterion that it abstains from. Pairs without rewards stay; `report` counts them.
    """
    if params.policy == "keep_if_agree":
        return _keep_if_agree(survivors, params)
    made = [DECISIONS.to_frame()]
    for part in parts(survivors, params):
        right = part.judgement.probabilities
        if right is None:
            made.append(_left_alone(part))
            continue
        rows = part.scored.with_columns(p=right)
        sign = _sign(rows) if at_equal_length(params) else np.zeros(rows.height, np.int64)
        if params.policy == "weight":
            raw = right if params.scaling == "probability" else reward_scaling(right)
            weights = bounded_weights(side_weights(raw, sign), params.max_weight)
            made.append(decisions(rows.with_columns(weight=weights), "weight", "reward_weight", "weight"))
            continue
        picked = np.zeros(rows.height, bool)
        picked[least_probable(right, sign, params.limit(), params.quantile)] = True
        if params.policy == "drop":
            made.append(_dropped(rows, picked, right, "reward_disagreement", params))
            continue
        floor = params.floor if params.policy == "soften" else 0.0
        chosen = rows.filter(picked).with_columns(pl.col("p").clip(lower_bound=floor)).sort("p", "pair_id")
        made.append(decisions(chosen, params.policy, "reward_disagreement", "p"))
    return pl.concat(made)


def _dropped(rows: pl.DataFrame, gone: np.ndarray, right: np.ndarray, reason: str, params: Rule) -> pl.DataFrame:
    """Drops of the rows in `gone` (value: column p), and the weights that make up for them."""
    weights = np.ones(rows.height)
    if params.at_equal_length == "weigh":
        gone, weights = kept_alike(rows["length_difference"].to_numpy(), gone, right, params.max_weight)
    weighed = rows.with_columns(weight=weights).filter(weights != 1)
    drops = decisions(rows.filter(gone).sort("p", "pair_id"), "drop", reason, "p")
    return pl.concat([drops, decisions(weighed, "weight", "equal_length", "weight")])


def _left_alone(part: Part) -> pl.DataFrame:
    low = pl.lit(part.judgement.agreement_low, pl.Float64)
    return decisions(part.rows.with_columns(low=low), "keep", str(part.judgement.abstains), "low")


def _keep_if_agree(survivors: pl.DataFrame, params: Rule) -> pl.DataFrame:
    """Skywork-Reward-V2's rule (Liu et al. 2025): a label stays when the gold model and one of the others agree.

    It acts where the gold model and at least one other scored a pair, and where the gold model may vote.
    """
    made = [DECISIONS.to_frame()]
    for part in parts_by_gold(survivors, params):
        if part.judgement.abstains is not None:
            made.append(_left_alone(part))
            continue
        gold, best = part.scored["margin"].to_numpy(), part.scored["best"].to_numpy()
        rows = part.scored.rename({"margin": "p"})
        made.append(_dropped(rows, (gold <= 0) | (best <= 0), gold, "not_agreed", params))
    return pl.concat(made)


def report(survivors: pl.DataFrame, params: Rule) -> pl.DataFrame:
    """Per source, criterion and modality, sorted: pairs (without those that another criterion opposes),
    without_rewards, models that scored them, those trusted to vote; agreement with labels of the rewards of those
    models that were not taught them (keep_if_agree: of the gold model's), agreement_low (95% Wilson), flip_rate
    (estimated share of wrong labels; null: not fitted) and temperature; and abstains: why the rule leaves them
    alone, or null. `survivors` as the rule sees them.
    """
    found = parts_by_gold if params.policy == "keep_if_agree" else parts
    out = [
        {
            **dict(zip(APART, part.rows.select(APART).row(0), strict=True)),
            "pairs": part.rows.height,
            "without_rewards": part.rows.height - part.scored.height,
            "models": part.models,
            "trusted": part.trusted,
            "agreement": part.judgement.agreement,
            "agreement_low": part.judgement.agreement_low,
            "flip_rate": part.judgement.flip_rate,
            "temperature": part.judgement.temperature,
            "abstains": part.judgement.abstains,
        }
        for part in found(survivors, params)
    ]
    number = dict.fromkeys(("agreement", "agreement_low", "flip_rate", "temperature"), pl.Float64)
    counts = dict.fromkeys(("pairs", "without_rewards", "models", "trusted"), pl.Int64)
    names = dict.fromkeys(APART, pl.String)
    return pl.DataFrame(out, schema={**names, **counts, **number, "abstains": pl.String})
