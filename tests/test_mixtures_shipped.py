"""The mixtures that ship: what their files promise holds of the sources they name."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

import sources
from mixtures._licences import COMMERCIAL, OTHER
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
    for variable in ("PREFMILL_MMPR", "PREFMILL_POVID"):
        monkeypatch.setenv(variable, "/somewhere")
    recipe = load_recipe("mixtures/basereward.toml")
    r1_reward = {"mm_rlhf", "rlhf_v", "vlfeedback", "povid", "wildvision_battle"}
    text = {"ultrafeedback_hard", "tulu3_if", "olmo2_mix", "tulu3_wildchat_ultrafeedback"}
    assert set(training(recipe)) == {"rlaif_v", "mmpr_v1_2", *r1_reward, *text}
    assert {sources.load(name).source.modality for name in text} == {"text"}
    assert all(given.weight is None for given in recipe.sources.values())
    benchmarks = set(recipe.sources) - set(training(recipe))
    assert benchmarks == {"vl_rewardbench", "mm_rlhf_rewardbench", "rewardbench", "rm_bench"}
    assert next(iter(recipe.rules)) == "contamination"


@pytest.mark.parametrize(("name", "code"), [("open", 0), ("demo", 0), ("basereward", 1)])
def test_a_mixture_gives_its_run_configuration_or_says_what_has_to_be_prepared(name, code, monkeypatch):
    monkeypatch.delenv("PREFMILL_MMPR", raising=False)
    monkeypatch.delenv("PREFMILL_POVID", raising=False)
    done = CliRunner().invoke(app, ["run-config", f"mixtures/{name}.toml"])
    assert done.exit_code == code
    said = f"path: mixtures/{name}.toml" if code == 0 else "sources.mmpr_v1_2.path needs the environment variable"
    assert said in done.output
