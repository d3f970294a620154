"""Whether a picture is a known one, cut a little, turned or mirrored: the one laid over the other."""

from __future__ import annotations

import numpy as np

from filters._aligned import aligned
from filters._views import GREY, SIDE, SMALL, SQUEEZED, TURNS, WINDOWS, resampling

_STEPS = 17  # cuts of an edge by 0 to 16 pixels of a thumbnail
_STARTS = 3  # turns from which the edges are moved
_ROUNDS = 6  # in which they are moved by up to two pixels
_HOPELESS, _LIKE = 0.6, 0.9  # least correlations of the two, before and after
_DETAIL = 0.85  # least correlation of what is left without slopes of light: shadows don't count
_FAINT = 1.0  # root mean square of what is left, in 256 levels, that says nothing
# The largest difference of the means of a fourth, an eighth, a sixteenth and a thirty-second of a side that
# alterations make, in 256 levels, in light and in colour, which is stored at half the size: before edges are moved
# by fractions of a pixel, and after.
_ROUGH = np.array([[20, 30, np.inf, np.inf], [12, 30, np.inf, np.inf]])
_APART = np.array([[5, 8, 18, 32], [5, 10, 27, 62]])
_COLOURS = np.array([GREY, [-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]], np.float32)  # Y, Cb, Cr

_EDGES = np.array([(low, SIDE - high) for low in range(_STEPS) for high in range(_STEPS)])
_NEAR = [np.flatnonzero(abs(_EDGES - edges).max(axis=1) <= 2) for edges in _EDGES]
_LAID = np.stack([resampling(*edges) for edges in _EDGES / SIDE])
_ALONG = np.tile(np.linspace(-1, 1, SMALL // 4), (SMALL // 4, 1))
_PLANES = np.linalg.qr(np.stack([np.ones(_ALONG.size), _ALONG.ravel(), _ALONG.T.ravel()]).T)[0].T.astype(
    np.float32
)
_WHOLE = resampling(0, 1)
_EDGE_OF = [int(abs(_EDGES / SIDE - window).sum(axis=1).argmin()) for window in WINDOWS]


def squeezed(thumbnail: np.ndarray) -> np.ndarray:
    """A thumbnail `[SIDE, SIDE, 3]` as it is laid over others: float32 `[SMALL, SMALL, 3]`."""
    return (_WHOLE @ (_WHOLE @ thumbnail.astype(np.float32).transpose(2, 0, 1)).transpose(0, 2, 1)).transpose(
        2, 1, 0
    )


def overlay(pictures: np.ndarray, known: np.ndarray) -> np.ndarray:
    """How alike `squeezed` pictures `[n, SMALL, SMALL, 3]` are to a known thumbnail `[SIDE, SIDE, 3]`, as near as
    turning them and moving its edges brings them: the correlation, 0.9 to 1, along the line of colours on which
    the known one varies most; 0 for another picture. float64 `[n]`.
    """
    known = known.astype(np.float32)
    axis = _axis(known)
    grey = known @ axis
    views = _normed(((SQUEEZED @ grey)[:, None] @ SQUEEZED.transpose(0, 2, 1)).reshape(len(WINDOWS) ** 2, -1))
    out = np.zeros(len(pictures))
    for place, picture in enumerate(pictures):
        turned = [_turned(picture, turn) for turn in range(TURNS)]
        wanted = _normed(np.stack([(each @ axis).ravel() for each in turned]))
        alike = views @ wanted.T
        view, best = alike.argmax(axis=0), alike.max(axis=0)
        for turn in np.argsort(-best, kind="stable")[:_STARTS].tolist():
            if best[turn] < _HOPELESS or out[place]:
                break
            edges = [_EDGE_OF[window] for window in divmod(int(view[turn]), len(WINDOWS))]
            down, across, found = _laid(wanted[turn], grey, *edges)
            if found >= _LIKE and _same(turned[turn], known, axis, down, across):
                out[place] = round(min(found, 1.0), 4)
    return out


def _axis(known: np.ndarray) -> np.ndarray:
    """float32 `[3]`, the direction of most variance in colour: two colours may be equally light."""
    colours = known.reshape(-1, 3) - known.reshape(-1, 3).mean(axis=0)
    return np.linalg.eigh(colours.T @ colours)[1][:, 2].astype(np.float32)


def _normed(flat: np.ndarray) -> np.ndarray:
    flat = flat - flat.mean(axis=1, keepdims=True)
    normed: np.ndarray = flat / np.maximum(np.sqrt(np.einsum("ij,ij->i", flat, flat)), 1e-6)[:, None]
    return normed


def _turned(pixels: np.ndarray, turn: int) -> np.ndarray:
    pixels = pixels.transpose(1, 0, 2) if turn & 4 else pixels
    pixels = pixels[:, ::-1] if turn & 2 else pixels
    return np.ascontiguousarray(pixels[::-1] if turn & 1 else pixels)


def _laid(wanted: np.ndarray, known: np.ndarray, down: int, across: int) -> tuple[int, int, float]:
    """Moves the edges of a view, rows and columns in turn, while the correlation with the picture grows."""
    alike = 0.0
    for _ in range(_ROUNDS):
        before = down, across
        rows = _NEAR[down]
        down = int(rows[(_normed(_flat(_LAID[rows] @ (known @ _LAID[across].T))) @ wanted).argmax()])
        columns = _NEAR[across]
        scores = _normed(_flat((_LAID[down] @ known) @ _LAID[columns].transpose(0, 2, 1))) @ wanted
        across, alike = int(columns[scores.argmax()]), float(scores.max())
        if (down, across) == before:
            break
    return down, across, alike


def _flat(views: np.ndarray) -> np.ndarray:
    return views.reshape(len(views), -1)


def _same(picture: np.ndarray, known: np.ndarray, axis: np.ndarray, down: int, across: int) -> bool:
    """Whether no cell differs by more than alterations make it, in light and in colour, and details agree."""
    channels = np.vstack([_COLOURS, axis]).T
    one = np.ascontiguousarray((picture @ channels).transpose(2, 0, 1))
    whole = np.ascontiguousarray((known @ channels).transpose(2, 0, 1))
    if (_differences(one, _LAID[down] @ whole @ _LAID[across].T) > _ROUGH).any():
        return False
    two = aligned(one, whole, np.concatenate([_EDGES[down], _EDGES[across]]) / SIDE)
    apart = _differences(one, two)
    return bool((apart <= _APART).all()) and _agree(one[3], two[3])


def _differences(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """The largest differences of cells, by their size: in light (the first row) and in the two colours, `[2, 4]`.

    At the very edge a row of pixels makes a sixteenth.
    """
    every = [abs(_cells(one[:3] - two[:3], count)) for count in (4, 8)]
    inner = [abs(_cells(one[:3] - two[:3], count))[:, 1:-1, 1:-1] for count in (16, 32)]
    return np.array([[each[channels].max() for each in (*every, *inner)] for channels in (slice(1), slice(1, 3))])


def _agree(one: np.ndarray, two: np.ndarray) -> bool:
    """Whether what two pictures `[SMALL, SMALL]` have beside slopes of light correlates, or is noise in both."""
    left = np.stack([_details(one), _details(two)])
    energy = (left**2).mean(axis=1)
    product = float((left[0] * left[1]).mean())
    return bool(energy.max() < _FAINT**2 or product >= _DETAIL * float(np.sqrt(energy.prod())))


def _details(pixels: np.ndarray) -> np.ndarray:
    """What a plane in each quarter of a side leaves over: `[SMALL * SMALL]`."""
    size = SMALL // 4
    blocks = pixels.reshape(4, size, 4, size).transpose(0, 2, 1, 3).reshape(16, -1)
    flat: np.ndarray = (blocks - blocks @ _PLANES.T @ _PLANES).ravel()
    return flat


def _cells(pixels: np.ndarray, count: int) -> np.ndarray:
    """Means of `count` by `count` cells: float32 `[channels, count, count]`."""
    size = SMALL // count
    return pixels.reshape(-1, count, size, count, size).mean(axis=(2, 4))
