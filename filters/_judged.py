"""What reward models hold of the labels of a source's criterion in one modality, and whether they may say so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from filters._calibration import Judgement, as_told, judge, length_share
from filters._votes import mean_votes, named, not_opposed, trusts, untaught, votes
from pairs.errors import PrefmillError

if TYPE_CHECKING:
    from filters.reward_disagreement import Rule

APART = ("source", "criterion", "modality")


@dataclass(frozen=True)
class Part:
    """One criterion and modality of a source: its pairs, those that can be judged with their `margin` (of the mean
    vote, or of the gold model), how many models may vote of how many, and what to hold of the labels."""

    rows: pl.DataFrame
    scored: pl.DataFrame
    trusted: int
    models: int
    judgement: Judgement


def at_equal_length(params: Rule) -> bool:
    """Whether pairs are judged at equal length, rather than weighed afterwards."""
    weighed = params.policy in ("drop", "keep_if_agree")
    return params.at_equal_length == "judge" or (params.at_equal_length == "weigh" and not weighed)


def parts(survivors: pl.DataFrame, params: Rule) -> list[Part]:
    """Judged by the mean margin of the models that may vote."""
    out = []
    for rows in _apart(survivors):
        each = votes(rows)
        trust = trusts(each)
        voting = [model for model, low in trust.items() if low >= params.min_agreement]
        heard = each.filter(pl.col("model").is_in(voting or list(trust)))
        scored = rows.join(mean_votes(heard), on="pair_id", maintain_order="left")
        judgement = _judgement(scored, params)
        if untaught(heard).height < heard.height:
            judgement = as_told(judgement, mean_votes(untaught(each))["margin"].to_numpy())
        judgement = _silenced(judgement, rows)
        if not voting and judgement.abstains is None:
            judgement = replace(judgement, abstains="rewards_disagree_too_often", probabilities=None)
        out.append(Part(rows, scored, len(voting), len(trust), judgement))
    return out


def parts_by_gold(survivors: pl.DataFrame, params: Rule) -> list[Part]:
    """Judged by the gold model of keep_if_agree; `scored` has `best` as well, the largest margin of the others.

    Raises `PrefmillError` where no model is named as the rule names them.
    """
    models = set(votes(survivors)["model"])
    for name in (params.gold, *params.others):
        if not any(model.startswith(name) for model in models):
            raise PrefmillError(
                f"rules.reward_disagreement: no model {name!r} has scored these pairs, expected the beginning of "
                f"one of: {', '.join(sorted(models)) or 'none at all'}"
            )
    out = []
    for rows in _apart(survivors):
        each = votes(rows)
        gold = mean_votes(each.filter(named([params.gold])))
        best = each.filter(named(params.others)).group_by("pair_id").agg(best=pl.col("margin").max())
        scored = rows.join(gold, on="pair_id").join(best, on="pair_id").sort("pair_id")
        told = scored if not at_equal_length(params) else _less_length(scored)
        scored = scored if told is None else told
        judgement = judge([scored["margin"].to_numpy()], params.min_pairs, params.min_agreement, even=True)
        if told is None and judgement.abstains is None:
            judgement = replace(judgement, abstains="label_follows_length", probabilities=None)
        trusted = int(judgement.abstains is None)
        out.append(Part(rows, scored, trusted, each["model"].n_unique(), _silenced(judgement, rows)))
    return out


def _apart(survivors: pl.DataFrame) -> Iterator[pl.DataFrame]:
    ordered = not_opposed(survivors).sort(*APART, "pair_id")
    yield from ordered.partition_by(*APART, maintain_order=True)


def _silenced(judgement: Judgement, rows: pl.DataFrame) -> Judgement:
    """With the true reason where pairs are scored, but by models that `min_trust` lets say nothing there."""
    if judgement.abstains != "too_few_scored_pairs" or rows["silenced"].sum() == 0:
        return judgement
    return replace(judgement, abstains="seed_models_not_trusted")


def _less_length(scored: pl.DataFrame) -> pl.DataFrame | None:
    """Without the part of `margin` and `best` that lengths predict; None where that cannot be told."""
    differences = scored["length_difference"].to_numpy()
    shares = {name: length_share(scored[name].to_numpy(), differences) for name in ("margin", "best")}
    if any(share is None for share in shares.values()):
        return None
    return scored.with_columns(pl.col(name) - pl.Series(share) for name, share in shares.items())


def _judgement(scored: pl.DataFrame, params: Rule) -> Judgement:
    margins, differences = scored["margin"].to_numpy(), scored["length_difference"].to_numpy()
    at_equal = at_equal_length(params)
    share = length_share(margins, differences) if at_equal else None
    views = [margins] if share is None else [margins, margins - share]
    if params.prior == "even":
        judgement = judge(views[-1:], params.min_pairs, params.min_agreement, even=True)
    else:
        judgement = judge(views, params.min_pairs, params.min_agreement)
    if at_equal and share is None and judgement.abstains is None:
        return Judgement(judgement.agreement, judgement.agreement_low, abstains="label_follows_length")
    return judgement
