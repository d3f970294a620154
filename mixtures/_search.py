"""Proportions of sources: which to try, what tried ones say of others, which to propose.

Pure: proportions and results in, proportions out. Whoever measures a mixture is not known here. A vector of
proportions is float64 [sources], not below 0, and adds up to 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

_NOISES = (0.01, 0.03, 0.1, 0.3)
_CANDIDATES = 20_000
_CAUTION = 0.5  # standard deviations taken off a prediction: what is far from all that was tried is not proposed


def landmarks(counts: Mapping[str, int]) -> dict[str, np.ndarray]:
    """The mixtures of a source table, by name: "uniform", "proportional" to the pairs of each source, and for each
    "only <source>" and "without <source>" (uniform among the others)."""
    names, size = list(counts), len(counts)
    sizes = np.array([counts[name] for name in names], float)
    found = {"uniform": np.full(size, 1 / size), "proportional": sizes / sizes.sum()}
    for place, name in enumerate(names):
        found[f"only {name}"] = np.eye(size)[place]
        if size > 1:
            found[f"without {name}"] = (1 - np.eye(size)[place]) / (size - 1)
    return found


def drawn(sources: int, count: int, seed: int) -> np.ndarray:
    """Random mixtures, float64 [count, sources]: from Dirichlet distributions, every second one a sparse one."""
    chance = np.random.default_rng(seed)
    parts = [chance.dirichlet(np.full(sources, 1.0 if place % 2 else 0.4)) for place in range(count)]
    return np.array(parts).reshape(count, sources)


@dataclass(frozen=True)
class Kernel:
    """Covariance of the results of two mixtures: a linear trend, because a bad source harms the more the
    more there is of it, and a smooth deviation from it, because good sources complete each other."""

    trend: float
    deviation: float
    length: float

    def __call__(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """float64 [one, other]."""
        squared = ((one[:, None] - other[None]) ** 2).sum(axis=2)
        return self.trend * (one @ other.T) + self.deviation * np.exp(-squared / (2 * self.length**2))

    def variance(self, proportions: np.ndarray) -> np.ndarray:
        """Of each mixture before anything was measured, [mixtures]."""
        return self.trend * (proportions**2).sum(axis=1) + self.deviation


_KERNELS = tuple(
    Kernel(*values) for values in product((0.0, 1.0, 4.0, 16.0), (0.1, 0.3, 1.0), (0.15, 0.25, 0.4, 0.6, 0.9))
)


@dataclass(frozen=True)
class Surrogate:
    """A Gaussian process from proportions to a result (Rasmussen and Williams 2006, chapter 2)."""

    tried: np.ndarray  # [mixtures, sources]
    inverse: np.ndarray  # of the kernel matrix with noise
    pull: np.ndarray  # inverse times standardised results
    centre: float
    spread: float
    kernel: Kernel
    noise: float  # variance of a measurement, in variances of the results

    @classmethod
    def fitted(cls, proportions: np.ndarray, results: np.ndarray) -> Surrogate:
        """Fitted to measured mixtures, [mixtures, sources] and [mixtures]; kernel and noise are those of the
        highest marginal likelihood on a small grid."""
        centre, spread = float(results.mean()), float(results.std()) or 1.0
        scaled = (results - centre) / spread
        best: tuple[float, Surrogate] | None = None
        for kernel in _KERNELS:
            covariance = kernel(proportions, proportions)
            for noise in _NOISES:
                matrix = covariance + noise * np.eye(len(proportions))
                inverse = np.linalg.inv(matrix)
                pull = inverse @ scaled
                likelihood = -scaled @ pull - np.linalg.slogdet(matrix)[1]
                if best is None or likelihood > best[0]:
                    best = likelihood, cls(proportions, inverse, pull, centre, spread, kernel, noise)
        assert best is not None
        return best[1]

    def predict(self, proportions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the result of each mixture, [mixtures] each."""
        shared = self.kernel(proportions, self.tried)
        variance = self.kernel.variance(proportions) - np.einsum("ij,jk,ik->i", shared, self.inverse, shared)
        return self.centre + self.spread * (shared @ self.pull), self.spread * np.sqrt(variance.clip(0))

    def left_out(self, results: np.ndarray) -> np.ndarray:
        """What each tried mixture would have been predicted to give had it not been tried, [mixtures]."""
        return results - self.spread * self.pull / np.diag(self.inverse)


def propose(surrogate: Surrogate, starts: Sequence[np.ndarray], seed: int) -> np.ndarray:
    """The mixture of the highest cautious prediction, [sources].

    The mean of the best hundredth of random candidates and of neighbours of `starts`. Then sources go, each time
    the one that the surrogate misses least, while all that went cost less than half the noise of a measurement:
    a source has to earn its place.
    """
    chance = np.random.default_rng(seed)
    sources = surrogate.tried.shape[1]
    near = [chance.dirichlet(50 * start + 0.05, _CANDIDATES // (4 * len(starts))) for start in starts]
    random = [chance.dirichlet(np.full(sources, level), _CANDIDATES // 4) for level in (0.3, 1.0, 3.0)]
    candidates = np.concatenate([*near, *random])
    value = _cautious(surrogate, candidates)
    found = candidates[np.argsort(-value, kind="stable")[: len(candidates) // 100]].mean(axis=0)
    # By the mean: few tried mixtures lack a source entirely, and caution about them would keep it in.
    least = surrogate.predict(found[None])[0][0] - surrogate.spread * math.sqrt(surrogate.noise) / 2
    while np.count_nonzero(found) > 1:
        fewer = np.array([_without(found, place) for place in np.flatnonzero(found)])
        value = surrogate.predict(fewer)[0]
        if value.max() < least:
            break
        found = fewer[value.argmax()]
    return found


def _without(proportions: np.ndarray, place: int) -> np.ndarray:
    left = proportions.copy()
    left[place] = 0
    return left / left.sum()


def _cautious(surrogate: Surrogate, proportions: np.ndarray) -> np.ndarray:
    parts = []
    for start in range(0, len(proportions), 4096):
        mean, deviation = surrogate.predict(proportions[start : start + 4096])
        parts.append(mean - _CAUTION * deviation)
    return np.concatenate(parts)
