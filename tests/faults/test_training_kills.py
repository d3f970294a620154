"""A Dagster run killed while its asset trains: the slot is freed, and the next run ends like an unbroken one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest
import torch
from safetensors.torch import load_file
from test_instance import INSTANCE
from test_pipelines import execute, failures
from test_rewards_embedded import own_cache  # noqa: F401
from test_rewards_transformers import text_backbone  # noqa: F401

from pairs.store import Store
from pipelines import outcomes, steps
from pipelines.instance import free_dead_runs
from rewards import checkpoints
from rewards.train import train

pytestmark = [pytest.mark.fault, pytest.mark.slow]
torch.set_num_threads(1)

RECIPE = """
seed = 17
splits = {{ test = 0.2 }}
[sources.rasbt_dpo]
path = "{native}"
[train]
backbone = "{backbone}"
batch_size = 2
micro_batch_size = 2
epochs = 4
learning_rate = 1e-3
save_steps = 16
"""


def run(folder, recipe):
    """The asset `reward_model` as a user starts it, on the store in `folder`."""
    import datasets

    told = {"resources": {"mixture": {"config": {"path": str(recipe)}}}}
    (folder / "run.yaml").write_text(json.dumps(told))
    return subprocess.Popen(
        [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "pipelines", "--select", "reward_model",
         "--config", str(folder / "run.yaml")],
        env={**os.environ, "DAGSTER_HOME": str(folder), "PREFMILL_STORE": str(folder / "store"),
             "HF_DATASETS_CACHE": str(datasets.config.HF_DATASETS_CACHE)},
        cwd=Path(__file__).parent.parent.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def trained_to(out, step):
    found = out.parent.glob(f".{out.name}.checkpoints/*/checkpoint-*")
    return any(checkpoints._step(path) >= step for path in found)


def test_a_killed_run_of_the_asset_ends_as_an_unbroken_one(text_backbone, tmp_path, monkeypatch):  # noqa: F811
    native = tmp_path / "native" / "instruction-data-with-preference.json"
    native.parent.mkdir()
    rows = [{"instruction": f"word {n}", "input": "", "output": "", "chosen": "it is good " * (1 + n % 5),
             "rejected": "it is bad"} for n in range(64)]  # fmt: skip
    native.write_text(json.dumps(rows))
    mixture = tmp_path / "mine.toml"
    mixture.write_text(RECIPE.format(native=native.parent, backbone=text_backbone))
    made = execute("curate", tmp_path / "store", mixture)
    assert made.success, failures(made)
    store, recipe = Store(tmp_path / "store"), steps.load_recipe(str(mixture))
    data = str(outcomes.published_root(store, recipe))
    unbroken = train(data, "mine", tmp_path / "unbroken", recipe.train, progress=False)

    (tmp_path / "dagster.yaml").write_text(INSTANCE.format(base=tmp_path / "state"))
    out = store.path("models", "mine")
    first = run(tmp_path, mixture)
    try:
        while first.poll() is None and not trained_to(out, 32):
            time.sleep(0.01)
        assert first.poll() is None, first.communicate()[0]
    finally:
        first.kill()
        first.communicate()
    assert not out.exists()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with dg.DagsterInstance.get() as instance:
        assert len(free_dead_runs(instance)) == 1
        second = run(tmp_path, mixture)
        said, _ = second.communicate(timeout=240)
        assert second.returncode == 0, said
        event = instance.get_latest_materialization_event(dg.AssetKey("reward_model"))
        told = {name: value.value for name, value in event.asset_materialization.metadata.items()}
    assert 32 <= told["resumed from step"] < unbroken.curve[-1][0]
    assert told["pairs"] == unbroken.rows
    whole, resumed = (load_file(path / "model.safetensors") for path in (unbroken.path, out))
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert not list(out.parent.glob(".*"))
