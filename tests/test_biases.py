"""What the report says of length and formatting: by source, criterion and modality, before and after."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from pairs.store import Store
from pipelines import biases, steps

SOURCES = '[sources.hh_rlhf]\npath = "demo://hh_rlhf"\n[sources.rlaif_v]\npath = "demo://rlaif_v"\n'


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """A store with two sources and the signals that need no rewards, and `plan(rules)` on it."""
    folder = tmp_path_factory.mktemp("biases")
    store = Store(folder / "store")

    def plan(rules):
        (folder / "small.toml").write_text(SOURCES + rules)
        recipe = steps.load_recipe(str(folder / "small.toml"))
        for name in recipe.sources:
            steps.ingest(store, recipe, name)
        for name in ("groups", "length_bias", "formatting_bias"):
            steps.signal(store, recipe, name)
        return store, recipe, steps.decided(store, recipe)

    return plan


def test_criteria_of_one_source_are_told_apart_as_the_rule_tells_them(read):
    rows = biases.lengths(*read("[rules.length_bias]\n"))
    parts = [(row["source"], row["criterion"], row["modality"]) for row in rows]
    assert parts == [
        ("hh_rlhf", "harmlessness", "text"),
        ("hh_rlhf", "helpfulness", "text"),
        ("rlaif_v", "faithfulness", "image"),
    ]
    for row in rows:
        assert row["auc after"] == pytest.approx(0.5, abs=0.03)
        assert row["pairs after"] <= row["pairs"]


def test_soft_labels_count_as_the_loss_sees_them_flipped_or_not(read):
    """Labels of all pairs whose shorter one won held right with 0.1; flipped, they are published with 0.9."""
    store, recipe, made = read("")
    signal = steps.signals(store, recipe, "length_bias").collect()
    doubted = pl.col("pair_id").is_in(signal.filter(pl.col("log_ratio") < 0)["pair_id"].to_list())
    softened = made.rows.with_columns(soft_label=pl.when(doubted).then(0.1))
    flipped = made.rows.with_columns(flipped=doubted, soft_label=pl.when(doubted).then(0.9))
    first = steps.pairs(store, recipe).filter(pl.col("source") == "hh_rlhf", pl.col("criterion") == "harmlessness")
    shorter = first.join(signal.lazy(), on="pair_id").select((pl.col("log_ratio") < 0).mean()).collect().item()
    for rows in (softened, flipped):
        told = biases.lengths(store, recipe, replace(made, rows=rows))[0]
        assert told["longer_share after"] == pytest.approx(told["longer_share"] + 0.9 * shorter)
        assert told["auc after"] > told["auc"] + 0.1
