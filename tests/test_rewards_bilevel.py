"""Weights learned against a trusted set: what opposes it or says nothing loses, what teaches it does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_trials import made

from mixtures._recipe import SearchRecipe
from pipelines.search import search
from pipelines.trials import labelled
from rewards.bilevel import BilevelSettings, learn_weights, mean_weights
from rewards.heads import HeadsSettings

HEADS = HeadsSettings(hidden=4, learning_rate=1e-2, weight_decay=0.1)


@pytest.fixture(scope="module")
def pool():
    return made({"good": 600, "fair": 300, "noise": 600, "turned": 600, "bench": 400}, turned=("turned",))


def parts(pool):
    source = pool.table["source"].to_numpy()
    rows = {name: np.flatnonzero(source == name) for name in ("good", "fair", "noise", "turned")}
    return {name: labelled(pool, at) for name, at in rows.items()}, labelled(
        pool, np.flatnonzero(source == "bench")
    )


def test_turned_and_irrelevant_sources_fall_below_a_quarter_of_uniform(pool):
    sources, trusted = parts(pool)
    path = mean_weights(pool.pairs, sources, trusted, HEADS, seeds=3)
    assert path.shape == (BilevelSettings().steps, 4)
    assert np.allclose(path.sum(axis=1), 1)
    assert np.allclose(path[0], 0.25), "it begins uniform"
    good, fair, noise, turned = path[len(path) // 2 :].mean(axis=0)
    assert turned < 0.25 / 4
    assert noise < 0.25 < good
    assert fair > 0.25
    learned = learn_weights(pool.pairs, sources, trusted, HEADS)
    assert np.array_equal(learned, learn_weights(pool.pairs, sources, trusted, HEADS)), (
        "the same seed, the same weights"
    )


def test_soft_labels_of_a_source_count(pool):
    """A turned source whose soft labels say so is a good one."""
    sources, trusted = parts(pool)
    as_found = learn_weights(pool.pairs, sources, trusted, HEADS)[-1][3]
    sources["turned"] = replace(sources["turned"], soft=np.zeros(len(sources["turned"].rows), np.float32))
    assert learn_weights(pool.pairs, sources, trusted, HEADS)[-1][3] > 4 * as_found


def test_weights_are_pulled_back_to_uniform(pool):
    sources, trusted = parts(pool)
    strong = learn_weights(pool.pairs, sources, trusted, HEADS, BilevelSettings(pull=0.5))
    assert np.abs(strong - 0.25).max() < 0.1


def test_a_bilevel_search_proposes_confirms_and_keeps_its_path(pool):
    settings = SearchRecipe(method="bilevel", trusted=["bench"], seeds=2, trial_pairs=600)
    found = search(pool, settings, seed=5, heads=HEADS)
    shares = dict(zip(found.sources, found.proposal, strict=True))
    assert shares["turned"] < 0.25 / 4
    assert abs(found.proposal.sum() - 1) < 1e-9
    assert not any(name.startswith("trial ") for name in found.tried)
    assert len(found.predicted) == 0 < len(found.path)
    gain, low, _ = found.confirmed["uniform"]
    assert gain >= low > 0, "better than uniform, where a fifth of the labels are turned"
