"""The pairs that a rule was given, told from the plan: what a report on the rule must be about."""

from __future__ import annotations

import polars as pl

from filters import _apply
from mixtures._plan import Plan, left
from mixtures._recipe import Recipe
from pairs.store import Store
from pipelines import steps


def given_to(store: Store, recipe: Recipe, made: Plan, rule: str) -> pl.DataFrame:
    """What `rule` saw, with its signal: the pairs that the rules before it left, turned, softened and weighed by
    them (columns flipped, soft_label, weight), without those whose signal is missing."""
    before = made.rules[: made.rules.index(rule)]
    seen = left(steps.candidates(store, recipe), [made.ledger.filter(rule=name) for name in before])
    missing = made.ledger.filter(rule=rule, reason=f"{rule}_signal_missing")
    seen = seen.join(missing, on=["source", "pair_id"], how="anti")
    return _apply.with_signal(rule, seen, steps.signals(store, recipe, rule).collect())
