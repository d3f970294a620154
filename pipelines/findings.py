"""What the card of a published mixture says was measured, before the rules and after, and whom to cite."""

from __future__ import annotations

from typing import Any

import polars as pl

import filters
import sources
from mixtures._plan import Plan
from mixtures._recipe import Recipe
from pairs.store import Store
from pipelines import biases, scored, steps

KEY = ["source", "pair_id"]
LENGTHS = (
    "Length bias by source, criterion and modality, before the rules and after\n"
    "Share of pairs in which the longer completion is chosen, and the AUC of a model that knows only lengths."
)
LABELS = (
    "Labels against rewards, before the rules and after\n"
    "Share of pairs whose label the seed reward models disagree with, of those they have scored. Where a rule "
    "drops pairs by these very rewards, fewer are left by construction: it is no measure of the labels that stay."
)
OVERLAP = (
    "Overlap with benchmarks\n"
    "Pairs that share a prompt, a completion or a picture with a benchmark of the recipe, at similarity 0.8, and "
    "how many of them are in the mixture."
)

NO_REWARDS = "no rule of the recipe reads rewards, so no seed model has scored a pair"
SILENT = "no seed model that is trusted has judged a pair"
NO_BENCHMARK = "the recipe lists no benchmark"


def tables(store: Store, recipe: Recipe, made: Plan) -> dict[str, list[dict[str, Any]] | str]:
    """Rows of figures by heading, as the card shows them, or why there are none."""
    return {
        LENGTHS: biases.lengths(store, recipe, made) or "no pair has a text on both sides",
        LABELS: against_rewards(store, recipe, made) or (SILENT if scored.models(store, recipe) else NO_REWARDS),
        OVERLAP: overlap(store, recipe, made) if _has_benchmark(store, recipe) else NO_BENCHMARK,
    }


def _has_benchmark(store: Store, recipe: Recipe) -> bool:
    roles = steps.pairs(store, recipe).select("role").unique().collect(engine="streaming")["role"]
    return "benchmark" in roles


def against_rewards(store: Store, recipe: Recipe, made: Plan) -> list[dict[str, Any]]:
    """A row per source: scored pairs and the share of labels that rewards are against, of all and of those kept.

    A flipped pair counts with the label it is published with. Sources without rewards have no row.
    """
    margins = steps.signals(store, recipe, "reward_disagreement").select("pair_id", "reward_margin")
    kept = made.rows.filter(pl.col("copy") == 0).select(*KEY, "flipped").lazy()
    frame = steps.training(store, recipe).select(KEY).join(margins, on="pair_id").join(kept, on=KEY, how="left")
    margin, stays = pl.col("reward_margin"), pl.col("flipped").is_not_null()
    after = pl.when("flipped").then(-margin).otherwise(margin)
    rows = (
        frame.filter(margin.is_finite())
        .group_by("source")
        .agg(
            pl.len().alias("pairs"),
            (margin < 0).mean().alias("against"),
            stays.sum().alias("pairs after"),
            (after.filter(stays) < 0).mean().alias("against after"),
        )
        .sort("source")
    )
    return list(rows.collect().to_dicts())


def overlap(store: Store, recipe: Recipe, made: Plan) -> list[dict[str, Any]]:
    """A row per source and benchmark that share something: pairs in all, by part, published."""
    count = filters.load("contamination").overlap
    hit = steps.signals(store, recipe, "contamination").filter(pl.col("hits").list.len() > 0)
    signal = hit.collect(engine="streaming")  # of few pairs; of the others only how many there are is asked
    rows = steps.pairs(store, recipe).select(*KEY, "role")
    touched = rows.join(signal.lazy().select("pair_id"), on="pair_id", how="semi").collect(engine="streaming")
    sizes = dict(rows.group_by("source").len().collect(engine="streaming").iter_rows())
    left = touched.join(made.rows.select(KEY).unique(), on=KEY, how="semi")
    after = count(signal, left).select("source", "benchmark", pl.col("hit").alias("published"))
    found = count(signal, touched).join(after, on=["source", "benchmark"], how="left", maintain_order="left")
    return [
        {**row, "pairs": sizes[row["source"]], "published": row["published"] or 0}
        for row in found.iter_rows(named=True)
    ]


def citations(recipe: Recipe) -> dict[str, str]:
    """What to cite for each source of the recipe: the authors' paper, and where the dataset is."""
    found = {}
    for name in recipe.sources:
        source = sources.load(name).source
        home = "https://github.com/" + source.repo.removeprefix("github:")
        if not source.repo.startswith("github:"):
            home = f"https://huggingface.co/datasets/{source.repo}"
        found[name] = "; ".join(filter(None, [source.citation, home]))
    return found
