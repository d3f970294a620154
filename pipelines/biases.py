"""What lengths and formatting alone say about the labels, before the rules and after, for people to read."""

from __future__ import annotations

from typing import Any

import polars as pl

import filters
from mixtures._plan import Plan
from mixtures._recipe import Recipe
from pairs.store import Store
from pipelines import steps

KEY = ["source", "pair_id"]
BY = ("source", "criterion", "modality")


def lengths(store: Store, recipe: Recipe, made: Plan) -> list[dict[str, Any]]:
    """A row per source, criterion and modality: pairs, the share of longer winners and the AUC of length alone,
    before the rules and after."""
    before, after = _texts(store, recipe, made)
    report = filters.load("length_bias").report
    return _beside(report(before, BY), report(after, BY)).to_dicts()


def _texts(store: Store, recipe: Recipe, made: Plan) -> tuple[pl.DataFrame, pl.DataFrame]:
    before, after = _measured(store, recipe, made, "length_bias")
    return tuple(rows.filter(pl.col("log_ratio").is_not_null()) for rows in (before, after))


def _measured(store: Store, recipe: Recipe, made: Plan, name: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A signal of all pairs that might enter, and of those that did with their weight, flipped and soft_label (of
    the source's chosen one, as rules see it). Ids stay out: of many million pairs they would fill the memory."""
    soft = pl.when("flipped").then(1 - pl.col("soft_label")).otherwise("soft_label").alias("soft_label")
    kept = made.rows.lazy().filter(pl.col("copy") == 0).select(*KEY, "weight", "flipped", soft)
    every = steps.training(store, recipe).select(*KEY, "criterion", "modality")
    told = every.join(steps.signals(store, recipe, name), on="pair_id").join(kept, on=KEY, how="left")
    rows = told.drop("pair_id").collect(engine="streaming")
    labels = ["weight", "flipped", "soft_label"]
    return rows.drop(labels), rows.filter(pl.col("flipped").is_not_null())


def _beside(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    return before.join(after, on=BY, how="left", suffix=" after", maintain_order="left")
