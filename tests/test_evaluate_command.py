"""`prefmill evaluate` and `prefmill compare` on a small trained mixture: all that was measured, text and JSON."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import dagster as dg
import pytest
from typer.testing import CliRunner

from pairs.errors import RecipeError
from pairs.store import Store
from pipelines import benchmarks, compare, notes, outcomes, report, steps
from pipelines.cli import app
from pipelines.resources import MixtureFile, StoreResource
from pipelines.train import reward_model

TRAINING = """
{keys}
splits = {{ test = 0.3 }}
[sources.rasbt_dpo]
path = "{root}"
"""
BENCHMARKS = """
[sources.judgebench]
path = "{root}"
splits = ["{split}"]
[sources.llmbar]
path = "{root}"
splits = ["natural"]
"""
SIGNALS = ("groups", "contamination", "formatting_bias", "length_bias", "near_images", "reward_disagreement")


def question(n):
    return f"Which of the {n} rivers that cross the northern plain is the longest, and where does it rise?"


@pytest.fixture
def native(tmp_path):
    """Forty pairs to train on, two of which ask what JudgeBench asks; eight games by gpt, two by claude."""
    made = {"input": "", "output": ""}
    rows = [{**made, "instruction": question(n) if n < 2 else f"Say the number {n} in words.",
             "chosen": f"It is {n}, thank you.", "rejected": f"No {n} no no!"} for n in range(40)]  # fmt: skip
    (tmp_path / "instruction-data-with-preference.json").write_text(json.dumps(rows))
    for model, count in (("gpt-x", 8), ("claude-x", 2)):
        games = [
            {"pair_id": f"{model} {n}", "original_id": None, "source": "livecodebench", "question": question(n),
             "response_model": model, "response_A": f"It is {n}.", "response_B": "No no no!", "label": "A>B"}
            for n in range(count)
        ]  # fmt: skip
        file = tmp_path / f"dataset=judgebench,response_model={model}.jsonl"
        file.write_text("\n".join(map(json.dumps, games)))
    folder = tmp_path / "LLMBar" / "Natural"
    folder.mkdir(parents=True)
    one = {"input": "Name a river.", "output_1": "The Elbe, thank you.", "output_2": "No no!", "label": 1}
    (folder / "dataset.json").write_text(json.dumps([one]))
    return tmp_path


def recipe(native, name, keys="", split="gpt", trains=True):
    file = native / f"{name}.toml"
    text = (TRAINING if trains else "") + BENCHMARKS
    file.write_text(text.format(root=native, keys=keys, split=split))
    return file


def trained(native, file):
    store = Store(native / "store")
    mine = steps.load_recipe(str(file))
    for name in mine.sources:
        steps.ingest(store, mine, name)
    for name in SIGNALS:
        steps.signal(store, mine, name)
    steps.plan(store, mine)
    outcomes.publish(store, mine)
    outcomes.train(store, mine)
    outcomes.evaluate(store, mine)
    return store, mine


@pytest.fixture
def say(native, monkeypatch):
    monkeypatch.setenv("PREFMILL_STORE", str(native / "store"))

    def run(*words):
        done = CliRunner().invoke(app, list(map(str, words)))
        assert done.exit_code == 0, done.output
        return done.output

    return run


def test_all_that_was_measured_is_told_clean_and_contaminated_apart(native, say):
    file = recipe(native, "mine")
    store, mine = trained(native, file)
    short = say("evaluate", file)
    assert "in part: gpt/mmlu-pro 0 of 154" in short
    assert "gpt/livecodebench 8 of 42" in short
    assert "claude" not in short
    found = json.loads(say("evaluate", file, "--json"))
    judgebench = next(one for one in found["benchmarks"] if one["benchmark"] == "judgebench")
    assert (judgebench["clean"][0], judgebench["contaminated"][0]) == (6, 2)
    assert found["held_out"]["accuracy"] == notes.read(store, "evaluated", "mine")["accuracy"]
    assert judgebench["figures"]["claude"] == [None] * 3, "JSON knows no NaN"
    told = say("evaluate", file, "--details")
    assert "accuracy of rasbt_dpo" in told
    assert short.split("\n\n")[1].strip() in told
    for name, (value, low, high) in judgebench["figures"].items():
        line = next(line for line in told.splitlines() if line.startswith(f"  {name}  "))
        assert line.split(name)[1].split() == (
            ["-", "-"] if value is None else f"{value:.3f} {low:.3f} to {high:.3f}".split()
        )
    assert f"clean pairs (6): gpt {judgebench['clean'][1][0]:.3f}" in " ".join(told.split())
    assert f"contaminated pairs (2): gpt {judgebench['contaminated'][1][0]:.3f}" in " ".join(told.split())
    rows = {row["figure"]: row["mine"] for row in compare.table(store, [mine])}
    assert rows["judgebench, in part: gpt, clean"] == tuple(judgebench["clean"][1])
    assert rows["judgebench, in part: gpt, contaminated"] == tuple(judgebench["contaminated"][1])


def test_a_headline_over_nothing_is_a_dash_with_what_is_missing(native, say):
    file = recipe(native, "mine", split="claude")
    store, mine = trained(native, file)
    short = say("evaluate", file)
    line = next(line for line in short.splitlines() if line.startswith("judgebench"))
    assert line.split()[:4] == ["judgebench", "gpt", "-", "-"]
    assert "gpt/mmlu-pro 0 of 154" in line
    assert "judgebench, in part: gpt" not in compare.figures(store, mine)
    page = re.sub(r"base64,[^\"]*", "", report.write(store, mine).read_text())
    assert not re.search(r"\bnan\b", page)
    facts = notes.read(store, "evaluated", "mine")
    assert math.isnan(facts["benchmarks"][0]["figures"]["gpt"][0])


def test_a_figure_measured_in_part_stands_beside_the_printed_one(native):
    file = recipe(native, "mine")
    store, mine = trained(native, file)
    facts = notes.read(store, "evaluated", "mine")
    one = {
        **facts["benchmarks"][0],
        "benchmark": "rm_bench",
        "headline": "macro",
        "missing": ["safety 284 of 441"],
    }
    figures = {"macro": (0.6, 0.5, 0.7), "hard": (0.4, 0.3, 0.5)}
    notes.write(store, "evaluated", "mine", {**facts, "benchmarks": [{**one, "figures": figures}]})
    real = replace(mine, train=mine.train.model_copy(update={"backbone": "Qwen/Qwen2.5-VL-7B-Instruct"}))
    rows = compare.table(store, [real])
    names = [row["figure"] for row in rows]
    assert names.index("rm_bench: macro") - names.index("rm_bench, in part: macro") < 5
    between = names[names.index("rm_bench, in part: macro") : names.index("rm_bench: macro")]
    assert all(name.startswith("rm_bench, in part") for name in between)
    printed = {title: figure for title, figure in rows[names.index("rm_bench: macro")].items() if figure}
    assert printed == {
        "figure": "rm_bench: macro",
        "printed in BaseReward's paper, table 7, seven sets": (0.687,) * 3,
        "printed in BaseReward's paper, table 7, mean of two": (0.757,) * 3,
        "printed in BaseReward's paper, table 7, mean of two, Qwen3-8B for text": (0.771,) * 3,
    }
    ensemble = rows[names.index("vl_rewardbench: macro")]["printed in BaseReward's paper, final ensemble"]
    assert ensemble == (0.8291,) * 3


def test_a_recipe_of_benchmarks_alone_measures_any_model(native, say):
    store, _ = trained(native, recipe(native, "mine"))
    alone = recipe(native, "alone", trains=False)
    for name in ("judgebench", "llmbar"):
        steps.ingest(store, steps.load_recipe(str(alone)), name)
    told = say("evaluate", alone, "--model", store.path("models", "mine"))
    assert told.startswith("held-out split not measured: alone: nothing published yet")
    assert "judgebench" in told
    found = json.loads(say("evaluate", alone, "--model", store.path("models", "mine"), "--json"))
    assert found["held_out"] is None
    assert [one["clean"] for one in found["benchmarks"]] == [None, None], "nothing was trained on"


def test_a_recipe_names_the_model_for_its_texts(native, say):
    plain = recipe(native, "plain")
    store, _ = trained(native, plain)
    before = notes.read(store, "evaluated", "plain")
    mine = recipe(native, "mine", keys='text_model = "words"')
    assert steps.load_recipe(str(mine)).fingerprint == steps.load_recipe(str(plain)).fingerprint
    with pytest.raises(RecipeError, match="text_model = 'words' is no mixture with a trained model; run the job"):
        trained(native, mine)
    assert not store.path("models", "mine").exists(), "it is said before the training"
    words = recipe(native, "words", keys="seed = 3")
    trained(native, words)
    _, routed = trained(native, mine)
    text = notes.read(store, "evaluated", "words")["benchmarks"]
    assert notes.read(store, "evaluated", "mine")["benchmarks"][1]["figures"] == text[1]["figures"]
    own = benchmarks.models(store, routed, ["mine"], [])
    both = benchmarks.models(store, routed, [], [])
    assert both.fingerprint != own.fingerprint == benchmarks.models(store, routed, ["plain"], []).fingerprint
    assert notes.read(store, "evaluated", "mine")["model"] == both.fingerprint != before["model"]


def test_the_asset_tells_why_pairs_were_left_out(native):
    file = recipe(native, "mine")
    file.write_text(file.read_text() + "[train]\nmax_pairs = 20\n")
    store, mine = trained(native, file)
    resources = {"store": StoreResource(root=str(store.root)), "mixture": MixtureFile(path=str(file))}
    result = dg.materialize([reward_model], resources=resources)
    (made,) = result.asset_materializations_for_node("reward_model")
    told = {name: value.value for name, value in made.metadata.items()}
    left_out = steps.split_rows(steps.planned(store, mine))["train"] - 20
    assert told["left out"] == told["left out: beyond max_pairs (20)"] == left_out > 0
    assert told["pictures scaled to max_pixels"] == 0
