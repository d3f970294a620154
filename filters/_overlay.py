"""Whether a picture is a known one, cut a little, turned or mirrored: the one laid over the other."""

from __future__ import annotations

import numpy as np

from filters._views import GREY, SIDE, SMALL, SQUEEZED, TURNS, WINDOWS, resampling

_STEPS = 17  # cuts of an edge by 0 to 16 pixels of a thumbnail
_STARTS = 3  # turns from which the edges are moved
_ROUNDS = 6  # in which they are moved by up to two pixels
_HOPELESS, _LIKE = 0.6, 0.9  # least correlations of the two, before and after
_DETAIL = 0.8  # least correlation of what is left without the means of an eighth of a side: shadows don't count
# What alterations make of the means of an eighth and of a sixteenth of a side, in 256 levels: in light between the
# noise of strong compression and what edges that are half a pixel off make, more in pictures of much contrast.
_NOISE, _MOST = 7.0, 20.0
_SHARE, _FINE_SHARE = 0.4, 0.5  # of the spread of the pixels
# In colour of a quarter, an eighth and a sixteenth: it is stored at half the size, and small things lose theirs.
_QUARTER, _EIGHTH, _FINE = 8.0, 20.0, 30.0
_COLOURS = np.array([GREY, [-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]], np.float32)  # Y, Cb, Cr

_EDGES = np.array([(low, SIDE - high) for low in range(_STEPS) for high in range(_STEPS)])
_NEAR = [np.flatnonzero(abs(_EDGES - edges).max(axis=1) <= 2) for edges in _EDGES]
_LAID = np.stack([resampling(*edges) for edges in _EDGES / SIDE])
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
    one = (picture @ channels).transpose(2, 0, 1)
    two = _LAID[down] @ (known @ channels).transpose(2, 0, 1) @ _LAID[across].T
    light, colour = _differences(one[:1], two[:1]), _differences(one[1:3], two[1:3])
    spread = _spread(one[:3])
    return bool(
        light[1] <= np.clip(_SHARE * spread, _NOISE, _MOST)
        and light[2] <= np.clip(_FINE_SHARE * spread, _NOISE, _MOST)
        and (colour <= (_QUARTER, _EIGHTH, _FINE)).all()
        and float(_details(one[3]) @ _details(two[3])) >= _DETAIL
    )


def _differences(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """The largest of the means of a quarter, an eighth and a sixteenth of a side: float32 `[3]`.

    Edges that are half a pixel off shift light between neighbours, in both pictures; what only one picture has, as
    the hand of a clock, has no such contrast in the other. At the very edge a row of pixels makes a sixteenth.
    """
    quarter, eighth, fine = (abs(_cells(one, count) - _cells(two, count)) for count in (4, 8, 16))
    slack = np.minimum(_contrast(_cells(one, 16)), _contrast(_cells(two, 16))) / 2
    return np.array([quarter.max(), eighth.max(), (fine - slack)[:, 1:-1, 1:-1].max()])


def _details(pixels: np.ndarray) -> np.ndarray:
    means = _cells(pixels[None], 8)[0].repeat(SMALL // 8, axis=0).repeat(SMALL // 8, axis=1)
    return _normed((pixels - means).reshape(1, -1))[0]


def _spread(pixels: np.ndarray) -> float:
    """Root mean square of what differs from the mean: the larger one of light and of colours."""
    apart = ((pixels - pixels.mean(axis=(1, 2), keepdims=True)) ** 2).mean(axis=(1, 2))
    return float(np.sqrt(max(apart[0], apart[1:].mean())))


def _cells(pixels: np.ndarray, count: int) -> np.ndarray:
    """Means of `count` by `count` cells: float32 `[channels, count, count]`."""
    size = SMALL // count
    return pixels.reshape(-1, count, size, count, size).mean(axis=(2, 4))


def _contrast(cells: np.ndarray) -> np.ndarray:
    """The range of values in each cell and its eight neighbours."""
    around = np.pad(cells, ((0, 0), (1, 1), (1, 1)), mode="edge")
    near = np.lib.stride_tricks.sliding_window_view(around, (3, 3), axis=(1, 2))
    return near.max(axis=(3, 4)) - near.min(axis=(3, 4))
