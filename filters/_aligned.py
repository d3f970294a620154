"""A picture laid over another to a fraction of a pixel: what differs then is in the pictures, not in the edges."""

from __future__ import annotations

import numpy as np

from filters._views import SIDE, resampling

_ROUNDS = 4
_STILL = 0.02 / SIDE  # of a side; edges that move by less stay
_STEP = 0.25 / SIDE  # by which edges are moved to see what that changes
_FURTHEST = 2.5 / SIDE  # that an edge moves in a round
_HELD = 1e-3  # share of the mean diagonal that keeps edges in place which nothing shows, as along stripes
_BLUR = (-0.6, 2.0)  # amounts of a blur by one pixel that are taken back


def aligned(picture: np.ndarray, known: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The known picture `[channels, SIDE, SIDE]` as it comes nearest to `picture` `[channels, SMALL, SMALL]` when
    its edges (top, bottom, left, right, as shares of a side) are moved from `edges` on, and then blurred or
    sharpened a little: float32 `[channels, SMALL, SMALL]`. Least squares by Gauss and Newton.
    """
    laid = _laid(known, edges)
    for _ in range(_ROUNDS):
        moved = [_laid(known, edges + _STEP * unit) for unit in np.eye(4)]
        change = np.stack([*(each - laid for each in moved), _blurred(laid) - laid]).reshape(5, -1)
        change[:4] /= _STEP
        gram = (change @ change.T).astype(np.float64)
        gram[range(4), range(4)] += _HELD * gram.diagonal()[:4].mean() + 1e-3
        gram[4, 4] += 1e-3
        step = np.linalg.solve(gram, change @ (picture - laid).ravel())[:4].clip(-_FURTHEST, _FURTHEST)
        edges = edges + step
        laid = _laid(known, edges)
        if abs(step).max() < _STILL:
            break
    soft = _blurred(laid) - laid
    amount = np.vdot(soft, picture - laid) / max(float(np.vdot(soft, soft)), 1e-3)
    nearest: np.ndarray = laid + np.float32(np.clip(amount, *_BLUR)) * soft
    return nearest


def _laid(known: np.ndarray, edges: np.ndarray) -> np.ndarray:
    top, bottom, left, right = edges.tolist()
    laid: np.ndarray = resampling(top, bottom) @ known @ resampling(left, right).T
    return laid


def _blurred(pixels: np.ndarray) -> np.ndarray:
    """Each pixel with its neighbours, weighed 1, 2, 1 in both directions."""
    wide = np.pad(pixels, ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows = wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]
    blurred: np.ndarray = (rows[:, :, :-2] + 2 * rows[:, :, 1:-1] + rows[:, :, 2:]) / 16
    return blurred
