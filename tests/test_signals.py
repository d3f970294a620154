"""Signals in the store: a filter that measures nothing leaves a table that the next mixture can use."""

from __future__ import annotations

import json

import polars as pl
import pyarrow as pa
import pytest

import filters
from pipelines import outcomes, steps

SOURCE = """
from pairs.schema import Pair
from sources._source import Source
source = Source(repo="github:a/b", revision=None, files={"train": ("rows.jsonl",)}, licence="MIT",
                label_source="human", example={"prompt": "Why?", "chosen": "So it is.", "rejected": "No."})
def pairs(row):
    yield Pair(prompt=row["prompt"], chosen=row["chosen"], rejected=row["rejected"])
"""
NAMES = ("hers", "his")


@pytest.fixture
def recipes(tmp_path, toy_source):
    """Two mixtures of one source each, without pictures."""
    made = []
    for name in NAMES:
        toy_source(name, SOURCE)
        rows = [{"prompt": f"{name} {n}?", "chosen": f"Yes, {n}.", "rejected": "No."} for n in range(30)]
        (tmp_path / name).mkdir()
        (tmp_path / name / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
        file = tmp_path / f"of_{name}.toml"
        file.write_text(f'[sources.{name}]\npath = "{tmp_path}/{name}"\n[rules.near_images]\n')
        made.append(steps.load_recipe(str(file)))
    return made


def curated(store, recipe):
    """Rows that are published."""
    for name in recipe.sources:
        steps.ingest(store, recipe, name)
    for name in ["groups", *(name for name in filters.names() if name != "groups")]:
        steps.signal(store, recipe, name)
    steps.plan(store, recipe)
    return sum(outcomes.publish(store, recipe).rows.values())


def test_two_mixtures_without_pictures_are_curated_in_one_store(store, recipes):
    assert [curated(store, recipe) for recipe in recipes] == [30, 30]
    assert store.scan("signals/near_images").collect_schema()["mixture"] == pl.String


def test_an_empty_table_whose_mixtures_have_no_type_is_made_anew(store, recipes):
    """Stores of version 0.1.0 may have one: a list of no names was written without a type."""
    empty = pa.table({"mixture": pa.nulls(0), **{name: pa.array([], pa.string()) for name in ("pair_id", "old")}})
    store.append("signals/near_images", "of_gone", empty, {"fingerprint": "x", "rows": "0"})
    assert [curated(store, recipe) for recipe in recipes] == [30, 30]
    seen = store.scan("signals/near_images").collect_schema()
    assert seen["mixture"] == pl.String
    assert "old" not in seen
    assert store.facts("signals/near_images", "of_gone") == {"fingerprint": "x", "rows": "0"}


def test_the_card_says_what_was_not_measured_and_why(store, recipes):
    curated(store, recipes[0])
    card = (outcomes.published_root(store, recipes[0]) / "README.md").read_text()
    said = {part.split("\n")[0]: part.split("\n")[2] for part in card.split("## ")[1:]}
    assert said["Labels against rewards, before the rules and after"] == (
        "not measured: no rule of the recipe reads rewards, so no seed model has scored a pair"
    )
    assert said["Overlap with benchmarks"] == "not measured: the recipe lists no benchmark"
    assert said["Length bias by source, criterion and modality, before the rules and after"].startswith(
        "Share of pairs"
    )
