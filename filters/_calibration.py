"""How far reward margins can be trusted in one source, and how probable they make each label."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from filters._strata import strata

_BINS = 10  # strata of the length difference
_MIN_SIDE = 10  # pairs on the smaller side of a stratum, for its median to say something
_Z = 1.96  # 95%


@dataclass(frozen=True)
class Judgement:
    """`probabilities` `[pairs]` of the labels as they are; None when `abstains` says why there are none."""

    agreement: float | None = None
    agreement_low: float | None = None
    temperature: float | None = None
    abstains: str | None = None
    probabilities: np.ndarray | None = None


def judge(margins: np.ndarray, differences: np.ndarray | None, min_pairs: int, min_agreement: float) -> Judgement:
    """Reward margins `[pairs]` (chosen less rejected, finite) of one source, judged at equal length when length
    differences `[pairs]` are given.
    """
    if len(margins) < min_pairs:
        return Judgement(abstains="too_few_scored_pairs")
    if differences is not None:
        bias = length_share(margins, differences)
        if bias is None:
            return Judgement(abstains="label_follows_length")
        margins = margins - bias
    agreement = float((np.sign(margins) + 1).mean() / 2)
    low = wilson_low(agreement, len(margins))
    temperature = fit_temperature(margins)
    if low < min_agreement or temperature is None:
        return Judgement(agreement, low, temperature, "rewards_disagree_too_often")
    probabilities = np.exp(-np.minimum(np.logaddexp(0, -margins / temperature), 700.0))  # above 0
    return Judgement(agreement, low, temperature, None, probabilities)


def length_share(margins: np.ndarray, differences: np.ndarray) -> np.ndarray | None:
    """The part of each reward margin `[pairs]` that the lengths alone predict; None when that cannot be told.

    Among pairs of alike length difference, the median margin where the longer one was chosen is quality plus the
    reward for length, where the shorter one was chosen quality less it: half their difference is the reward for
    length. Strata that lack one side take the source's.
    """
    sign = np.sign(differences)
    if min((sign > 0).sum(), (sign < 0).sum()) < _MIN_SIDE:
        return np.zeros_like(margins) if (sign == 0).all() else None
    overall = (np.median(margins[sign > 0]) - np.median(margins[sign < 0])) / 2
    bias = np.zeros_like(margins)
    unequal = sign != 0
    stratum = np.full(len(margins), -1)
    stratum[unequal] = strata(np.abs(differences[unequal]), _BINS)
    for number in range(int(stratum.max()) + 1):
        longer = margins[(stratum == number) & (sign > 0)]
        shorter = margins[(stratum == number) & (sign < 0)]
        enough = min(len(longer), len(shorter)) >= _MIN_SIDE
        bias[stratum == number] = (np.median(longer) - np.median(shorter)) / 2 if enough else overall
    share: np.ndarray = bias * sign
    return share


def wilson_low(share: float, count: int) -> float:
    """Lower end of Wilson's 95% interval for a share seen in `count` pairs."""
    centre = share + _Z**2 / (2 * count)
    spread = _Z * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    return (centre - spread) / (1 + _Z**2 / count)


def fit_temperature(margins: np.ndarray) -> float | None:
    """The T that makes the labels most likely under p = sigmoid(margin / T): logistic regression without an
    intercept. None when the margins speak against the labels as a whole.

    When not one margin is negative every T is beaten by a smaller one; a thousandth of their scale is returned.
    """
    scale = float(np.abs(margins).mean())
    if margins.sum() <= 0:
        return None
    low, high = 0.0, 1000.0
    for _ in range(60):
        middle = (low + high) / 2
        slope = (margins * np.exp(-np.logaddexp(0, middle * margins / scale))).sum()
        low, high = (middle, high) if slope > 0 else (low, middle)
    return scale / high
