"""A head on a frozen backbone: the states once, the head in seconds, the model like any other."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from test_rewards_embedded import own_cache, publish, row  # noqa: F401
from test_rewards_training import expected_loss, graded, logsigmoid
from test_rewards_transformers import colour_rows, text_backbone, vision_backbone  # noqa: F401
from transformers import AutoModel

from pairs.errors import PrefmillError
from pairs.store import Store
from rewards import frozen
from rewards.backbone_states import BackboneStates
from rewards.head import RewardHead
from rewards.load import load_reward_model
from rewards.published import items, load_pairs, row_batches
from rewards.train import TrainSettings, train

torch.set_num_threads(1)


def telling(number, start=0):
    """Text pairs whose better side ends with a telling word, most of the time."""
    draw = np.random.default_rng(5 + start)
    rows = []
    for n in range(start, start + number):
        good, bad = ("word it is good", "word it is bad") if draw.random() < 0.9 else ("yes", "it is green")
        rows.append(row(n, f"which {n} colour {n * 7}", f"{n} {good}", f"{n} {bad}"))
    return rows


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return publish(tmp_path_factory.mktemp("telling") / "data", telling(96), validation=telling(32, 1000))


@pytest.fixture(scope="module")
def settings(text_backbone):  # noqa: F811
    return TrainSettings(backbone=str(text_backbone), freeze_backbone=True, batch_size=16)


@pytest.fixture(scope="module")
def trained(data, settings, tmp_path_factory):
    return train(data, "demo", tmp_path_factory.mktemp("frozen") / "model", settings, progress=False)


def judged(path, dataset, split="train"):
    model = load_reward_model(path)
    rows = load_pairs(dataset, "demo", split)
    sides = items(next(row_batches(rows, len(rows))))
    return sides, [model.rewards(side).astype(np.float64) for side in sides]


def test_it_learns_and_stops_by_the_held_out_pairs(data, trained):
    assert (trained.rows, trained.left_out) == (96, 0)
    _, (chosen, rejected) = judged(trained.path, data, "validation")
    assert (chosen > rejected).mean() > 0.8
    assert trained.curve[-1][1] < trained.curve[0][1]
    best = int(np.argmin(trained.held_out))
    assert len(trained.held_out) in (20, best + 4)
    margin = chosen - rejected
    assert -logsigmoid(margin).mean() == pytest.approx(min(trained.held_out), abs=1e-5)


def test_a_head_that_learns_by_heart_is_stopped_and_the_best_one_kept(settings, tmp_path):
    draw = np.random.default_rng(3)
    rows = [
        row(n, f"which {n}", *draw.permutation([f"{n} it is good", f"{n} it is bad"]).tolist()) for n in range(96)
    ]
    dataset = publish(tmp_path / "data", rows[:64], validation=rows[64:])
    told = settings.model_copy(update={"learning_rate": 1e-2, "weight_decay": 0.0})
    done = train(dataset, "demo", tmp_path / "model", told, progress=False)
    best = int(np.argmin(done.held_out))
    assert len(done.held_out) == best + 4 < 20
    _, (chosen, rejected) = judged(done.path, dataset, "validation")
    assert -logsigmoid(chosen - rejected).mean() == pytest.approx(done.held_out[best], abs=1e-4)


@pytest.mark.parametrize(
    ("kind", "layers", "activation"),
    [("vision_backbone", 2, "silu"), ("text_backbone", 1, "silu"), ("text_backbone", 3, "tanh")],
)
def test_the_saved_model_is_the_backbone_as_it_was_under_the_head_on_its_kept_states(
    kind, layers, activation, request, tmp_path
):
    backbone = request.getfixturevalue(kind)
    dataset = publish(tmp_path / "data", colour_rows(24), images=kind == "vision_backbone")
    settings = TrainSettings(
        backbone=str(backbone), freeze_backbone=True, batch_size=8, epochs=8, head_hidden=16, head_layers=layers,
        head_activation=activation, max_pixels=56 * 56, max_length=400,
    )  # fmt: skip
    store = Store(tmp_path / "store")
    done = train(dataset, "demo", tmp_path / "model", settings, store=store, progress=False)
    before, after = load_file(backbone / "model.safetensors"), load_file(done.path / "model.safetensors")
    assert all(torch.equal(before[name], after[f"backbone.{name}"]) for name in before)
    head = RewardHead(32, 16, layers, activation)
    head.load_state_dict({name[6:]: value for name, value in after.items() if name.startswith("score.")})
    sides, rewards = judged(done.path, dataset)
    extractor = BackboneStates(str(backbone), max_length=400, max_pixels=56 * 56)
    for side, found in zip(sides, rewards, strict=True):
        places, states = frozen.states_of(
            store, extractor.fingerprint, pl.Series([item.completion_id for item in side])
        )
        at = dict(zip(places["completion_id"], places["row"], strict=True))
        with torch.no_grad():
            expected = head(torch.from_numpy(states[[at[item.completion_id] for item in side]].copy()))
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)
    model, again = load_reward_model(done.path), AutoModel.from_pretrained(done.path)
    again.save_pretrained(tmp_path / "copy")
    with torch.no_grad():
        encoded = model.encoder.encode(sides[0])
        logits = again(**encoded).logits[:, 0]
        np.testing.assert_allclose(logits.numpy(), rewards[0], atol=1e-4)
        copied = AutoModel.from_pretrained(tmp_path / "copy")(**encoded).logits[:, 0]
        torch.testing.assert_close(copied, logits, atol=1e-6, rtol=0)


def test_pictures_teach_the_head(vision_backbone, tmp_path):  # noqa: F811
    rows = [one for one in colour_rows(160) if one["images"]]
    dataset = publish(tmp_path / "data", rows[:-32], images=True, validation=rows[-32:])
    settings = TrainSettings(
        backbone=str(vision_backbone), freeze_backbone=True, batch_size=16, max_pixels=56 * 56, weight_decay=0.1,
    )  # fmt: skip
    done = train(dataset, "demo", tmp_path / "model", settings, progress=False)
    _, (chosen, rejected) = judged(done.path, dataset, "validation")
    assert (chosen > rejected).mean() > 0.9


@pytest.mark.parametrize(
    "options",
    [{}, {"adaptive_margin": 0.5}, {"centre": 0.3}, {"length_normalised": True}],
    ids=["plain", "adaptive_margin", "centre", "length_normalised"],
)
def test_the_loss_is_that_of_a_whole_training(options, settings, tmp_path):
    """Of the head as it begins: both trainings draw the same one, on the same states."""
    dataset = publish(tmp_path / "data", graded(8))
    still = settings.model_copy(update={"learning_rate": 1e-12, "batch_size": 8, "epochs": 1, **options})
    done = train(dataset, "demo", tmp_path / "model", still, progress=False)
    expected = expected_loss(load_reward_model(done.path), dataset, options)
    assert done.curve[0][1] == pytest.approx(expected, abs=1e-5)


def test_states_are_computed_once_for_all_mixtures(data, settings, trained, tmp_path):
    store = Store(trained.path.parent / ".features")
    told = (trained.features.cached, trained.features.scored, trained.features.unscored)
    assert told == (0, 256, 0)
    again = train(data, "demo", tmp_path / "again", settings, store=store, progress=False)
    assert (again.features.cached, again.features.scored) == (256, 0)
    assert again.curve == trained.curve
    first, second = ((path / "model.safetensors").read_bytes() for path in (trained.path, again.path))
    assert first == second
    other = publish(tmp_path / "data", telling(100))  # four pairs that are new
    more = train(other, "demo", tmp_path / "more", settings, store=store, progress=False)
    assert (more.features.cached, more.features.scored) == (192, 8)
    shorter = settings.model_copy(update={"max_length": 100})
    fresh = train(other, "demo", tmp_path / "fresh", shorter, store=store, progress=False)
    assert (fresh.features.cached, fresh.features.scored) == (0, 200)


def test_the_order_of_rows_changes_nothing_that_is_kept(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(frozen, "_BATCH", 8)
    rows = [row(n, f"which {n}", "it is good " * (1 + n % 7), "it is bad " * (1 + n % 3)) for n in range(40)]
    kept = []
    for name, order in (("forth", rows), ("back", rows[::-1])):
        dataset, store = publish(tmp_path / name, order), Store(tmp_path / f"{name}_store")
        train(dataset, "demo", tmp_path / f"{name}_model", settings, store=store, progress=False)
        kept.append(store.scan("features").collect())
    assert kept[0].equals(kept[1])


def test_pairs_over_the_budget_are_counted(settings, tmp_path):
    rows = telling(12)
    rows[3] = row(3, "which", "it is good " * 60, "it is bad")
    dataset = publish(tmp_path / "data", rows)
    short = settings.model_copy(update={"max_length": 80})
    done = train(dataset, "demo", tmp_path / "model", short, progress=False)
    assert (done.rows, done.left_out, done.features.scored, done.features.unscored) == (11, 1, 23, 1)
    assert done.reasons == {"longer than max_length (80)": 1}
    with pytest.raises(PrefmillError, match="none of 12 pairs fits"):
        train(dataset, "demo", tmp_path / "none", short.model_copy(update={"max_length": 2}), progress=False)
    assert not list(tmp_path.glob(".none*"))


CHILD = """
import sys, json, torch, datasets
from pathlib import Path
from rewards import frozen, score
from rewards.train import TrainSettings, train
torch.set_num_threads(1)
frozen._BATCH, score._HELD = 8, 8 * 32
dataset, out, settings, datasets.config.HF_DATASETS_CACHE = sys.argv[1:]
train(dataset, "demo", Path(out), TrainSettings(**json.loads(settings)), progress=False)
"""


@pytest.mark.fault
def test_killed_while_states_are_computed_it_goes_on_and_ends_as_an_unbroken_one(settings, tmp_path, monkeypatch):
    import datasets

    rows = telling(150)
    for n in range(0, 150, 7):
        rows[n] = row(n, f"which {n}", "it is good " * 60, f"it is bad {n}")
    dataset = publish(tmp_path / "data", rows)
    told = settings.model_copy(update={"max_length": 80, "epochs": 2})
    out = tmp_path / "killed" / "model"
    log = tmp_path / "killed" / ".features" / "features" / "_delta_log"
    order = [dataset, str(out), json.dumps(told.model_dump()), str(datasets.config.HF_DATASETS_CACHE)]
    child = subprocess.Popen([sys.executable, "-c", CHILD, *order], stderr=subprocess.PIPE)
    try:
        while child.poll() is None and len(list(log.glob("*.json"))) < 3:
            time.sleep(0.01)
        assert child.poll() is None, child.stderr.read().decode()
    finally:
        child.kill()
        child.communicate()
    monkeypatch.setattr(frozen, "_BATCH", 8)
    done = train(dataset, "demo", out, told, progress=False)
    assert done.features.cached % 8 == 0 < done.features.cached
    whole = train(dataset, "demo", tmp_path / "whole" / "model", told, progress=False)
    assert (whole.features.cached, whole.left_out) == (0, 22)
    assert done.curve == whole.curve
    first, second = ((path / "model.safetensors").read_bytes() for path in (done.path, whole.path))
    assert first == second
    assert {path.name for path in out.parent.iterdir()} == {".features", "model"}


@pytest.mark.parametrize(
    "options",
    [{"lora_rank": 1}, {"fsdp": True}, {"streaming": True}, {"processes": 2}, {"activation_checkpointing": True},
     {"save_steps": 10}, {"backbone": "embedded"}],
    ids=lambda options: next(iter(options)),
)  # fmt: skip
def test_what_makes_no_sense_without_a_backbone_that_learns_is_refused(options):
    with pytest.raises(
        ValidationError, match="|".join(f"take out {name}|needs a transformers" for name in options)
    ):
        TrainSettings(**{"backbone": "somewhere", "freeze_backbone": True, **options})
    TrainSettings(**{"backbone": "somewhere", **options})
