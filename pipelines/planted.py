"""How many of the demo's planted defects were found, by kind: the truth file against what the run wrote."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

import filters
from mixtures._recipe import Recipe
from pairs.store import Store

# planted kind -> the rule that is there to find it
FOUND_BY = {
    "exact_duplicate": "duplicates",
    "near_duplicate": "near_duplicates",
    "contradiction": "contradictions",
    "flipped_label": "reward_disagreement",
    "length_bias": "length_bias",
    "benchmark_prompt": "contamination",
}


@dataclass(frozen=True)
class Planted:
    """`found` of `planted` defects of one kind; `note` says why none could be, or how it was judged."""

    kind: str
    planted: int
    found: int | None
    note: str


def planted(store: Store, recipe: Recipe) -> list[Planted]:
    """One entry per kind, in the order of their names; empty when the mixture is not the demo's."""
    file = store.path("demo", "truth.parquet")
    if not file.exists() or not any((given.path or "").startswith("demo://") for given in recipe.sources.values()):
        return []
    truth = pl.read_parquet(file).filter(pl.col("source").is_in(list(recipe.sources)))
    ledger = store.scan("ledger", [recipe.name]).collect()
    bad_rows = store.scan("bad_rows", list(recipe.sources)).collect()
    kinds = truth.partition_by("kind", as_dict=True)
    return [_found(str(kind), rows, ledger, bad_rows, recipe) for (kind,), rows in sorted(kinds.items())]


def _found(
    kind: str, truth: pl.DataFrame, ledger: pl.DataFrame, bad_rows: pl.DataFrame, recipe: Recipe
) -> Planted:
    if kind == "broken_image":
        hits = truth.join(bad_rows, on=["source", "source_split", "source_row"], how="semi")
        return Planted(kind, truth.height, hits.height, "set aside while reading")
    rule = FOUND_BY[kind]
    planted_ = truth["cluster"].n_unique()
    if rule not in filters.names():
        return Planted(kind, planted_, None, f"no filter {rule} yet")
    if rule not in recipe.rules:
        return Planted(kind, planted_, None, f"no [rules.{rule}] in this mixture")
    touched = ledger.filter(pl.col("rule") == rule)
    if kind == "flipped_label":  # what it weighs to keep lengths as they were is not what it found
        touched = touched.filter(~pl.col("action").is_in(["weight", "keep"]))
    keys = ["source"] if kind == "length_bias" else ["source", "pair_id"]
    hits = truth.join(touched, on=keys, how="semi")
    note = f"by [rules.{rule}]"
    if kind == "flipped_label":
        there = touched.filter(pl.col("source").is_in(truth["source"].unique().implode()))
        right = there.join(truth, on=keys, how="semi").height
        note += f"; {right} of the {there.height} pairs it touched in these sources were planted"
    return Planted(kind, planted_, hits["cluster"].n_unique(), note)


def lines(found: list[Planted]) -> list[str]:
    """The table as text lines."""
    out = []
    for one in found:
        count = f"{one.found} of {one.planted}" if one.found is not None else f"- of {one.planted}"
        out.append(f"{one.kind:<18} {count:>12}   {one.note}")
    return out
