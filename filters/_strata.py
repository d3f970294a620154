"""Measures that several filters share: lengths, strata of alike length differences, weights of mean one."""

from __future__ import annotations

import numpy as np
import polars as pl

MIN_STRATUM = 50  # pairs: fewer, and chance alone makes one side look larger
_BINS = 10  # strata of the length difference


def chars(column: str) -> pl.Expr:
    """Characters (code points) in all messages of a completion; 0 for a picture alone."""
    return pl.col(column).list.eval(pl.element().struct.field("content").str.len_chars()).list.sum().cast(pl.Int64)


def words(column: str) -> pl.Expr:
    """Runs of characters between white space; of little meaning where a script sets none between words."""
    counts = pl.element().struct.field("content").str.count_matches(r"\S+")
    return pl.col(column).list.eval(counts).list.sum().cast(pl.Int64)


def strata(gaps: np.ndarray, bins: int) -> np.ndarray:
    """Quantile bins of `gaps` `[pairs]`: int `[pairs]` from 0. Equal gaps share a bin.

    At most `bins` of them, and fewer where one would hold under `MIN_STRATUM` pairs.
    """
    count = max(1, min(bins, len(gaps) // MIN_STRATUM))
    return np.searchsorted(np.sort(gaps), gaps, side="left") * count // max(len(gaps), 1)


def length_strata(differences: np.ndarray) -> np.ndarray:
    """Strata of alike size of the length difference `[pairs]`: int `[pairs]`, -1 at equal length."""
    stratum = np.full(len(differences), -1)
    unequal = differences != 0
    stratum[unequal] = strata(np.abs(differences[unequal]), _BINS)
    return stratum


def kept_alike(
    differences: np.ndarray, gone: np.ndarray, right: np.ndarray, limit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Lets lengths say no more about the labels than before some pairs go.

    `gone` bool, `right` (probability that the label is right) and the length `differences` (chosen less rejected)
    are `[pairs]`. Returns which pairs go now, bool, and the weights of those that stay, both `[pairs]`: in every
    stratum the share of the weight where the longer one won is no further from one half, in either direction, and
    over all neither is `lean_auc`. None weighs more than `limit`: where that would not do, the most probable of
    those that were to go stay.
    """
    gone, weights = gone.copy(), np.ones(len(gone))
    stratum = length_strata(differences)
    for number in range(int(stratum.max(initial=-1)) + 1):
        sides = [np.flatnonzero((stratum == number) & (sign * differences > 0)) for sign in (1, -1)]
        for side in sides:
            leaving = side[gone[side]]
            spare = max(0, int(np.ceil(len(side) / limit)) - (len(side) - len(leaving)))
            gone[leaving[np.argsort(-right[leaving], kind="stable")[:spare]]] = False
        before, after = np.array([len(side) for side in sides]), np.array([(~gone[side]).sum() for side in sides])
        if after.max() * before.sum() > before.max() * after.sum():
            larger, allowed = int(after.argmax()), before.max() / before.sum()
            for place, share in ((larger, allowed), (1 - larger, 1 - allowed)):
                kept = sides[place][~gone[sides[place]]]
                weights[kept] = share * after.sum() / max(len(kept), 1)
    return gone, _no_further(differences, gone, weights, limit)


def _no_further(differences: np.ndarray, gone: np.ndarray, weights: np.ndarray, limit: float) -> np.ndarray:
    """The weights of those that stay, tilted against the larger side as far as it takes: inside a stratum larger
    differences may go more often than small ones, and then alike shares do not make for an alike AUC."""
    stays = np.where(gone, 0.0, weights)
    if gone.all():
        return weights
    distance = abs(lean_auc(differences, np.ones(len(gone))) - 0.5)
    lean = np.sign(lean_auc(differences, stays) - 0.5)

    def further(made: np.ndarray) -> bool:
        return bool(lean * (lean_auc(differences, made) - 0.5) > distance + 1e-9)

    def tilted(by: float) -> np.ndarray:
        made = stays * np.exp(-by * lean * np.sign(differences))
        return np.minimum(made * stays.sum() / made.sum(), limit)

    if not further(stays):
        return weights
    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if further(tilted(middle)) else (low, middle)
    return np.where(gone, weights, tilted(high))


def lean_auc(differences: np.ndarray, weights: np.ndarray) -> float:
    """Show every pair in both orders, once with the chosen one first: the probability that a showing with the
    chosen one first has a larger difference (first less second) than a showing with the chosen one second, draws
    apart, ties half. `differences` (chosen less rejected) and `weights` are `[pairs]`."""
    order = np.argsort(-differences, kind="stable")
    mirrored = -differences[order]
    below = np.concatenate([[0.0], np.cumsum(weights[order])])
    strictly = below[np.searchsorted(mirrored, differences, side="left")]
    at_most = below[np.searchsorted(mirrored, differences, side="right")]
    return float((weights * (strictly + at_most)).sum() / 2 / weights.sum() ** 2)


def bounded_weights(raw: np.ndarray, limit: float) -> np.ndarray:
    """Weights in proportion to `raw` `[pairs]` (> 0) as far as 1/limit to limit allows, with mean one."""
    if not len(raw):
        return raw
    low, high = np.log(1 / limit / raw.max()), np.log(limit / raw.min())
    for _ in range(100):  # the mean grows with the factor, and the ends of the range have means 1/limit and limit
        middle = (low + high) / 2
        if np.clip(np.exp(middle) * raw, 1 / limit, limit).mean() < 1:
            low = middle
        else:
            high = middle
    weights: np.ndarray = np.clip(np.exp(high) * raw, 1 / limit, limit)
    return weights


def least_probable(right: np.ndarray, sign: np.ndarray, below: float, quantile: float) -> np.ndarray:
    """Places of the pairs to act on, the least probable labels first: those below `below`, at most the share
    `quantile` of all, and no larger a share of the shorter winners (`sign` -1) than of the longer ones (1).
    """
    order = np.argsort(right, kind="stable")[: int(quantile * len(right))]
    order = order[right[order] < below]
    longer, shorter = (sign[order] == side for side in (1, -1))
    share = longer.sum() / max(1, (sign == 1).sum())
    allowed = int(share * (sign == -1).sum() + 1e-9)
    return order[~shorter | (np.cumsum(shorter) <= allowed)]


def side_weights(right: np.ndarray, sign: np.ndarray) -> np.ndarray:
    """Probabilities over their mean where the longer one won, where the shorter one did, and at equal length."""
    sums, counts = np.bincount(sign + 1, right, 3), np.bincount(sign + 1, minlength=3)
    weights: np.ndarray = np.maximum(right, 1e-9) / np.maximum(sums / np.maximum(counts, 1), 1e-9)[sign + 1]
    return weights
