"""What the reward models disagreed with, for people to read: counts by source and modality, and texts of pairs."""

from __future__ import annotations

from typing import Any

import polars as pl

from filters._votes import once
from mixtures._plan import Plan
from mixtures._recipe import Recipe
from pairs.store import Store
from pipelines import scored, steps

RULE = "reward_disagreement"
SHOWN = 20
_CUT = 400
_KEY = ["source", "pair_id"]


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


def examples(store: Store, recipe: Recipe, made: Plan) -> dict[str, list[dict[str, Any]]]:
    """The pairs that the rule acted on with most and with least confidence, at most `SHOWN` each: source,
    pair_id, action, probability (of the label), the cut texts, and `rewards` of both completions by model.

    A pair is in one of the two lists only.
    """
    acted = _acted(made).filter(pl.col("value").is_not_null()).sort("value", *_KEY)
    most = acted.head(min(SHOWN, (acted.height + 1) // 2))
    least = acted.tail(min(SHOWN, acted.height - most.height)).reverse()
    texts = _texts(store, recipe, pl.concat([most, least]).select(_KEY))
    return {
        name: [
            {"source": row["source"], "pair_id": row["pair_id"], "action": row["action"],
             "probability": row["value"], **texts[row["source"], row["pair_id"]]}
            for row in rows.iter_rows(named=True)
        ]
        for name, rows in (("most", most), ("least", least))
        if rows.height
    }  # fmt: skip


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
