"""The mixtures that ship: what their files promise holds of their sources; and a recipe from file to plan."""

from __future__ import annotations

from collections import Counter

import pytest
from mixtures_made import text_rows, write
from typer.testing import CliRunner

import sources
from mixtures._licences import COMMERCIAL, OTHER
from pairs.errors import Unavailable
from pipelines import steps
from pipelines.cli import app
from pipelines.steps import load_recipe


def training(recipe):
    return [name for name in recipe.sources if sources.load(name).source.role == "train"]


def test_every_source_of_the_open_mixture_allows_commercial_use():
    recipe = load_recipe("mixtures/open.toml")
    assert recipe.licences.use == "commercial"
    assert not COMMERCIAL & OTHER
    assert len(training(recipe)) == 10
    for name in training(recipe):
        assert sources.load(name).source.licence in COMMERCIAL, name
    assert {sources.load(name).source.modality for name in training(recipe)} == {"text", "image"}


def test_basereward_holds_the_seven_sets_and_the_benchmarks_it_must_not_contain(monkeypatch):
    monkeypatch.setenv("PREFMILL_COCO", "/somewhere")
    recipe = load_recipe("mixtures/basereward.toml")
    r1_reward = {"mm_rlhf", "rlhf_v", "vlfeedback", "povid", "wildvision_battle"}
    text = {"ultrafeedback_hard", "tulu3_if", "olmo2_mix", "tulu3_wildchat_ultrafeedback"}
    assert set(training(recipe)) == {"rlaif_v", "mmpr_v1_2", *r1_reward, *text}
    assert {sources.load(name).source.modality for name in text} == {"text"}
    assert all(given.weight is None for given in recipe.sources.values())
    benchmarks = set(recipe.sources) - set(training(recipe))
    assert benchmarks == {"vl_rewardbench", "mm_rlhf_rewardbench", "rewardbench", "rm_bench"}
    assert next(iter(recipe.rules)) == "contamination"
    beside = load_recipe(f"mixtures/{recipe.text_model}.toml")
    assert set(training(beside)) == text, "the text model learns the same four sets, and no picture"
    assert set(beside.sources) - text == {"rewardbench", "rm_bench"}
    assert beside.train.backbone == "Qwen/Qwen3-8B"


@pytest.mark.parametrize(("name", "code"), [("open", 0), ("demo", 0), ("basereward_text", 0), ("basereward", 1)])
def test_a_mixture_gives_its_run_configuration_or_says_what_has_to_be_prepared(name, code, monkeypatch):
    monkeypatch.delenv("PREFMILL_COCO", raising=False)
    done = CliRunner().invoke(app, ["run-config", f"mixtures/{name}.toml"])
    assert done.exit_code == code
    said = f"path: mixtures/{name}.toml" if code == 0 else "sources.povid.pictures needs the environment variable"
    assert said in done.output


def test_a_hub_that_does_not_answer_is_one_line_that_says_how_to_go_on(store, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    recipe = load_recipe("mixtures/open.toml")
    with pytest.raises(
        Unavailable, match=r"the hub does not answer .*network.*`path`.*take the source out"
    ) as found:
        steps.ingest(store, recipe, "helpsteer3")
    assert "\n" not in str(found.value)


def test_a_category_ratio_reaches_the_plan_of_a_stored_mixture(tmp_path, store):
    rows = text_rows("hh_rlhf", 30)
    write(store, "hh_rlhf", [{**one, "category": ("math", "chat", None)[n % 3]} for n, one in enumerate(rows)])
    file = tmp_path / "ratio.toml"
    file.write_text("category_ratio = { math = 1, chat = 2 }\n[sources.hh_rlhf]\n")
    recipe = load_recipe(str(file))
    steps.signal(store, recipe, "groups")
    made = steps.plan(store, recipe)
    kept = made.rows.join(steps.pairs(store, recipe).select("pair_id", "category").collect(), on="pair_id")
    assert Counter(kept["category"]) == {"math": 5, "chat": 10, None: 10}
    assert made.counts.dropped == {"sample": {"over_target": 5}}
