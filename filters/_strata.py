"""Measures that several filters share: lengths, strata of alike length differences, weights of mean one."""

from __future__ import annotations

import numpy as np
import polars as pl

MIN_STRATUM = 50  # pairs: fewer, and chance alone makes one side look larger


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
