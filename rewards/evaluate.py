"""How often a reward model prefers what people preferred, on a published split, and how much of that is length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pairs.errors import PrefmillError
from rewards.interface import RewardModel

RESAMPLES = 1_000
_BATCH = 512


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Accuracy of one model on one split: shares of pairs in 0..1, a tie of rewards counts half. Of a pair with a
    soft label under one half the rejected one counts as preferred.

    `interval` holds 95 % of the accuracies of resampled groups (pairs that share a prompt stay together).
    `balanced_accuracy` is the mean of the accuracy where the longer and where the shorter completion was
    preferred, which no length bias can raise above chance. `length_accuracy` is that of "longer is better".
    `length_correlation` is Pearson's, of reward margin and difference in characters. What cannot be computed
    (no pair of that kind) is None.

    `calibration` holds (stated, found, pairs) of bins of about as many pairs each, by how sure the model is: its
    own probability 1 / (1 + exp(-|margin|)) that it is right, and how often it was. `calibration_error` is their
    mean absolute difference over pairs (expected calibration error, Guo et al. 2017).
    """

    model: str
    pairs: int
    unjudged: int
    accuracy: float
    interval: tuple[float, float]
    balanced_accuracy: float | None
    length_accuracy: float
    length_correlation: float | None
    calibration: list[tuple[float, float, int]]
    calibration_error: float
    by_source: dict[str, dict[str, float]]
    by_modality: dict[str, dict[str, float]]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


def evaluate(
    model: RewardModel, dataset: str, config: str, split: str, *, seed: int = 17, progress: bool = True
) -> Evaluation:
    """Judge every pair of a published split. A pair with a completion that the model cannot judge whole counts
    as `unjudged` and nowhere else. Raises `PrefmillError` when no pair is left."""
    from tqdm import tqdm

    from rewards.published import items, load_pairs, row_batches

    rows = load_pairs(dataset, config, split)
    margins, lengths, sources, modalities, groups = [], [], [], [], []
    unjudged = 0
    with tqdm(total=len(rows), desc=f"evaluate {split}", unit=" pairs", disable=not progress) as bar:
        for batch in row_batches(rows, _BATCH):
            chosen, rejected = items(batch)
            fits = model.fits(chosen) & model.fits(rejected)
            unjudged += int((~fits).sum())
            kept = np.flatnonzero(fits)
            both = [side[place] for side in (chosen, rejected) for place in kept]
            rewards = model.rewards(both).astype(np.float64)
            side = [-1 if _softer(batch[place]) else 1 for place in kept]
            margins.append(side * (rewards[: len(kept)] - rewards[len(kept) :]))
            long = [_length(chosen[place].completion) - _length(rejected[place].completion) for place in kept]
            lengths += [sign * difference for sign, difference in zip(side, long, strict=True)]
            sources += [batch[place]["source"] for place in kept]
            modalities += [batch[place]["modality"] for place in kept]
            groups += [batch[place]["group_id"] for place in kept]
            bar.update(len(batch))
    if not lengths:
        raise PrefmillError(f"{dataset} ({config}, {split}): no pair that the model can judge, of {len(rows)}")
    margin, length = np.concatenate(margins), np.array(lengths, np.float64)
    right, longer = _won(margin), _won(length)
    bins = calibration(margin, right)
    return Evaluation(
        model.fingerprint, len(right), unjudged, float(right.mean()), _interval(right, groups, seed),
        _balanced(right, length), float(longer.mean()), _correlation(margin, length),
        bins, sum(abs(stated - found) * pairs for stated, found, pairs in bins) / len(right),
        _by(sources, right), _by(modalities, right),
    )  # fmt: skip


def _softer(row: Mapping[str, Any]) -> bool:
    """Whether a rule has made the other completion the likelier one."""
    soft = row.get("soft_label")
    return soft is not None and soft < 0.5


def _length(messages: list[dict[str, str]]) -> int:
    return sum(len(message["content"]) for message in messages)


def _won(difference: np.ndarray) -> np.ndarray:
    """1 where positive, a half for a tie, 0 where negative."""
    return (np.sign(difference) + 1) / 2


def _interval(right: np.ndarray, groups: list[str], seed: int) -> tuple[float, float]:
    _, group = np.unique(groups, return_inverse=True)
    total, count = np.bincount(group, right), np.bincount(group).astype(np.float64)
    draw = np.random.default_rng(seed)
    means = []
    for _ in range(RESAMPLES):
        picked = draw.integers(0, len(total), len(total))
        means.append(total[picked].sum() / count[picked].sum())
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def _balanced(right: np.ndarray, length: np.ndarray) -> float | None:
    longer, shorter = right[length > 0], right[length < 0]
    return float((longer.mean() + shorter.mean()) / 2) if len(longer) and len(shorter) else None


def _correlation(margin: np.ndarray, length: np.ndarray) -> float | None:
    if len(margin) < 2 or margin.std() == 0 or length.std() == 0:
        return None
    return float(np.corrcoef(margin, length)[0, 1])


def calibration(margin: np.ndarray, right: np.ndarray, bins: int = 10) -> list[tuple[float, float, int]]:
    """How sure the model says it is, and how often it is right: (stated, found, pairs) per bin, surest last.

    `margin` and `right` (0, a half or 1) are float64 [pairs].
    """
    stated = 1 / (1 + np.exp(-np.abs(margin)))
    places = np.array_split(np.argsort(stated, kind="stable"), min(bins, len(stated)))
    return [(float(stated[part].mean()), float(right[part].mean()), len(part)) for part in places]


def _by(keys: list[str], right: np.ndarray) -> dict[str, dict[str, float]]:
    names, place = np.unique(keys, return_inverse=True)
    count = np.bincount(place)
    share = np.bincount(place, right) / count
    return {str(name): {"pairs": int(count[i]), "accuracy": float(share[i])} for i, name in enumerate(names)}
