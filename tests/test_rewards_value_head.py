"""Checkpoints with a value head beside the weights, in the layout of Skywork-VL-Reward."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from test_rewards_embedded import solid
from test_rewards_transformers import item, vision_backbone  # noqa: F401

from pairs.errors import PrefmillError
from rewards.load import load_reward_model
from rewards.sequence import fingerprint_of


@pytest.fixture(scope="module")
def checkpoint(vision_backbone, tmp_path_factory):  # noqa: F811
    """The whole generating model, as it is published, and the head in a file of its own."""
    from transformers import AutoConfig, Qwen2_5_VLForConditionalGeneration

    folder = tmp_path_factory.mktemp("value") / "head"
    shutil.copytree(vision_backbone, folder)
    torch.manual_seed(6)
    Qwen2_5_VLForConditionalGeneration(AutoConfig.from_pretrained(vision_backbone)).save_pretrained(folder)
    head = {"v_head.summary.weight": torch.randn(1, 32), "v_head.summary.bias": torch.tensor([0.5])}
    save_file(head, folder / "value_head.safetensors")
    return folder


def test_the_head_reads_the_last_token(checkpoint):
    from transformers import Qwen2_5_VLForConditionalGeneration

    model = load_reward_model(checkpoint)
    items = [item("it is red", images=(solid((200, 0, 0)),)), item("it is good", "word"), item("no", "word")]
    whole = Qwen2_5_VLForConditionalGeneration.from_pretrained(checkpoint)
    head = {name: value.clone() for name, value in _head(checkpoint).items()}
    expected = []
    for one in items:
        with torch.no_grad():
            states = whole(**model.encoder.encode([one]), output_hidden_states=True).hidden_states[-1]
        expected.append(float(states[0, -1] @ head["v_head.summary.weight"][0] + head["v_head.summary.bias"][0]))
    np.testing.assert_allclose(model.rewards(items), expected, atol=1e-5)
    assert model.rewards(items).dtype == np.float32
    assert model.shares


def _head(folder):
    from safetensors.torch import load_file

    return load_file(folder / "value_head.safetensors")


def test_another_head_is_another_model(checkpoint, tmp_path):
    copy = shutil.copytree(checkpoint, tmp_path / checkpoint.name)
    assert load_reward_model(copy).fingerprint == load_reward_model(checkpoint).fingerprint
    head = _head(copy)
    save_file({**head, "v_head.summary.bias": head["v_head.summary.bias"] + 1}, copy / "value_head.safetensors")
    assert load_reward_model(copy).fingerprint != load_reward_model(checkpoint).fingerprint


def test_pictures_made_ready_otherwise_are_another_model(checkpoint, tmp_path):
    """A processor saved by transformers 5 keeps the settings of pictures in a file of its own."""
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    pictures = json.loads((copy / "preprocessor_config.json").read_text())
    (copy / "preprocessor_config.json").unlink()
    found = []
    for mean in (0.5, 0.1):
        told = {
            "image_processor": {**pictures, "image_mean": [mean] * 3},
            "processor_class": "Qwen2_5_VLProcessor",
        }
        (copy / "processor_config.json").write_text(json.dumps(told))
        model = load_reward_model(copy)
        found.append((model.fingerprint, model.rewards([item("it is red", images=(solid((200, 0, 0)),))])[0]))
    assert abs(found[0][1] - found[1][1]) > 1e-3
    assert found[0][0] != found[1][0]


@pytest.mark.parametrize(
    "name", ["tokenizer_config.json", "vocab.json", "merges.txt", "tokenizer.model", "added_tokens.json"]
)
def test_every_file_of_a_tokenizer_is_in_the_fingerprint(checkpoint, tmp_path, name):
    (tmp_path / name).write_text("{}")
    model = load_reward_model(checkpoint)
    names = {fingerprint_of(str(tmp_path), model.model, model.encoder)}
    (tmp_path / name).write_text("{ }")
    names.add(fingerprint_of(str(tmp_path), model.model, model.encoder))
    assert len(names) == 2


def test_a_head_of_another_shape_is_refused(checkpoint, tmp_path):
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    save_file({"v_head.0.weight": torch.zeros(8, 32)}, copy / "value_head.safetensors")
    with pytest.raises(PrefmillError, match=r"holds .*, expected v_head.summary.weight \[1, 32\]"):
        load_reward_model(copy)
