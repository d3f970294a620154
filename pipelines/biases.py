"""What lengths and formatting alone say about the labels, before the rules and after, for people to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

import filters
from filters._labels import right
from mixtures._plan import Plan
from mixtures._recipe import Recipe
from pairs.store import Store
from pipelines import steps

KEY = ["source", "pair_id"]
BY = ["source", "criterion", "modality"]
LENGTH, FORMATTING = "length_bias", "formatting_bias"


def unit(recipe: Recipe) -> str:
    """What the recipe's rule counts lengths in; without the rule characters."""
    return str(getattr(recipe.rules.get(LENGTH), "unit", "characters"))


def lengths(store: Store, recipe: Recipe, made: Plan) -> list[dict[str, Any]]:
    """A row per source, criterion and modality: pairs, the share of longer winners and the AUC of length alone,
    before the rules and after, and why the rule left the pairs alone where it did."""
    found = _lengths(*_measured(store, recipe, made, LENGTH), BY, unit(recipe))
    return _joined(found, _left_alone(store, recipe, made, LENGTH), BY).to_dicts()


def lengths_by_margin(store: Store, recipe: Recipe, made: Plan) -> list[dict[str, Any]]:
    """The same within thirds of the pairs by the mean margin of the seed models' rewards, before the rules and
    after, cut at the same margins. None without rewards."""
    before, after = _measured(store, recipe, made, LENGTH)
    third = {name: pl.col("margin").quantile(place / 3) for place, name in ((1, "low"), (2, "high"))}
    edges = before.group_by(BY).agg(**third)

    def cut(rows: pl.DataFrame) -> pl.DataFrame:
        turned = pl.when(right(rows.columns) < 0.5).then(-pl.col("margin")).otherwise("margin")
        told = rows.with_columns(margin=turned).filter(pl.col("margin").is_not_null()).join(edges, on=BY)
        above = sum((pl.col("margin") > pl.col(edge)).cast(pl.Int32) for edge in third)
        return told.with_columns(margin_third=1 + above)

    return _lengths(cut(before), cut(after), [*BY, "margin_third"], unit(recipe)).to_dicts()


def _lengths(before: pl.DataFrame, after: pl.DataFrame, by: Sequence[str], counted: str) -> pl.DataFrame:
    report = filters.load(LENGTH).report
    texts = (rows.filter(pl.col("log_ratio").is_not_null()) for rows in (before, after))
    return _joined(*(report(rows, by, counted) for rows in texts), by)


def measure(recipe: Recipe) -> str:
    """What of formatting the recipe's rule measures; without the rule all but code together."""
    return str(getattr(recipe.rules.get(FORMATTING), "measure", "all"))


def formatting(store: Store, recipe: Recipe, made: Plan) -> list[dict[str, Any]]:
    """The same of formatting, of what the recipe's `measure` counts: pairs, those that differ in it before the
    rules, the share of more formatted winners and the AUC. Parts in which no pair differs have no row."""
    found = _formatting(store, recipe, made, [measure(recipe)]).drop("formatting")
    return _joined(found, _left_alone(store, recipe, made, FORMATTING), BY).to_dicts()


def formatting_kinds(store: Store, recipe: Recipe, made: Plan) -> list[dict[str, Any]]:
    """The same of each kind of formatting by itself."""
    return _formatting(store, recipe, made, filters.load(FORMATTING).KINDS).to_dicts()


def _formatting(store: Store, recipe: Recipe, made: Plan, kinds: Sequence[str]) -> pl.DataFrame:
    sides = _measured(store, recipe, made, FORMATTING)
    before, after = (pl.concat([_of_kind(rows, kind) for kind in kinds]) for rows in sides)
    return _joined(before.filter(pl.col("differ") > 0), after.drop("differ"), [*BY, "formatting"])


def _of_kind(rows: pl.DataFrame, kind: str) -> pl.DataFrame:
    module = filters.load(FORMATTING)
    differs = module.measured(rows, kind).group_by(BY).agg(differ=(pl.col("chosen") != pl.col("rejected")).sum())
    told = _joined(module.report(rows, BY, kind), differs, BY)
    return told.select(*BY, pl.lit(kind).alias("formatting"), "pairs", "differ", "formatted_share", "auc")


def _left_alone(store: Store, recipe: Recipe, made: Plan, rule: str) -> pl.DataFrame:
    """Per source, criterion and modality of pairs that a rule has kept without a judgement: why, and the value."""
    lines = made.ledger.lazy().filter(pl.col("rule") == rule, pl.col("action") == "keep")
    told = steps.training(store, recipe).select(*KEY, *BY[1:]).join(lines, on=KEY)
    why = pl.format("{} ({})", pl.col("reason").first(), pl.col("value").first().round(3))
    return told.group_by(BY).agg(left_alone=why).collect(engine="streaming")


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


def _joined(before: pl.DataFrame, after: pl.DataFrame, on: Sequence[str]) -> pl.DataFrame:
    return before.join(after, on=on, how="left", suffix=" after", maintain_order="left")
