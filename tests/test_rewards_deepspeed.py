"""Training under DeepSpeed: on two CPU processes the same curve and model as in one, whatever the stage."""

from __future__ import annotations

import json
from importlib.util import find_spec

import numpy as np
import pytest
from test_rewards_embedded import own_cache, publish, row  # noqa: F401
from test_rewards_transformers import item, text_backbone  # noqa: F401

from pairs.errors import PrefmillError
from rewards.arguments import check
from rewards.load import load_reward_model
from rewards.train import TrainSettings, train

AUTO = ("train_micro_batch_size_per_gpu", "train_batch_size", "gradient_accumulation_steps", "gradient_clipping")


def configuration(folder, stage, **zero):
    path = folder / f"zero{stage}.json"
    path.write_text(json.dumps({"zero_optimization": {"stage": stage, **zero}, **dict.fromkeys(AUTO, "auto")}))
    return str(path)


@pytest.mark.skipif(find_spec("deepspeed") is None, reason="NO DEEPSPEED: pip install deepspeed ninja")
@pytest.mark.parametrize("stage", [1, 2, 3])
def test_deepspeed_trains_as_one_process_does(stage, text_backbone, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setenv("DS_ACCELERATOR", "cpu")
    rows = [{**row(n, f"word {n}", "it is good " * n, "it is bad"), "weight": 1.0 + n % 3} for n in range(1, 17)]
    data = publish(tmp_path / "data", rows)
    one = TrainSettings(
        backbone=str(text_backbone), batch_size=8, micro_batch_size=2, learning_rate=1e-3, epochs=2, save_steps=3
    )
    whole = train(data, "demo", tmp_path / "whole", one, progress=False)
    path = configuration(tmp_path, stage, stage3_gather_16bit_weights_on_model_save=True)
    spread = one.model_copy(update={"processes": 2, "deepspeed": path})
    done = train(data, "demo", tmp_path / "spread", spread, progress=False)
    np.testing.assert_allclose(done.curve, whole.curve, atol=1e-6)
    items = [item("it is good"), item("it is bad")]
    margins = [good - bad for good, bad in (load_reward_model(at.path).rewards(items) for at in (whole, done))]
    assert margins[0] == pytest.approx(margins[1], abs=1e-5)
    none = spread.model_copy(update={"deepspeed": configuration(tmp_path, 9)})
    with pytest.raises(PrefmillError, match="DeepSpeedZeroConfig"):  # DeepSpeed reads its configuration, we don't
        train(data, "demo", tmp_path / "none", none, progress=False)


def test_what_deepspeed_cannot_do_is_said_before_it_starts(tmp_path, monkeypatch):
    monkeypatch.setattr("rewards.arguments.find_spec", lambda name: name)
    plain = TrainSettings(backbone="somewhere", deepspeed=configuration(tmp_path, 3))
    with pytest.raises(PrefmillError, match=r"stage 3 without stage3_gather.* set it to true"):
        check(plain)
    (tmp_path / "broken.json").write_text("{")
    for told, line in (
        ({"fsdp": True}, "no GPU|deepspeed and fsdp are both set"),
        ({"lora_rank": 4}, "deepspeed and lora_rank are both set"),
        ({"deepspeed": str(tmp_path / "broken.json")}, r"broken\.json.*expected a configuration of DeepSpeed"),
        ({"deepspeed": str(tmp_path / "none.json")}, r"none\.json.*expected a configuration of DeepSpeed"),
    ):
        with pytest.raises(PrefmillError, match=line):
            check(plain.model_copy(update=told))
    check(plain.model_copy(update={"deepspeed": configuration(tmp_path, 2)}))


@pytest.mark.skipif(find_spec("deepspeed") is not None, reason="deepspeed is installed")
def test_without_the_package_the_way_to_it_is_said(tmp_path):
    with pytest.raises(PrefmillError, match="pip install deepspeed"):
        check(TrainSettings(backbone="somewhere", deepspeed=configuration(tmp_path, 2)))
