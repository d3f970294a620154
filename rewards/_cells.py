"""What every benchmark metric is made of: values in cells, means of cells, and intervals by resampling units."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 1_000


@dataclass(frozen=True, slots=True)
class Entries:
    """Values, each in one cell and of one unit. A unit is what one draw of the benchmark would bring or miss as a
    whole: a prompt with all its pairs. `unit` and `cell` are int [entries], `value` float64 [entries]."""

    cells: tuple[str, ...]
    unit: np.ndarray
    cell: np.ndarray
    value: np.ndarray

    @classmethod
    def of(cls, units: Iterable[object], cells: Iterable[str], values: Iterable[float]) -> Entries:
        """Entries from three parallel sequences; cells are sorted by name, units numbered."""
        names, cell = np.unique(np.array(list(cells), dtype=object).astype(str), return_inverse=True)
        _, unit = np.unique(np.array([str(one) for one in units]), return_inverse=True)
        return cls(tuple(names.tolist()), unit, cell, np.array(list(values), np.float64))


class Cells:
    """Means over cells, NaN over none."""

    def __init__(self, names: Sequence[str], sums: np.ndarray, counts: np.ndarray) -> None:
        self._at = {name: place for place, name in enumerate(names)}
        self._sums, self._counts = sums, counts

    @property
    def names(self) -> list[str]:
        return list(self._at)

    def mean(self, *names: str) -> float:
        """Mean of all values in these cells: each value counts alike."""
        at = [self._at[name] for name in names if name in self._at]
        count = float(self._counts[at].sum())
        return float(self._sums[at].sum()) / count if count else float("nan")

    def weighted(self, weights: dict[str, float]) -> float:
        """Mean of the cells' means with fixed weights; cells that are missing are left out."""
        found = [(self.mean(name), weight) for name, weight in weights.items() if not np.isnan(self.mean(name))]
        total = sum(weight for _, weight in found)
        return sum(mean * weight for mean, weight in found) / total if total else float("nan")


Figures = dict[str, float]


def measured(
    entries: Entries, figures: Callable[[Cells], Figures], seed: int, resamples: int = RESAMPLES
) -> dict[str, tuple[float, float, float]]:
    """Each figure with the interval that holds 95 % of its values over resampled units: (value, low, high)."""
    units = int(entries.unit.max()) + 1 if len(entries.unit) else 0

    def one(weight: np.ndarray) -> Figures:
        sums = np.bincount(entries.cell, weight * entries.value, len(entries.cells))
        counts = np.bincount(entries.cell, weight, len(entries.cells))
        return figures(Cells(entries.cells, sums, counts))

    found = one(np.ones(len(entries.unit)))
    draw = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(resamples if units > 1 else 0):
        times = np.bincount(draw.integers(0, units, units), minlength=units)
        for name, value in one(times[entries.unit].astype(np.float64)).items():
            drawn[name].append(value)
    return {name: (value, *_spread(drawn[name], value)) for name, value in found.items()}


def _spread(values: list[float], value: float) -> tuple[float, float]:
    known = [one for one in values if not np.isnan(one)]
    if not known:
        return value, value
    low, high = np.quantile(known, (0.025, 0.975))
    return float(low), float(high)


def mean_of(values: Iterable[float]) -> float:
    """Plain mean of the numbers that are known; NaN of none."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
