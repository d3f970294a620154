"""How far reward margins can be trusted in one source, and how probable they make each label."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from filters._strata import length_strata

_MIN_SIDE = 10  # pairs on the smaller side of a stratum, for its median to say something
_Z = 1.96  # 95%
FLIP_LIMIT = 0.45  # at one half margins and labels would have nothing to do with each other
_DOUBT = 20.0  # a flip rate of 10% must make the labels e**2 times as likely as none does
_GAIN, _PACE = 0.5, 0.5  # w and k of `reward_scaling`
_SIZES = 400  # of margins that the fit tells apart


@dataclass(frozen=True)
class Judgement:
    """`probabilities` `[pairs]` of the labels as they are; None when `abstains` says why there are none.

    `flip_rate` is the estimated share of wrong labels, `temperature` belongs to it.
    """

    agreement: float | None = None
    agreement_low: float | None = None
    temperature: float | None = None
    flip_rate: float | None = None
    abstains: str | None = None
    probabilities: np.ndarray | None = None


def judge(views: Sequence[np.ndarray], min_pairs: int, min_agreement: float, even: bool = False) -> Judgement:
    """What several views of one source's pairs, each reward margins `[pairs]` (chosen less rejected, finite),
    tell of its labels: the one that finds most of them wrong counts, because a view errs by finding too few. A
    weak model cannot tell noise from its own doubt, and one that learned the labels has begun to believe them.

    The first view speaks for agreement. With `even` only the first view counts, and its probabilities are those of
    the model alone, as if every second label were wrong.
    """
    count = len(views[0])
    if count < min_pairs:
        return Judgement(abstains="too_few_scored_pairs")
    agreement = float((np.sign(views[0]) + 1).mean() / 2)
    low = wilson_low(agreement, count)
    best: tuple[np.ndarray, float, float] | None = None
    for margins in views[:1] if even else views:
        share = float((np.sign(margins) + 1).mean() / 2)
        fitted = fit_noise(margins) if wilson_low(share, count) >= min_agreement else None
        if fitted is not None and (best is None or fitted[1] > best[2]):
            best = (margins, *fitted)
    if best is None:
        return Judgement(agreement, low, abstains="rewards_disagree_too_often")
    margins, temperature, rate = best
    probabilities = label_right(margins, temperature, 0.5 if even else rate)
    return Judgement(agreement, low, temperature, rate, None, probabilities)


def as_told(judgement: Judgement, margins: np.ndarray) -> Judgement:
    """A judgement with the figures that the `margins` `[pairs]` of models give which were not taught the labels:
    what has learned them agrees with nearly all, the wrong ones as well. As it is without such margins.
    """
    if judgement.agreement is None or not len(margins):
        return judgement
    agreement, fitted = float((np.sign(margins) + 1).mean() / 2), fit_noise(margins)
    temperature, rate = (None, None) if fitted is None else fitted
    low = wilson_low(agreement, len(margins))
    return replace(judgement, agreement=agreement, agreement_low=low, temperature=temperature, flip_rate=rate)


def label_right(margins: np.ndarray, temperature: float, flip_rate: float) -> np.ndarray:
    """Probabilities `[pairs]` that labels are right, by Bayes: a model that finds the better completion with
    p = sigmoid(margin / T), and labels of which a share e was flipped: (1 - e) p / ((1 - e) p + e (1 - p)).
    """
    odds = margins / temperature + math.log1p(-flip_rate) - math.log(max(flip_rate, 1e-300))
    right: np.ndarray = np.exp(-np.minimum(np.logaddexp(0, -odds), 700.0))  # above 0
    return right


def reward_scaling(right: np.ndarray) -> np.ndarray:
    """Dynamic reward scaling (MM-RLHF, arXiv 2502.10391), 1 to 1 + `_GAIN`: 1 + w (1 - exp(-k d)), where d, the
    log-odds of labels that are `right` with these probabilities `[pairs]`, counts as 0 below 0. Sure pairs count
    more, none of them without bound, and wrong ones no less than hard ones.
    """
    doubt = np.minimum((1 - right) / np.maximum(right, 1e-300), 1.0)  # exp(-d)
    scaled: np.ndarray = 1 + _GAIN * (1 - doubt**_PACE)
    return scaled


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
    stratum = length_strata(differences)
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


def fit_noise(margins: np.ndarray) -> tuple[float, float] | None:
    """The temperature T and the share e of flipped labels that are most probable when a label agrees with its
    margin with probability (1 - e) sigmoid(|margin| / T) + e sigmoid(-|margin| / T).

    e is below `FLIP_LIMIT` and has the prior exp(-`_DOUBT` e), which some hundred pairs do not outweigh. None when
    the margins speak against the labels as a whole. When not one margin is negative every T is beaten by a
    smaller one; one that is some fiftieth of their scale is returned.
    """
    if margins.sum() <= 0:  # nil margins as well
        return None
    scale = float(np.abs(margins).mean())
    sizes, agreeing, opposed = _binned(margins / scale)

    def best(inverses: np.ndarray, rates: np.ndarray) -> tuple[float, float]:
        right = np.exp(-np.logaddexp(0, -inverses[:, None] * sizes))  # [inverses, bins]
        gains = []
        for rate in rates:
            agree = rate + (1 - 2 * rate) * right
            against = np.maximum(1 - agree, 1e-300)
            gains.append(np.log(agree) @ agreeing + np.log(against) @ opposed - _DOUBT * rate)
        place, column = np.unravel_index(np.argmax(np.stack(gains, axis=1)), (len(inverses), len(rates)))
        return float(inverses[place]), float(rates[column])

    inverse, rate = best(np.geomspace(1e-2, 1e3, 61), np.arange(0, FLIP_LIMIT, 0.02))
    near = np.unique(np.clip(rate + np.arange(-0.02, 0.0201, 0.002), 0, FLIP_LIMIT))
    inverse, rate = best(inverse * np.geomspace(1 / 1.3, 1.3, 61), near)
    return scale / inverse, rate


def _binned(units: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean sizes of margins in at most `_SIZES` quantile bins, and the numbers of positive and negative ones in
    each, zeros counting half: the fit costs the same however many pairs there are.
    """
    order = np.argsort(np.abs(units), kind="stable")
    sizes, signs = np.abs(units)[order], np.sign(units)[order]
    starts = np.unique(np.arange(_SIZES) * len(units) // _SIZES)
    counts = np.diff(np.append(starts, len(units)))
    agreeing = (np.add.reduceat(signs, starts) + counts) / 2
    return np.add.reduceat(sizes, starts) / counts, agreeing, counts - agreeing
