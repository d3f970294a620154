"""Weights learned against trusted sets: what opposes them or says nothing loses, what teaches them does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_trials import WIDTH, made

from mixtures._recipe import SearchRecipe
from pipelines.search import search
from pipelines.trials import labelled
from rewards.bilevel import BilevelSettings, learn_weights
from rewards.heads import HeadsSettings

HEADS = HeadsSettings(hidden=4, learning_rate=1e-2, weight_decay=0.1)


@pytest.fixture(scope="module")
def pool():
    return made({"good": 600, "fair": 300, "noise": 600, "turned": 600, "bench": 400}, turned=("turned",))


def parts(pool):
    source = pool.table["source"].to_numpy()
    rows = {name: np.flatnonzero(source == name) for name in ("good", "fair", "noise", "turned")}
    trusted = [labelled(pool, np.flatnonzero(source == "bench"))]
    return {name: labelled(pool, at) for name, at in rows.items()}, trusted


def test_turned_and_irrelevant_sources_fall_below_a_quarter_of_uniform(pool):
    sources, trusted = parts(pool)
    path = learn_weights(pool.pairs, sources, trusted)
    assert path.shape == (BilevelSettings().steps, 4)
    assert np.allclose(path.sum(axis=1), 1)
    assert np.allclose(path[0], 0.25), "it begins uniform"
    good, fair, noise, turned = path[-1]
    assert turned < 0.25 / 4
    assert noise < 0.25 / 4
    assert min(good, fair) > 0.25
    assert np.array_equal(path, learn_weights(pool.pairs, sources, trusted)), "nothing is drawn"


def test_a_step_lowers_the_trusted_loss_as_much_as_its_derivative_says(pool):
    """The first step of Adam goes against the sign of the derivative: here of the loss of retrained heads."""
    sources, trusted = parts(pool)
    first, second = learn_weights(pool.pairs, sources, trusted, BilevelSettings(rate=0.05, steps=2))
    moved = np.sign(np.log(second / first) - np.log(second / first).mean())
    lost = [retrained(pool, sources, trusted, first, place) for place in range(4)]
    middle = np.mean(lost)
    assert [int(sign) for sign in moved] == [1 if loss < middle else -1 for loss in lost]


def retrained(pool, sources, trusted, shares, place, more=0.02):
    """Trusted loss of a head on the weighted sources, one of which counts more, by plain gradient descent."""
    shares = shares.copy()
    shares[place] += more
    shares /= shares.sum()
    gap = {name: differences(pool, one) for name, one in sources.items()}
    head = np.zeros(WIDTH)
    for _ in range(400):
        slope = 0.1 * head
        for share, one in zip(shares, gap.values(), strict=True):
            slope = slope - share * one.T @ (1 / (1 + np.exp(one @ head))) / len(one)
        head = head - 0.5 * slope
    return float(np.logaddexp(0, -differences(pool, trusted[0]) @ head).mean())


def differences(pool, one):
    states, at = pool.pairs.states.astype(np.float64), one.rows
    return states[pool.pairs.chosen[at]] - states[pool.pairs.rejected[at]]


def test_soft_labels_of_a_source_count(pool):
    """A turned source whose soft labels say so is a good one."""
    sources, trusted = parts(pool)
    assert learn_weights(pool.pairs, sources, trusted)[-1][3] < 0.05
    sources["turned"] = replace(sources["turned"], soft=np.zeros(len(sources["turned"].rows), np.float32))
    assert learn_weights(pool.pairs, sources, trusted)[-1][3] > 0.2


def test_trusted_sets_count_alike_whatever_their_size(pool):
    """A large trusted set that says the opposite does not outvote two small ones."""
    sources, (bench,) = parts(pool)
    few = [replace(bench, rows=bench.rows[at], soft=bench.soft[at], weight=bench.weight[at])
           for at in (slice(0, 60), slice(60, 120))]  # fmt: skip
    rest = slice(120, None)
    against = replace(bench, rows=bench.rows[rest], soft=1 - bench.soft[rest], weight=bench.weight[rest])
    good, fair, _, turned = learn_weights(pool.pairs, sources, [*few, against])[-1]
    assert good + fair > turned


def test_wide_states_are_seen_along_their_principal_axes(pool):
    wide = np.random.default_rng(1).normal(size=(WIDTH, 300)).astype(np.float32)
    sources, trusted = parts(pool)
    pairs = replace(pool.pairs, states=pool.pairs.states @ wide / 300**0.5)
    _, _, noise, turned = learn_weights(pairs, sources, trusted)[-1]
    assert max(noise, turned) < 0.25 / 4


def test_a_bilevel_search_proposes_confirms_and_keeps_its_path(pool):
    settings = SearchRecipe(method="bilevel", trusted=["bench"], seeds=2, trial_pairs=600)
    found = search(pool, settings, seed=5, heads=HEADS)
    shares = dict(zip(found.sources, found.proposal, strict=True))
    assert shares["turned"] == 0, "too little to be in the recipe"
    assert abs(found.proposal.sum() - 1) < 1e-9
    assert not any(name.startswith("trial ") for name in found.tried)
    assert len(found.predicted) == 0 < len(found.path)
    gain, low, _ = found.confirmed["uniform"]
    assert gain >= low > 0, "better than uniform, where a fifth of the labels are turned"
