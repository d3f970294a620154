"""Heads applied to states that a server pools: every form that training offers, on a tiny real backbone."""

from __future__ import annotations

import base64

import numpy as np
import pytest
import torch
from reward_server import RewardServer, read_chat
from test_rewards_transformers import item, text_backbone  # noqa: F401
from transformers import AutoModel

from pairs.errors import PrefmillError
from rewards.collate import Encoder
from rewards.load import load_reward_model, load_server
from rewards.vision import PrefmillRewardModel

torch.set_num_threads(1)

FORMS = [("silu", 2), ("tanh", 2), ("relu", 3), ("gelu", 2), ("none", 2), ("silu", 1)]


def headed(backbone, folder, activation, layers):
    """A saved model of our own: the same weights whatever the activation."""
    inside = AutoModel.from_pretrained(backbone)
    torch.manual_seed(5)
    model = PrefmillRewardModel.on_backbone(inside, head_hidden=16, head_layers=layers, head_activation=activation)
    model.save_pretrained(folder)
    Encoder.load(str(backbone), inside.config, revision=None, max_length=512, max_pixels=56 * 56).save(folder)
    return folder


@pytest.mark.parametrize(("activation", "layers"), FORMS)
def test_a_head_behind_a_server_is_the_one_that_was_trained(text_backbone, tmp_path, activation, layers):  # noqa: F811
    folder = headed(text_backbone, tmp_path / "ours", activation, layers)
    local = load_reward_model(folder)

    def answer(path, body):
        with torch.no_grad():
            batch = local.encoder.encode([read_chat(body["messages"])])
            state = local.model.backbone(**batch).last_hidden_state[0, -1].numpy()
        return {"data": [{"data": base64.b64encode(state.astype("<f4").tobytes()).decode()}]}

    items = [item("it is red"), item("it is good", "word"), item("no")]
    with RewardServer(answer) as server:
        model = load_server("vllm-pooling", server.url, "judge", {"head": str(folder)}, {"concurrency": 1})
        np.testing.assert_allclose(model.rewards(items), local.rewards(items), atol=1e-5)


def test_another_activation_is_another_model(text_backbone, tmp_path):  # noqa: F811
    names = set()
    with RewardServer(lambda *_: {}) as server:
        for kind in ("silu", "tanh"):
            head = {"head": str(headed(text_backbone, tmp_path / kind, kind, 2))}
            names.add(load_server("vllm-pooling", server.url, "judge", head, {}).fingerprint)
    assert len(names) == 2


def test_a_folder_without_a_head_of_ours_is_refused(text_backbone, tmp_path):  # noqa: F811
    with RewardServer(lambda *_: {}) as server:
        for folder in (text_backbone, tmp_path):
            with pytest.raises(PrefmillError, match="expected the folder of a model trained here"):
                load_server("vllm-pooling", server.url, "judge", {"head": str(folder)}, {})
