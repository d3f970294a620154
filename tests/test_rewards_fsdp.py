"""Weights spread over two processes (FSDP2) on the CPU: the training is that of one process, and resumes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from test_rewards_embedded import own_cache, publish  # noqa: F401
from test_rewards_transformers import colour_rows, vision_backbone  # noqa: F401

from rewards.train import TrainSettings, train

torch.set_num_threads(1)

# accelerate spreads weights over accelerators alone and takes gloo processes for copies of the model. The child
# tells it otherwise; all else is the product's own way, which refuses `fsdp` without a GPU.
CHILD = """
import json, sys, torch, datasets
from pathlib import Path
from accelerate.state import GradientState, PartialState
from accelerate.utils import DistributedType
from rewards import finetune, launch
from rewards.train import TrainSettings, train

torch.set_num_threads(1)
dataset, out, settings, datasets.config.HF_DATASETS_CACHE = sys.argv[1:]
arguments, finetune.check, spread = finetune.arguments, lambda settings: None, []

def told(*given):
    made = arguments(*given)
    assert made.device.type == "cpu"
    PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    return made

class Stopped(finetune.RewardTrainer):
    def training_step(self, model, *given, **more):
        spread.extend(type(weight).__name__ for weight in model.parameters())
        if self.state.global_step == 3:
            raise InterruptedError
        return super().training_step(model, *given, **more)

finetune.arguments, whole, finetune.RewardTrainer = told, finetune.RewardTrainer, Stopped
order = dataset, "demo", Path(out), TrainSettings(**json.loads(settings))
try:
    train(*order, progress=False)
except InterruptedError:
    finetune.RewardTrainer = whole
    GradientState._reset_state()  # a new process knows of no half-filled step
done = train(*order, progress=False)
if launch.first():
    print(json.dumps({"curve": done.curve, "resumed": done.resumed, "spread": sorted(set(spread))}))
"""


@pytest.mark.slow
def test_spread_weights_train_as_whole_ones(vision_backbone, tmp_path):  # noqa: F811
    data = publish(tmp_path / "data", colour_rows(16), images=True)
    one = TrainSettings(
        backbone=str(vision_backbone), batch_size=4, micro_batch_size=1, learning_rate=1e-3, head_hidden=16,
        max_pixels=56 * 56, save_steps=3,
    )  # fmt: skip
    whole = train(data, "demo", tmp_path / "whole", one, progress=False)
    told = json.dumps(one.model_copy(update={"fsdp": True, "processes": 2}).model_dump())
    cache, out = str(datasets.config.HF_DATASETS_CACHE), tmp_path / "spread"
    (tmp_path / "child.py").write_text(CHILD)
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         str(tmp_path / "child.py"), data, str(out), told, cache],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}, capture_output=True, text=True,
        timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["spread"] == ["DTensor"]
    assert found["resumed"] == 3, "the second call goes on from the checkpoint of the first"
    np.testing.assert_allclose(found["curve"], whole.curve, atol=1e-5)
    first, second = (load_file(path / "model.safetensors") for path in (whole.path, out))
    assert first.keys() == second.keys()
    for name in first:
        torch.testing.assert_close(second[name], first[name], atol=1e-4, rtol=0)
