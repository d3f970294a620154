"""A training that is killed goes on where it stood, and ends as if nothing had happened."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from test_rewards_embedded import own_cache, publish, row  # noqa: F401
from test_rewards_transformers import text_backbone  # noqa: F401

from rewards import checkpoints
from rewards.published import load_pairs
from rewards.train import TrainSettings, train

torch.set_num_threads(1)

CHILD = """
import sys, json, torch, datasets
from pathlib import Path
from rewards.train import TrainSettings, train
torch.set_num_threads(1)
dataset, out, settings, datasets.config.HF_DATASETS_CACHE = sys.argv[1:]
train(dataset, "demo", Path(out), TrainSettings(**json.loads(settings)), progress=False)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    rows = [row(n, f"word {n}", "it is good " * (1 + n % 5), "it is bad") for n in range(64)]
    return publish(tmp_path_factory.mktemp("data") / "data", rows)


@pytest.fixture(scope="module")
def settings(text_backbone):  # noqa: F811
    return TrainSettings(
        backbone=str(text_backbone), batch_size=2, micro_batch_size=2, epochs=6, learning_rate=1e-3, save_steps=16
    )


@pytest.fixture(scope="module")
def unbroken(data, settings, tmp_path_factory):
    out = tmp_path_factory.mktemp("unbroken") / "model"
    return train(data, "demo", out, settings, progress=False)


def kept(out):
    return sorted(out.parent.glob(f".{out.name}.checkpoints/*/checkpoint-*"))


def killed(data, settings, out):
    """Train in a process of its own and kill it when its second checkpoint is whole."""
    import datasets

    told = [data, str(out), json.dumps(settings.model_dump()), str(datasets.config.HF_DATASETS_CACHE)]
    child = subprocess.Popen([sys.executable, "-c", CHILD, *told], stderr=subprocess.PIPE)
    try:
        while child.poll() is None and not any(checkpoints._step(path) >= 32 for path in kept(out)):
            time.sleep(0.01)
        assert child.poll() is None, child.stderr.read().decode()
    finally:
        child.kill()
        child.communicate()
    assert not out.exists()


@pytest.mark.fault
def test_a_killed_training_ends_as_an_unbroken_one(data, settings, unbroken, tmp_path):
    out = tmp_path / "model"
    killed(data, settings, out)
    assert 1 <= len(kept(out)) <= 2  # the newest, and one in the writing
    done = train(data, "demo", out, settings, progress=False)
    assert 32 <= done.resumed < 192
    assert done.curve == unbroken.curve
    assert [step for step, _, _ in done.curve] == list(range(1, 193))
    first, again = (load_file(path / "model.safetensors") for path in (unbroken.path, done.path))
    assert first.keys() == again.keys()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert unbroken.resumed == 0
    assert not kept(unbroken.path)


def test_a_tracker_is_told_the_curve_and_keeps_it_when_the_model_is_complete(
    data, settings, tmp_path, monkeypatch
):
    pytest.importorskip("tensorboard", reason="NO TRACKER: pip install tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    held = publish(tmp_path / "held", [row(n, f"word {n}", "it is good", "it is bad") for n in range(16)],
                   validation=[row(99, "word", "it is good", "it is bad")])  # fmt: skip
    short = settings.model_copy(update={"epochs": 1.0, "report_to": ["tensorboard"], "save_steps": 4})
    out = tmp_path / "model"
    assert stopped(held, short, out, monkeypatch)
    done = train(held, "demo", out, short, progress=False)
    assert done.resumed == 8
    (run,) = (tmp_path / "model.logs").iterdir()
    events = EventAccumulator(str(run)).Reload()
    for place, name in enumerate(("loss", "accuracy"), 1):
        told = [(one.step, one.value) for one in events.Scalars(f"train/{name}")]
        np.testing.assert_allclose(told, [(point[0], point[place]) for point in done.curve], rtol=1e-6)
    assert events.Scalars("eval/loss")[-1].value == pytest.approx(done.held_out[0], rel=1e-6)
    assert json.loads(events.Tensors("args/text_summary")[0].tensor_proto.string_val[0])["seed"] == 17


def stopped(data, settings, out, monkeypatch):
    """Checkpoints of a training that an error ended before its model was saved."""
    with monkeypatch.context() as patch:
        patch.setattr("rewards.finetune._save", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train(data, "demo", out, settings, progress=False)
    return kept(out)


def test_the_newest_whole_checkpoint_is_taken_and_older_ones_go(data, settings, unbroken, tmp_path, monkeypatch):
    out = tmp_path / "model"
    (last,) = stopped(data, settings, out, monkeypatch)
    assert last.name == "checkpoint-192"
    cut = last.with_name("checkpoint-999")
    cut.mkdir()
    (cut / "trainer_state.json").write_text('{"global_step": 9')
    assert checkpoints.newest(last.parent) == last
    done = train(data, "demo", out, settings, progress=False)
    assert done.resumed == 192
    assert done.curve == unbroken.curve


def test_other_settings_or_rows_begin_anew(data, settings, tmp_path, monkeypatch):
    out = tmp_path / "model"
    short = settings.model_copy(update={"epochs": 1.0})
    assert stopped(data, short, out, monkeypatch)
    other = short.model_copy(update={"learning_rate": 2e-3})
    assert train(data, "demo", out, other, progress=False).resumed == 0
    assert stopped(data, short, out, monkeypatch)
    assert train(data, "demo", out, short.model_copy(update={"save_steps": 7}), progress=False).resumed == 32
    rows = [row(n, f"word {n}", "it is good", "it is bad") for n in range(64)]
    changed = publish(tmp_path / "changed", rows)
    ids = [checkpoints.content(load_pairs(folder, "demo", "train")) for folder in (data, changed)]
    assert ids[0][0] != ids[1][0]
    assert ids[0][1] == ids[1][1] == 64


def test_no_checkpoints_where_none_are_wanted(data, settings, tmp_path, monkeypatch):
    few = settings.model_copy(update={"epochs": 0.5, "save_steps": 0})
    assert not stopped(data, few, tmp_path / "model", monkeypatch)


def test_the_same_seed_gives_the_same_curve_and_another_seed_another(data, settings, tmp_path):
    short = settings.model_copy(update={"epochs": 1.0})
    curves = [
        train(data, "demo", tmp_path / str(n), short.model_copy(update={"seed": seed}), progress=False).curve
        for n, seed in enumerate((17, 17, 18))
    ]
    assert curves[0] == curves[1]
    assert not np.allclose([point[1] for point in curves[0]], [point[1] for point in curves[2]])
