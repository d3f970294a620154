"""How sure a difference between two trained models is: a paired bootstrap over held-out groups and seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RESAMPLES = 1_000


@dataclass(frozen=True)
class Outcomes:
    """`right` float64 [seeds, pairs]: 1, 0, or a half for a tie; the set and the group of each pair, int64."""

    right: np.ndarray
    sets: np.ndarray
    groups: np.ndarray


def won(margins: np.ndarray) -> np.ndarray:
    """1 where the margin is positive, a half for a tie, 0 where it is negative."""
    return (np.sign(margins) + 1) / 2


def accuracy(outcomes: Outcomes) -> float:
    """Mean over sets of the share of pairs judged right, so that a large set does not drown a small one."""
    of_pair = outcomes.right.mean(axis=0)
    total, count = np.bincount(outcomes.sets, of_pair), np.bincount(outcomes.sets)
    return float((total[count > 0] / count[count > 0]).mean())


def difference(one: Outcomes, other: Outcomes, seed: int = 17) -> tuple[float, float, float]:
    """Accuracy of one less that of the other, and 95 % of the resampled differences: (difference, low, high).

    A resample draws seeds, and groups within each set, with replacement; both models see the same draw. The
    groups of a seed stay together because all seeds are judged on the same pairs.
    """
    gap = one.right - other.right
    _, cell = np.unique(np.stack([one.sets, one.groups]), axis=1, return_inverse=True)
    cell = cell.reshape(-1)
    cells = int(cell.max()) + 1
    set_of = np.zeros(cells, np.int64)
    set_of[cell] = one.sets
    count = np.bincount(cell, minlength=cells).astype(np.float64)
    total = np.stack([np.bincount(cell, of_seed, minlength=cells) for of_seed in gap])
    places = [np.flatnonzero(set_of == name) for name in np.unique(one.sets)]
    chance = np.random.default_rng(seed)
    means = []
    for _ in range(RESAMPLES):
        of_seeds = total[chance.integers(0, len(total), len(total))].mean(axis=0)
        drawn = [where[chance.integers(0, len(where), len(where))] for where in places]
        means.append(np.mean([of_seeds[where].sum() / count[where].sum() for where in drawn]))
    low, high = np.quantile(means, (0.025, 0.975))
    return accuracy(one) - accuracy(other), float(low), float(high)
