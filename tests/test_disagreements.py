"""The report's section on reward disagreement: books by source and modality, and texts that people can read."""

from __future__ import annotations

import polars as pl
import pytest

import filters
from pairs.store import Store
from pipelines import biases, disagreements, looks, report, steps, survivors

RECIPE = """
[sources.hh_rlhf]
path = "demo://hh_rlhf"
[rules.reward_disagreement]
min_agreement = 0.5
"""


@pytest.fixture(scope="module")
def curated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("disagreements")
    (folder / "small.toml").write_text(RECIPE)
    store, recipe = Store(folder / "store"), steps.load_recipe(str(folder / "small.toml"))
    steps.ingest(store, recipe, "hh_rlhf")
    steps.signal(store, recipe, "groups")
    steps.score(store, recipe)
    for name in filters.names():
        steps.signal(store, recipe, name)
    return store, recipe, steps.plan(store, recipe)


def decided(store, folder, *rules):
    """The recipe with these rules, and its plan."""
    (folder / "small.toml").write_text(RECIPE.split("[rules")[0] + "\n".join(rules))
    recipe = steps.load_recipe(str(folder / "small.toml"))
    return recipe, steps.decided(store, recipe)


def test_the_books_are_of_the_pairs_that_the_rule_was_given(curated, tmp_path):
    store, _, _ = curated
    rules = ('[rules.length_bias]\npolicy = "cap"\nratio = 1.2', "[rules.reward_disagreement]")
    recipe, made = decided(store, tmp_path, *rules)
    left = made.counts.candidates - made.ledger.filter(rule="length_bias").height
    rows = disagreements.books(store, recipe, made)
    assert sum(row["pairs"] for row in rows) == left < made.counts.candidates
    recipe, made = decided(store, tmp_path, *rules, f"min_pairs = {left}")
    kept = made.ledger.filter(rule="reward_disagreement", action="keep")
    assert set(kept["reason"]) == {"too_few_scored_pairs"}
    rows = disagreements.books(store, recipe, made)
    assert (sum(row["pairs"] for row in rows), len(rows)) == (kept.height, 2)
    assert {row["abstains"] for row in rows} == {"too_few_scored_pairs"}


def agreeing(store, folder, gold, other, *keys):
    text = f'[rules.reward_disagreement]\npolicy = "keep_if_agree"\ngold = "{gold}"\nothers = ["{other}"]'
    return decided(store, folder, text, *keys)


def test_the_books_say_where_the_gold_model_was_not_believed(curated, tmp_path):
    store, _, _ = curated
    recipe, made = agreeing(store, tmp_path, "cross", "dynamics", "min_agreement = 0.7")
    kept = made.ledger.filter(rule="reward_disagreement", action="keep")
    assert set(kept["reason"]) == {"rewards_disagree_too_often"}, "another model is, and the mean of all would be"
    rows = disagreements.books(store, recipe, made)
    assert {(row["abstains"], row["trusted"]) for row in rows} == {("rewards_disagree_too_often", 0)}


def test_margins_of_the_gold_model_are_not_shown_as_probabilities(curated, tmp_path):
    store, _, _ = curated
    recipe, made = agreeing(store, tmp_path, "cross", "dynamics", "min_agreement = 0.5")
    values = [row["value"] for part in disagreements.examples(store, recipe, made) for row in part["most"]]
    assert min(values) < 0
    assert disagreements.meaning(recipe) == "gold model's margin"
    assert disagreements.meaning(curated[1]) == "label is right with"


def test_the_books_see_what_earlier_rules_have_turned_and_weighed(curated, tmp_path):
    store, _, _ = curated
    recipe, made = decided(
        store, tmp_path, '[rules.reward_disagreement]\npolicy = "flip"\nmin_agreement = 0.5', "[rules.length_bias]"
    )
    seen = survivors.given_to(store, recipe, made, "length_bias")
    flips = made.ledger.filter(rule="reward_disagreement", action="flip")
    assert seen.filter("flipped")["pair_id"].sort().to_list() == flips["pair_id"].sort().to_list()
    assert "log_ratio" in seen.columns


def test_what_was_dropped_is_counted_by_source_and_modality(curated):
    store, recipe, made = curated
    (row,) = disagreements.dropped(store, recipe, made)
    gone = made.ledger.filter(rule="reward_disagreement", action="drop").height
    assert (row["source"], row["modality"], row["drop"], row["flip"]) == ("hh_rlhf", "text", gone, 0)
    assert row["share"] == pytest.approx(gone / row["pairs"])
    assert gone > 45


def test_the_most_and_the_least_confident_disagreements_are_shown_with_texts_and_rewards(curated):
    store, recipe, made = curated
    (shown,) = disagreements.examples(store, recipe, made)
    assert (shown["source"], shown["modality"]) == ("hh_rlhf", "text")
    drops = made.ledger.filter(rule="reward_disagreement", action="drop")["value"].sort()
    assert [row["value"] for row in shown["most"]] == drops.head(20).to_list()
    assert [row["value"] for row in shown["least"]] == drops.tail(20).reverse().to_list()
    pairs = store.scan("pairs", ["hh_rlhf"]).collect()
    for row in [*shown["most"], *shown["least"]]:
        native = pairs.row(by_predicate=pl.col("pair_id") == row["pair_id"], named=True)
        assert native["chosen"][-1]["content"].startswith(row["chosen"].rstrip("…"))
        assert len(row["prompt"]) <= 401
        assert [model.split("-")[0] for model, _, _ in row["rewards"]] == ["cross", "dynamics"]


def test_the_report_has_the_section(curated):
    store, recipe, made = curated
    page = report.write(store, recipe).read_text()
    assert "hh_rlhf, text: the most and the least confident disagreements</summary>" in page
    assert "<th>label is right with</th>" in page
    assert "The 20 disagreements with most confidence" in page
    assert "The 20 disagreements with least confidence" in page
    from markupsafe import escape

    row = disagreements.examples(store, recipe, made)[0]["most"][0]
    assert str(escape(row["prompt"])) in page
    assert f"{row['rewards'][0][1]:.3f}" in page


def test_the_report_has_formatting_beside_length(curated):
    store, recipe, made = curated
    page = report.write(store, recipe).read_text()
    section = page.split("<h2>Formatting bias")[1].split("<h2>")[0]
    assert "No rule of the recipe balances it" in section
    assert '<img alt="formatting"' in section
    for row in biases.formatting_kinds(store, recipe, made):
        assert f"<td>{row['formatting']}</td>" in section


@pytest.mark.parametrize("policy", ["drop", "flip"])
def test_lengths_are_told_within_thirds_of_the_reward_margin(curated, tmp_path, policy):
    """Of what is flipped the margin turns too: it is no longer among those with the least."""
    store, _, _ = curated
    recipe, made = decided(
        store, tmp_path, f'[rules.reward_disagreement]\npolicy = "{policy}"\nmin_agreement = 0.5'
    )
    rows = biases.lengths_by_margin(store, recipe, made)
    assert [(row["criterion"], row["margin_third"]) for row in rows] == [
        (criterion, third) for criterion in ("harmlessness", "helpfulness") for third in (1, 2, 3)
    ]
    lengths = biases.lengths(store, recipe, made)
    for whole, *thirds in zip(lengths, rows[::3], rows[1::3], rows[2::3], strict=False):
        sizes = [row["pairs"] for row in thirds]
        assert sum(sizes) == whole["pairs"]
        assert max(sizes) - min(sizes) < 3
        told = sum(row["pairs"] * row["longer_share"] for row in thirds) / whole["pairs"]
        assert told == pytest.approx(whole["longer_share"])
        assert sum(row["pairs after"] or 0 for row in thirds) == whole["pairs after"]
        assert (thirds[0]["pairs after"] or 0) < 0.8 * sizes[0]


def test_without_the_rule_there_is_nothing_to_show(curated, tmp_path):
    store, _, _ = curated
    (tmp_path / "small.toml").write_text(RECIPE.split("[rules")[0])
    recipe = steps.load_recipe(str(tmp_path / "small.toml"))
    assert disagreements.examples(store, recipe, steps.decided(store, recipe)) == []


@pytest.mark.parametrize("policy", ["drop", "flip"])
def test_plots_count_pairs_by_weight_and_with_the_label_they_are_published_with(curated, tmp_path, policy):
    store, _, _ = curated
    (tmp_path / "small.toml").write_text(f'{RECIPE}policy = "{policy}"\n')
    recipe = steps.load_recipe(str(tmp_path / "small.toml"))
    made = steps.decided(store, recipe)
    every, left = looks.measures(store, recipe, made)
    signal = (
        steps.signals(store, recipe, "length_bias").collect().select("pair_id", "chosen_chars", "rejected_chars")
    )
    rows = made.rows.join(signal, on="pair_id").with_columns(weight=pl.col("weight").fill_null(1.0))
    longer = (pl.col("chosen_chars") - pl.col("rejected_chars")) * pl.when("flipped").then(-1).otherwise(1)
    told = rows.select((longer * pl.col("weight")).sum()).item()
    assert (left["difference"] * left["weight"]).sum() == pytest.approx(told)
    assert every["difference"].sum() == pytest.approx((signal["chosen_chars"] - signal["rejected_chars"]).sum())
    against = [(frame["reward_margin"] < 0).sum() for frame in (every, left)]
    assert against[0] > 100
    assert against[1] < against[0] / 2  # what the rule left alone
