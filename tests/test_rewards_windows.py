"""Attention within windows: the same states as window by window, in few calls."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_rewards_prefixes import noisy
from test_rewards_transformers import vision_backbone  # noqa: F401

from pairs.media import decode_image
from rewards.windows import NAME, batch_windows


@pytest.fixture
def tower(vision_backbone):  # noqa: F811
    from transformers import AutoModel

    return AutoModel.from_pretrained(vision_backbone).eval()


def seen(body):
    """States of three pictures, whose windows have several sizes."""
    from transformers import Qwen2VLImageProcessorPil

    pictures = [decode_image(noisy(1, 112, 112)), decode_image(noisy(2, 140, 84)), decode_image(noisy(3, 56, 196))]
    process = Qwen2VLImageProcessorPil(min_pixels=56 * 56, max_pixels=200 * 200)
    made = process(images=pictures, return_tensors="pt", input_data_format="channels_last")
    with torch.no_grad():
        return body.visual(made["pixel_values"], grid_thw=made["image_grid_thw"]).last_hidden_state.numpy()


def test_windows_of_one_size_together_give_the_same_states(tower, monkeypatch):
    from torch.nn import functional

    calls = []
    plain = functional.scaled_dot_product_attention

    def counted(query, *rest, **given):
        calls.append(len(query))
        return plain(query, *rest, **given)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", counted)
    one_by_one = seen(tower)
    apart, calls[:] = len(calls), []
    batch_windows(tower)
    assert tower.visual.config._attn_implementation == NAME
    together = seen(tower)
    np.testing.assert_allclose(together, one_by_one, atol=1e-5)
    assert len(calls) < apart / 2
    assert max(calls) > 4, "windows of one size are one call"
    assert np.ptp(one_by_one) > 0.1


def test_what_has_no_windows_stays_as_it_is(tower):
    tower.visual.config._attn_implementation = "eager"
    batch_windows(tower)
    assert tower.visual.config._attn_implementation == "eager"
    batch_windows(torch.nn.Linear(2, 2))
