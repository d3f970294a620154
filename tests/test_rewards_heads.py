"""Many heads at once: each learns its own set, alone or among others; differences come with their interval."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rewards.compare import Outcomes, accuracy, difference, won
from rewards.heads import FrozenPairs, HeadsSettings, TrainingSet, fit_heads, margins, standardised

WIDTH, PAIRS = 12, 700
SETTINGS = HeadsSettings(epochs=10, batch_size=32, learning_rate=5e-3, weight_decay=0.3)


@pytest.fixture(scope="module")
def pairs():
    """The better completion has the higher first feature, most of the time."""
    chance = np.random.default_rng(2)
    states = chance.normal(size=(2 * PAIRS, WIDTH)).astype(np.float32)
    first, second = np.arange(PAIRS), np.arange(PAIRS) + PAIRS
    better = states[first, 0] + chance.normal(0, 0.1, PAIRS) > states[second, 0]
    return FrozenPairs(standardised(states), np.where(better, first, second), np.where(better, second, first))


def taught(rows, soft=1.0, weight=1.0):
    """A training set; the pairs from 500 to 600 stop it."""
    count = len(rows)
    parts = (np.full(count, soft, np.float32), np.broadcast_to(np.float32(weight), count).copy())
    return TrainingSet(np.asarray(rows), *parts, np.ones(100, np.float32))


STOP, TEST = np.arange(500, 600), np.arange(600, 700)
TRAIN = np.arange(500)


def judged(pairs, *sets, settings=SETTINGS):
    return won(margins(pairs, fit_heads(pairs, sets, STOP, settings), TEST)).mean(axis=1)


def test_a_head_learns_and_one_with_turned_labels_learns_the_opposite(pairs):
    # Stopping by right labels would keep the turned head at its start: it stops by turned ones here.
    right = judged(pairs, taught(TRAIN))
    turned = FrozenPairs(pairs.states, pairs.rejected, pairs.chosen)
    wrong = won(margins(pairs, fit_heads(turned, [taught(TRAIN)], STOP, SETTINGS), TEST)).mean()
    assert right[0] > 0.85
    assert wrong < 0.15


def test_a_soft_label_of_nothing_is_a_flip_and_a_weight_of_nothing_is_absence(pairs):
    turned = FrozenPairs(pairs.states, pairs.rejected, pairs.chosen)
    soft, _ = fit_heads(pairs, [taught(TRAIN, soft=0.0)], STOP, HeadsSettings(epochs=1))
    flipped, _ = fit_heads(turned, [taught(TRAIN)], STOP, HeadsSettings(epochs=1))
    assert np.allclose(soft, flipped, atol=1e-6)
    half = np.where(TRAIN < 250, 1.0, 0.0)
    poisoned = FrozenPairs(
        pairs.states,
        np.where((np.arange(PAIRS) >= 250) & (np.arange(PAIRS) < 500), pairs.rejected, pairs.chosen),
        np.where((np.arange(PAIRS) >= 250) & (np.arange(PAIRS) < 500), pairs.chosen, pairs.rejected),
    )
    assert judged(poisoned, taught(TRAIN, weight=half))[0] > 0.85
    assert judged(poisoned, taught(TRAIN))[0] < 0.8


def test_a_head_does_not_depend_on_those_trained_beside_it(pairs):
    small = taught(TRAIN[:64])
    alone, _ = fit_heads(pairs, [taught(TRAIN)], STOP, SETTINGS)
    among, _ = fit_heads(pairs, [small, taught(TRAIN), small], STOP, SETTINGS)
    assert np.allclose(alone[0], among[1], atol=1e-5)
    assert np.array_equal(among[0], among[2])


def test_the_same_seed_gives_the_same_bytes(pairs):
    once, again = (fit_heads(pairs, [taught(TRAIN)], STOP, SETTINGS) for _ in range(2))
    assert once[0].tobytes() == again[0].tobytes()
    other = fit_heads(pairs, [taught(TRAIN)], STOP, replace(SETTINGS, seed=3))
    assert once[0].tobytes() != other[0].tobytes()


def test_it_stops_before_it_learns_noise_by_heart(pairs):
    chance = np.random.default_rng(5)
    noisy = FrozenPairs(pairs.states, pairs.chosen.copy(), pairs.rejected.copy())
    turned = chance.permutation(TRAIN)[:200]
    noisy.chosen[turned], noisy.rejected[turned] = pairs.rejected[turned], pairs.chosen[turned]
    long = HeadsSettings(epochs=20, batch_size=32, weight_decay=0, learning_rate=1e-2)
    kept = fit_heads(noisy, [taught(TRAIN)], STOP, long)
    learned = won(margins(noisy, kept, TRAIN)).mean()
    assert learned < 0.8
    assert won(margins(pairs, kept, TEST)).mean() > 0.75


def test_accuracy_is_the_mean_of_sets():
    right = np.array([[1, 1, 1, 0.5], [1, 1, 1, 0.5]])
    assert accuracy(Outcomes(right, np.array([0, 0, 0, 4]), np.arange(4))) == pytest.approx(0.75)


def test_a_real_difference_is_sure_and_none_is_not():
    chance = np.random.default_rng(4)
    groups, sets = np.repeat(np.arange(200), 3), np.zeros(600, np.int64)
    draws = chance.random((3, 600))
    good, same, bad = (Outcomes((draws < share).astype(float), sets, groups) for share in (0.8, 0.8, 0.7))
    gain, low, high = difference(good, bad)
    assert gain == pytest.approx(0.1, abs=0.03)
    assert 0 < low < gain < high
    assert difference(good, same) == (0, 0, 0)


def test_pairs_of_a_group_count_as_one_draw():
    """Copies of every pair in one group say nothing new: the interval must not shrink."""
    chance = np.random.default_rng(6)
    one, other = ((chance.random((2, 60)) < share).astype(float) for share in (0.7, 0.6))

    def width(copies):
        sets, groups = np.zeros(60 * copies, np.int64), np.repeat(np.arange(60), copies)
        found = [Outcomes(np.repeat(right, copies, axis=1), sets, groups) for right in (one, other)]
        _, low, high = difference(*found)
        return high - low

    assert width(5) == pytest.approx(width(1), rel=0.01)
