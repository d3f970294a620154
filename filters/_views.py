"""Views of a picture: what is left when each edge is cut by up to a tenth and the rest is turned or mirrored.

A view has a perceptual hash like any picture, so altered copies are looked for by hash. Hashes of simple drawings
meet by chance; so what is found is laid over the views and compared in colour, cell by cell (`overlay`).
"""

from __future__ import annotations

import numpy as np

SIDE = 128  # pixels of a thumbnail's side
SMALL = 32  # pixels of a side, when pictures are compared
TURNS = 8
_CUTS = (0, 1 / 30, 2 / 30, 0.1)  # of an edge
# Coefficients of a cosine transform this near the median change sides when a picture is written anew: one level of
# 256 in every pixel makes 16. A picture with many of them, as a pattern of stripes has, is hardly known by its
# hash.
_UNSTEADY = 32.0
GREY = np.array([0.299, 0.587, 0.114], np.float32)


def resampling(low: float, high: float) -> np.ndarray:
    """float32 `[SMALL, SIDE]`: Lanczos weights that squeeze what lies from `low` to `high` (shares of a side)."""
    step = (high - low) * SIDE / SMALL
    centre = low * SIDE + (np.arange(SMALL) + 0.5) * step
    away = (np.arange(SIDE) + 0.5 - centre[:, None]) / step
    weights = np.sinc(away) * np.sinc(away / 3) * (abs(away) < 3)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _waves() -> np.ndarray:
    """float32 `[8, SMALL]`: the eight lowest rows of the discrete cosine transform (II)."""
    place = np.arange(SMALL)
    return np.cos(np.pi * (2 * place + 1) * place[:8, None] / (2 * SMALL)).astype(np.float32)


WINDOWS = [(low, 1 - high) for low in _CUTS for high in _CUTS]
SQUEEZED = np.stack([resampling(*window) for window in WINDOWS])
_HASHED = _waves() @ SQUEEZED
VIEWS = TURNS * len(WINDOWS) ** 2


def view_hashes(thumbnail: np.ndarray) -> tuple[np.ndarray, int]:
    """Hashes as imagehash's `phash` of all views of a thumbnail `[SIDE, SIDE, 3]`, uint64 `[VIEWS]`; and of
    how many bits noise decides."""
    rows = _HASHED @ (thumbnail.astype(np.float32) @ GREY)
    waves = (rows[:, None] @ _HASHED.transpose(0, 2, 1)).reshape(-1, 8, 8)
    sign = np.where(np.arange(8) % 2, -1, 1).astype(np.float32)
    # A mirrored picture has the other sign in its odd waves, a transposed one transposed waves.
    turned = [
        each * across * down[:, None]
        for each in (waves, waves.transpose(0, 2, 1))
        for across in (1, sign)
        for down in (np.ones(8, np.float32), sign)
    ]
    flat = np.concatenate(turned).reshape(VIEWS, 64)
    above = flat - np.median(flat, axis=1, keepdims=True)
    hashes = np.packbits(above > 0, axis=1).view(">u8").ravel().astype(np.uint64)
    return hashes, int((abs(above[0]) < _UNSTEADY).sum())
