"""The jobs `search` and `ablate` on small sources: recipe, plots, table, and a second run that does nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from dataclasses import replace

import dagster as dg
import numpy as np
import polars as pl
import pytest
from test_rewards_transformers import text_backbone  # noqa: F401

from pairs.errors import RecipeError
from pairs.store import Store
from pipelines import ablate, notes, outcomes, searching, steps
from pipelines.resources import MixtureFile, StoreResource
from pipelines.train import evaluation, reward_model

SOURCE = """
from pairs.schema import Pair
from sources._source import Source
source = Source(repo="github:a/b", revision=None, files={{"train": ("rows.jsonl",)}}, licence="MIT",
                label_source="human", role="{role}",
                example={{"prompt": "Why?", "chosen": "So it is.", "rejected": "Because."}})
def pairs(row):
    yield Pair(prompt=row["prompt"], chosen=row["chosen"], rejected=row["rejected"], category=row["category"])
"""
RECIPE = """# mine
seed = 17
splits = {{ validation = 0.15, test = 0.25 }}
[sources.sound]
path = "{root}/sound"
[sources.plain]
path = "{root}/plain"
[sources.turned]
path = "{root}/turned"
[sources.judge]
path = "{root}/judge"
[rules.duplicates]
[rules.length_bias]
policy = "cap"
[search]
trials = 24
seeds = 2
trial_pairs = 600
"""
WORDS = [
    "river",
    "stone",
    "window",
    "paper",
    "garden",
    "copper",
    "winter",
    "candle",
    "ladder",
    "bridge",
    "forest",
    "metal",
]


def rows(count, seed, turned=False, wrong=0.3):
    """The better answer is polite, but for a share of wrong labels; lengths say nothing."""
    chance = np.random.default_rng(seed)
    for number in range(count):
        words = [" ".join(chance.choice(WORDS, chance.integers(5, 12))) for _ in range(2)]
        sides = [f"{words[0]}, thank you, I am happy to help.", f"{words[1]} no no no no no no!"]
        chosen, rejected = reversed(sides) if turned else sides
        if chance.random() < wrong:
            chosen, rejected = rejected, chosen
        yield {
            "prompt": f"Question {seed} {number}?",
            "chosen": chosen,
            "rejected": rejected,
            "category": "rude" if turned else "polite",
        }


@pytest.fixture
def mine(tmp_path, toy_source):
    import orjson

    sizes = {"sound": 240, "plain": 160, "turned": 240, "judge": 200}
    for place, (name, count) in enumerate(sizes.items()):
        toy_source(name, SOURCE.format(role="benchmark" if name == "judge" else "train"))
        (tmp_path / name).mkdir()
        wrong = {"turned": 0.05, "judge": 0.0}.get(name, 0.3)
        lines = [orjson.dumps(row) for row in rows(count, place, name == "turned", wrong)]
        (tmp_path / name / "rows.jsonl").write_bytes(b"\n".join(lines))
    file = tmp_path / "mine.toml"
    file.write_text(RECIPE.format(root=tmp_path))
    return file


def prepared(tmp_path, file):
    """A store with the sources, all signals and the features, and the recipe."""
    import filters

    store, recipe = Store(tmp_path / "store"), steps.load_recipe(str(file))
    for name in recipe.sources:
        steps.ingest(store, recipe, name)
    for name in ["groups", *(name for name in filters.names() if name != "groups")]:
        steps.signal(store, recipe, name)
    searching.features(store, recipe)
    return store, recipe


def test_the_search_writes_a_recipe_that_runs(tmp_path, mine):
    store, recipe = prepared(tmp_path, mine)
    found = searching.search(store, recipe)
    assert found["changed"]
    assert found["trusted"] == ["judge"]
    assert dict(zip(found["sources"], found["proposal"], strict=True))["turned"] < 1 / 3
    assert found["accuracy"]["proposal"] > max(0.8, found["accuracy"]["uniform"])
    path = searching.recipe_path(store, recipe)
    proposed = steps.load_recipe(str(path))
    weights = {name: given.weight for name, given in proposed.sources.items() if given.weight}
    assert 0.99 < sum(weights.values()) < 1
    assert "judge" in proposed.sources
    assert list(proposed.rules) == ["duplicates", "length_bias"]
    assert "# mine" in path.read_text()
    assert steps.decided(store, replace(proposed, name=recipe.name)).counts.rows > 0
    pngs = sorted(file.name for file in path.parent.glob("*.png"))
    assert pngs == ["mine_predicted.png", "mine_source_table.png", "mine_weights.png"]
    table = [line.split(" | ") for line in (path.parent / "mine_source_table.md").read_text().splitlines()[2:]]
    assert [row[0] for row in table] == [
        "| trained on", "|---|---|---|---|---|---|", "| uniform", "| proportional",
        *(f"| {what} {name}" for name in found["sources"] for what in ("only", "without")),
    ]  # fmt: skip
    assert table[0][1:] == ["judge", "plain", "sound", "turned", "deciding |"]
    only = found["tried"].index("only turned")
    figures = [f"{one:.3f}" for one in (*found["accuracies"][only], found["measured"][only])]
    assert "| only turned | " + " | ".join(figures) + " |" in map(" | ".join, table)
    assert searching.features(store, recipe).scored == 0
    assert not searching.search(store, recipe)["changed"]
    runs(tmp_path, store, proposed)
    both = tmp_path / "both.toml"  # the same with a proposal whose shares no mixture without weights would have
    shares = [{"sound": 0.3, "plain": 0.7}.get(name, 0.0) for name in found["sources"]]
    both.write_text(searching.recipe_text(recipe, {**found, "proposal": shares}))
    runs(tmp_path, store, steps.load_recipe(str(both)))


def runs(tmp_path, store, proposed):
    """The proposal is curated, published, loaded with the shares it asks for, and trained."""
    from datasets import load_dataset

    weights = {name: given.weight for name, given in proposed.sources.items() if given.weight}
    for name in proposed.sources:
        assert not steps.ingest(store, proposed, name).changed
    for name in ("groups", *proposed.rules):
        steps.signal(store, proposed, name)
    assert not any(steps.check_plan(store, proposed, steps.plan(store, proposed)).values())
    published = outcomes.publish(store, proposed)
    rows = load_dataset(str(published.root), proposed.name, cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows[split]) for split in rows} == dict(published.rows)
    sources = rows["train"]["source"]
    shares = {name: sources.count(name) / len(sources) for name in set(sources)}
    assert shares == pytest.approx(weights, abs=0.02)
    assert outcomes.train(store, proposed)["rows"] == len(sources)
    alike = replace(proposed, fingerprint="of another text")
    steps.plan(store, alike)
    assert outcomes.publish(store, alike).changed
    assert not outcomes.train(store, alike)["changed"], "the rows are the same"
    (judged,) = outcomes.evaluate(store, proposed)["benchmarks"]
    assert judged["figures"][judged["headline"]][0] > 0.8, "the benchmark that the search trusted"


def test_a_ratio_keeps_no_name_that_the_sources_left_do_not_hold(tmp_path, mine):
    told = mine.read_text().replace("seed = 17", "seed = 17\ncategory_ratio = { polite = 1, rude = 1 }")
    mine.write_text(
        told.replace("[rules.duplicates]", '[rules.duplicates]\npriority = ["turned", "plain", "sound"]')
    )
    store, recipe = prepared(tmp_path, mine)
    rows = {row["name"]: row["rows"] for row in ablate.ablate(store, recipe)["rows"]}
    polite = 240 + 160
    assert rows["source turned"] == pytest.approx(0.6 * polite, rel=0.15), "no rude pair is left to be as many as"
    assert rows["source sound"] == pytest.approx(0.6 * 2 * 160, rel=0.15)
    pool = searching.pool(store, recipe)
    assert pool.table.filter(source="sound").height == 240, "trials make mixtures of their own"
    found = searching.search(store, recipe)
    assert dict(zip(found["sources"], found["proposal"], strict=True))["turned"] < 1e-4
    path = searching.recipe_path(store, recipe)
    proposed = steps.load_recipe(str(path))
    assert proposed.category_ratio == {"polite": 1}
    left = [name for name in ("plain", "sound") if name in proposed.sources]
    assert proposed.rules["duplicates"].priority == left != []
    assert "turned" not in proposed.sources
    assert steps.decided(store, replace(proposed, name=recipe.name)).counts.rows > 0
    unplannable = re.sub(r"polite = [0-9.]+", "polite = 0", path.read_text())
    with pytest.raises(
        RecipeError, match=r"the proposal makes no mixture: .*category_ratio has no number above 0"
    ):
        searching.planned(store, recipe, unplannable)


def test_a_bilevel_search_writes_its_recipe_and_draws_its_path(tmp_path, mine):
    mine.write_text(mine.read_text() + 'method = "bilevel"\ntrusted = ["judge"]\n')
    store, recipe = prepared(tmp_path, mine)
    found = searching.search(store, recipe)
    shares = dict(zip(found["sources"], found["proposal"], strict=True))
    assert shares["turned"] < 1 / 12, "below a quarter of uniform"
    path = searching.recipe_path(store, recipe)
    proposed = steps.load_recipe(str(path)).sources
    assert {name: proposed[name].weight for name in shares if shares[name]} == pytest.approx(
        {name: share for name, share in shares.items() if share}, abs=1e-3
    )
    assert "turned" not in proposed
    assert "by the search `bilevel`" in path.read_text()
    assert (path.parent / "mine_path.png").read_bytes().startswith(b"\x89PNG")
    assert not searching.search(store, recipe)["changed"]


def test_held_out_sources_never_train_and_leave_the_recipe(tmp_path, mine):
    mine.write_text(mine.read_text() + 'held_out = ["plain"]\n')
    store, recipe = prepared(tmp_path, mine)
    pool = searching.pool(store, recipe)
    assert pool.sources(held_out=False) == ["sound", "turned"]
    assert pool.sources(held_out=True) == ["judge", "plain"]
    assert searching.search(store, recipe)["trusted"] == ["judge", "plain"]
    table = tomllib.loads(searching.recipe_path(store, recipe).read_text())
    assert "plain" not in table["sources"]
    assert "search" not in table


def test_the_ablation_shows_what_a_bad_source_costs(tmp_path, mine):
    store, recipe = prepared(tmp_path, mine)
    done = ablate.ablate(store, recipe)
    names = {"rule duplicates", "rule length_bias", "all rules", "source sound", "source plain", "source turned"}
    found = {row["name"]: row for row in done["rows"]}
    assert set(found) == names
    gain, low, high = found["source turned"]["benchmarks"]
    assert low <= gain <= high < 0
    assert found["source turned"]["benchmarks"][0] < found["source sound"]["benchmarks"][0]
    whole = steps.decided(store, recipe).rows.filter(split="train").height
    assert found["rule duplicates"]["rows"] == whole  # there is none to drop
    assert found["rule duplicates"]["as_found"] == [0, 0, 0]
    assert found["source turned"]["rows"] < whole
    text = store.path("reports", "mine_ablation.md").read_text()
    assert all(name in text for name in names)
    assert not ablate.ablate(store, recipe)["changed"]
    assert notes.read(store, "ablated", "mine")["rows"] == done["rows"]


def test_an_ablation_without_splits_says_what_to_add(tmp_path, mine):
    mine.write_text(mine.read_text().replace("splits = { validation = 0.15, test = 0.25 }", ""))
    store, recipe = prepared(tmp_path, mine)
    with pytest.raises(RecipeError, match=r"needs the splits test and validation, found none; add splits"):
        ablate.ablate(store, recipe)


def test_a_name_in_search_that_is_no_source_is_an_error(mine):
    mine.write_text(mine.read_text() + 'trusted = ["judg"]\n')
    with pytest.raises(RecipeError, match=r"\[search\] names 'judg', which is no source.*did you mean 'judge'"):
        steps.load_recipe(str(mine))


def test_the_search_table_changes_nothing_of_the_mixture(mine):
    before = steps.load_recipe(str(mine)).fingerprint
    mine.write_text(mine.read_text().replace("trials = 24", "trials = 25"))
    assert steps.load_recipe(str(mine)).fingerprint == before


def test_search_and_training_read_the_same_states_of_a_backbone(tmp_path, mine, text_backbone):  # noqa: F811
    told = mine.read_text().split("[sources.plain]")[0] + f'[sources.judge]\npath = "{tmp_path}/judge"\n'
    told += f'[search]\nfeatures = "{text_backbone}"\n'
    mine.write_text(f'{told}[train]\nbackbone = "{text_backbone}"\nfreeze_backbone = true\nbatch_size = 32\n')
    store, recipe = prepared(tmp_path, mine)
    steps.plan(store, recipe)
    outcomes.publish(store, recipe)
    given = {"store": StoreResource(root=str(store.root)), "mixture": MixtureFile(path=str(mine))}
    result = dg.materialize([reward_model, evaluation], resources=given)
    done, found = (
        {name: value.value for name, value in event.materialization.metadata.items()}
        for event in result.get_asset_materialization_events()
    )
    assert (done["completions scored"], done["completions unscored"]) == (0, 0)
    assert done["completions cached"] == 2 * (done["pairs"] + len(held(store, recipe, "validation")))
    assert "image/png" in done["plots"], "the curve"
    assert found["accuracy"] > 0.6
    assert found["pairs"] == len(held(store, recipe, "test"))
    assert not outcomes.train(store, recipe)["changed"]


def held(store, recipe, split):
    return steps.planned(store, recipe).rows.filter(pl.col("split") == split)


@pytest.mark.slow
def test_both_jobs_run_from_the_native_files(tmp_path, mine):
    """In a process of their own, for the graph is made of the sources that are there when it is imported."""
    code = (
        "import sys; from pipelines import defs\n"
        "resources = {'store': {'config': {'root': sys.argv[1]}}, 'mixture': {'config': {'path': sys.argv[2]}}}\n"
        "for job in ('search', 'ablate'):\n"
        "    assert defs.resolve_job_def(job).execute_in_process({'resources': resources}).success\n"
    )
    root = tmp_path / "store"
    environment = {**os.environ, "PREFMILL_SOURCES": str(tmp_path / "toy_sources"), "DAGSTER_HOME": ""}
    subprocess.run([sys.executable, "-c", code, str(root), str(mine)], env=environment, check=True)
    reports = sorted(file.name for file in (root / "reports").iterdir())
    assert "mine_searched.toml" in reports
    assert "mine_ablation.png" in reports
