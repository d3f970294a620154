"""A judge of pairs on benchmarks: asked in both orders, counted by their rules for judges."""

from __future__ import annotations

import json

import pytest
from reward_server import RewardServer
from test_pipelines import execute, failures
from test_rewards_judge import longer_wins, says

from pairs.store import Store
from pipelines import benchmarks, steps

RECIPE = """
[sources.rasbt_dpo]
path = "{root}"
[sources.judgebench]
path = "{root}"
splits = ["gpt"]
[[rewards.servers]]
kind = "judge"
url = "{url}"
model = "judge"
"""
# The longer answer is right in three of four pairs, one of which is labelled B>A.
GAMES = [
    ("long answer", "short", "A>B"),
    ("no", "longer one", "B>A"),
    ("a long one", "ok", "A>B"),
    ("x", "xyz", "A>B"),
]


@pytest.fixture
def curated(tmp_path):
    """A store with the benchmark, its recipe and the server of its judge."""
    made = {"instruction": "Say it.", "input": "", "output": "", "rejected": "No."}
    rows = [{**made, "instruction": f"Say {n}.", "chosen": f"It is {n}."} for n in range(4)]
    (tmp_path / "instruction-data-with-preference.json").write_text(json.dumps(rows))
    games = [
        {"pair_id": str(n), "original_id": None, "source": "livecodebench", "question": f"What is {n}?",
         "response_model": "gpt-x", "response_A": first, "response_B": second, "label": label}
        for n, (first, second, label) in enumerate(GAMES)
    ]  # fmt: skip
    (tmp_path / "dataset=judgebench,response_model=gpt-x.jsonl").write_text("\n".join(map(json.dumps, games)))
    with RewardServer(longer_wins) as server:
        mixture = tmp_path / "mine.toml"
        mixture.write_text(RECIPE.format(root=tmp_path, url=server.url))
        result = execute("curate", tmp_path / "store", mixture)
        assert result.success, failures(result)
        yield Store(tmp_path / "store"), steps.load_recipe(str(mixture)), server


def test_a_judge_is_measured_by_its_name_in_the_recipe(curated):
    store, recipe, server = curated
    (found,) = benchmarks.evaluate(store, recipe, benchmarks.models(store, recipe, ["judge"], []))
    assert found["figures"]["gpt"][0] == 0.75
    assert len(server.posts) == 8, "each pair in both orders"


def test_a_judge_that_names_the_first_whatever_it_says_is_never_right(curated):
    """As a scalar model it would be given all pairs whose label is B>A."""
    store, recipe, server = curated
    server.answer = lambda path, body: says("Answer 1 is better")
    (found,) = benchmarks.evaluate(store, recipe, benchmarks.models(store, recipe, ["judge"], []))
    assert (found["figures"]["gpt"][0], found["tied"]) == (0.0, 4)
