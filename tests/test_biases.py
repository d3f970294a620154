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


def test_formatting_is_told_by_kind_before_and_after_its_rule(read):
    store, recipe, made = read("[rules.formatting_bias]\n")
    signal = steps.signals(store, recipe, "formatting_bias").collect()
    every = steps.pairs(store, recipe).collect()
    part = every.filter(source="hh_rlhf", criterion="helpfulness").join(signal, on="pair_id")
    kinds = {row["formatting"]: row for row in biases.formatting_kinds(store, recipe, made)
             if row["criterion"] == "helpfulness"}  # fmt: skip
    for kind in ("headings", "lists", "bold", "emoji", "code"):
        more = (part[f"chosen_{kind}"] - part[f"rejected_{kind}"]).sign()
        assert (kind in kinds) == (more != 0).any()
        if kind in kinds:
            assert kinds[kind]["formatted_share"] == pytest.approx((more.mean() + 1) / 2)
            assert (kinds[kind]["pairs"], kinds[kind]["differ"]) == (part.height, (more != 0).sum())
    assert kinds
    (row,) = (one for one in biases.formatting(store, recipe, made) if one["criterion"] == "helpfulness")
    gone = made.ledger.join(part, on=["source", "pair_id"], how="semi").height
    assert row["pairs after"] == row["pairs"] - gone
    assert abs(row["auc after"] - 0.5) <= abs(row["auc"] - 0.5)


def test_what_the_rule_measures_is_what_is_told(read):
    store, recipe, made = read('[rules.formatting_bias]\nmeasure = "lists"\n')
    lists = [row for row in biases.formatting_kinds(store, recipe, made) if row.pop("formatting") == "lists"]
    told = biases.formatting(store, recipe, made)
    assert [{name: row[name] for name in lists[0]} for row in told] == lists
    assert lists


@pytest.mark.parametrize("rule", ["length_bias", "formatting_bias"])
def test_what_a_rule_left_alone_is_said_beside_its_figures(read, rule):
    store, recipe, made = read(f"[rules.{rule}]\nmax_dropped = 0.02\n")
    kept = made.ledger.filter(rule=rule, action="keep", source="hh_rlhf")
    rows = (biases.lengths if rule == "length_bias" else biases.formatting)(store, recipe, made)
    said = {row["left_alone"] for row in rows if row["source"] == "hh_rlhf"} - {None}
    assert said == {f"would_drop_too_many ({round(value, 3)})" for value in kept["value"].unique()}
    assert said


def test_without_rewards_there_are_no_thirds_of_the_margin(read):
    assert biases.lengths_by_margin(*read("[rules.length_bias]\n")) == []


def test_the_figures_are_in_the_unit_of_the_rule(read):
    tokens = biases.lengths(*read('[rules.length_bias]\nunit = "tokens"\n'))
    characters = biases.lengths(*read("[rules.length_bias]\n"))
    assert [row["auc"] for row in tokens] != [row["auc"] for row in characters]
    assert max(abs(row["auc after"] - 0.5) for row in tokens) < 0.03
