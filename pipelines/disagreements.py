"""What the reward models disagreed with, for people to read: counts by source and modality, and texts of pairs."""

from __future__ import annotations

from typing import Any

import polars as pl

import filters
from filters._votes import once
from mixtures._plan import Plan
from mixtures._recipe import Recipe
from pairs.store import Store
from pipelines import scored, steps, survivors

RULE = "reward_disagreement"
SHOWN = 20
# What a reader looks for first stands first: the table is wider than the page.
_FACTS = [
    "source", "criterion", "modality", "pairs", "abstains", "trusted", "agreement", "agreement_low", "flip_rate",
    "models", "without_rewards",
]  # fmt: skip
_CUT = 400
_KEY = ["source", "pair_id"]


def books(store: Store, recipe: Recipe, made: Plan) -> list[dict[str, Any]]:
    """A row per source, criterion and modality of the pairs that the rule was given: how far the reward models may
    be trusted there, and why the rule abstains where it does. None without the rule."""
    if RULE not in made.rules:
        return []
    given = survivors.given_to(store, recipe, made, RULE)
    found = filters.load(RULE).report(given, recipe.rules[RULE])
    return list(found.select(_FACTS).to_dicts())


def meaning(recipe: Recipe) -> str:
    """What the value of one of the rule's decisions is."""
    agree = getattr(recipe.rules.get(RULE), "policy", None) == "keep_if_agree"
    return "gold model's margin" if agree else "label is right with"


def dropped(store: Store, recipe: Recipe, made: Plan) -> list[dict[str, Any]]:
    """A row per source and modality: pairs, and how many of them the rule dropped, flipped or softened."""
    kinds = steps.training(store, recipe).select(*_KEY, "modality").collect()
    acted = kinds.join(_acted(made), on=_KEY)
    counts = acted.group_by("source", "modality").agg(
        **{action: (pl.col("action") == action).sum() for action in ("drop", "flip", "soften")}
    )
    rows = kinds.group_by("source", "modality").len("pairs").join(counts, on=["source", "modality"], how="left")
    share = ((pl.col("drop") + pl.col("flip") + pl.col("soften")) / pl.col("pairs")).alias("share")
    return rows.fill_null(0).with_columns(share).sort("source", "modality").to_dicts()


def examples(store: Store, recipe: Recipe, made: Plan) -> list[dict[str, Any]]:
    """Per source and modality the pairs that the rule acted on with `most` and with `least` confidence, at most
    `SHOWN` each: source, pair_id, action, value (what it is, `meaning` says), the cut texts, and `rewards` of both
    completions by model. A pair is in one of the two lists only.
    """
    kinds = steps.training(store, recipe).select(*_KEY, "modality").collect()
    acted = _acted(made).filter(pl.col("value").is_not_null()).join(kinds, on=_KEY).sort("value", *_KEY)
    sides = []
    for (source, modality), rows in sorted(acted.partition_by("source", "modality", as_dict=True).items()):
        most = rows.head(min(SHOWN, (rows.height + 1) // 2))
        least = rows.tail(min(SHOWN, rows.height - most.height)).reverse()
        sides.append((source, modality, most, least))
    if not sides:
        return []
    texts = _texts(store, recipe, pl.concat([rows for *_, most, least in sides for rows in (most, least)]))
    return [
        {"source": source, "modality": modality, "most": _shown(most, texts), "least": _shown(least, texts)}
        for source, modality, most, least in sides
    ]


def _shown(rows: pl.DataFrame, texts: dict[tuple[str, str], dict[str, Any]]) -> list[dict[str, Any]]:
    named = rows.select(*_KEY, "action", "value").iter_rows(named=True)
    return [{**row, **texts[row["source"], row["pair_id"]]} for row in named]


def _acted(made: Plan) -> pl.DataFrame:
    """The ledger's lines of pairs whose label the rule did not leave as it was."""
    judged = (pl.col("rule") == RULE) & pl.col("reason").is_in([RULE, "not_agreed"])
    return made.ledger.filter(judged).select(*_KEY, "action", "value")


def _texts(store: Store, recipe: Recipe, wanted: pl.DataFrame) -> dict[tuple[str, str], dict[str, Any]]:
    columns = (*_KEY, "prompt", "chosen", "rejected", "chosen_id", "rejected_id")
    rows = steps.pairs(store, recipe).join(wanted.lazy(), on=_KEY, how="semi").select(columns).collect()
    ids = pl.concat([rows["chosen_id"], rows["rejected_id"]]).unique()
    given = store.scan("rewards", scored.models(store, recipe))
    found = once(given.filter(pl.col("completion_id").is_in(ids.implode()))).collect()
    rewards: dict[str, dict[str, float]] = {}
    for model, completion, reward in found.select("model", "completion_id", "reward").sort("model").iter_rows():
        rewards.setdefault(model, {})[completion] = reward
    return {
        (row["source"], row["pair_id"]): {
            **{name: _cut(row[name]) for name in ("prompt", "chosen", "rejected")},
            "rewards": [
                (model, found[row["chosen_id"]], found[row["rejected_id"]])
                for model, found in rewards.items()
                if row["chosen_id"] in found and row["rejected_id"] in found
            ],
        }
        for row in rows.iter_rows(named=True)
    }


def _cut(messages: list[dict[str, str]]) -> str:
    text = messages[-1]["content"]
    return text if len(text) <= _CUT else text[:_CUT] + "…"
