"""Views of a picture: what is left when each edge is cut by up to a tenth and the rest is turned or mirrored.

A view has a perceptual hash like any picture, so an altered copy is looked for by hash. Hashes of simple drawings
meet by chance; so what is found is laid over the view and compared in colour, cell by cell.
"""

from __future__ import annotations

import numpy as np

SIDE = 128  # pixels of a thumbnail's side
TURNS = 8
_CUTS = (0, 1 / 30, 2 / 30, 0.1)  # of an edge, when views are hashed
_STEPS = 17  # cuts of an edge by 0 to 16 pixels of a thumbnail, when a picture is laid over a view
_SMALL = 32  # pixels of a side, when pictures are compared
_LIKE = 0.9  # least correlation of the two in grey
_HOPELESS = 0.4  # so far apart, moving the edges does not help
# In 256 levels: the noise of strong compression; what it and edges that are half a pixel off make of a cell.
_NOISE, _MOST = 7.0, 20.0
_SHARE = 0.3  # of the spread of the pixels: as little as pictures of little contrast may differ
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


def _resampling(low: float, high: float) -> np.ndarray:
    """float32 `[_SMALL, SIDE]`: Lanczos weights that squeeze what lies from `low` to `high` (shares of a side)."""
    step = (high - low) * SIDE / _SMALL
    centre = low * SIDE + (np.arange(_SMALL) + 0.5) * step
    away = (np.arange(SIDE) + 0.5 - centre[:, None]) / step
    weights = np.sinc(away) * np.sinc(away / 3) * (abs(away) < 3)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _waves() -> np.ndarray:
    """float32 `[8, _SMALL]`: the eight lowest rows of the discrete cosine transform (II)."""
    place = np.arange(_SMALL)
    return np.cos(np.pi * (2 * place + 1) * place[:8, None] / (2 * _SMALL)).astype(np.float32)


_WINDOWS = [(low, 1 - high) for low in _CUTS for high in _CUTS]
_HASHED = np.stack([_waves() @ _resampling(*window) for window in _WINDOWS])
_EDGES = np.array([(low / SIDE, 1 - high / SIDE) for low in range(_STEPS) for high in range(_STEPS)])
# For each window the windows that are tried in its place.
_EVEN = [np.flatnonzero((np.rint(_EDGES * SIDE).astype(int) % 2 == 0).all(axis=1))] * len(_EDGES)
_NEAR = [np.flatnonzero(abs(_EDGES - edges).max(axis=1) < 1.5 / SIDE) for edges in _EDGES]
_LAID = np.stack([_resampling(*edges) for edges in _EDGES])
_WHOLE = _resampling(0, 1)
VIEWS = TURNS * len(_WINDOWS) ** 2


def view_hashes(thumbnail: np.ndarray) -> np.ndarray:
    """Hashes as imagehash's `phash` of all views of a thumbnail `[SIDE, SIDE, 3]`: uint64 `[VIEWS]`."""
    rows = _HASHED @ (thumbnail.astype(np.float32) @ _GREY)
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
    bits = flat > np.median(flat, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)


def likeness(picture: np.ndarray, known: np.ndarray, view: int) -> float:
    """How alike a thumbnail is to a view of a known one, as near as moving the view's edges brings them: the
    correlation in grey, 0 to 1; 0 when it is another picture.
    """
    turn, windows = divmod(view, len(_WINDOWS) ** 2)
    edges = [_WINDOWS[number] for number in divmod(windows, len(_WINDOWS))]
    known = _turned(known.astype(np.float32), turn)
    picture = picture.astype(np.float32)
    down, across, alike = _laid(picture @ _GREY, known @ _GREY, *_turned_edges(edges, turn))
    if alike < _LIKE or not _same_colours(picture, known, down, across):
        return 0.0
    return round(min(alike, 1.0), 4)


def _turned(pixels: np.ndarray, turn: int) -> np.ndarray:
    pixels = pixels.transpose(1, 0, 2) if turn & 4 else pixels
    pixels = pixels[:, ::-1] if turn & 2 else pixels
    return np.ascontiguousarray(pixels[::-1] if turn & 1 else pixels)


def _turned_edges(edges: list[tuple[float, float]], turn: int) -> tuple[int, int]:
    """The windows of rows and of columns after the turn, as numbers in `_EDGES`."""
    rows, columns = reversed(edges) if turn & 4 else edges
    columns = (1 - columns[1], 1 - columns[0]) if turn & 2 else columns
    rows = (1 - rows[1], 1 - rows[0]) if turn & 1 else rows
    down, across = (int(abs(_EDGES - window).sum(axis=1).argmin()) for window in (rows, columns))
    return down, across


def _laid(picture: np.ndarray, known: np.ndarray, down: int, across: int) -> tuple[int, int, float]:
    """Moves the edges of a grey view, rows and columns in turn, while the correlation with the picture grows: by
    two pixels at first, then by one.
    """
    wanted = _WHOLE @ picture @ _WHOLE.T
    wanted = wanted - wanted.mean()
    wanted = wanted / max(float(np.sqrt((wanted**2).sum())), 1e-6)
    alike = float(_correlations(_LAID[[down]] @ (known @ _LAID[across].T), wanted)[0])
    for choices in (_EVEN, _NEAR) if alike >= _HOPELESS else ():
        for _ in range(4):
            before = down, across
            rows = choices[down]
            scores = _correlations(_LAID[rows] @ (known @ _LAID[across].T), wanted)
            down = int(rows[scores.argmax()])
            columns = choices[across]
            scores = _correlations((_LAID[down] @ known) @ _LAID[columns].transpose(0, 2, 1), wanted)
            across, alike = int(columns[scores.argmax()]), float(scores.max())
            if (down, across) == before:
                break
    return down, across, alike


def _correlations(views: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Of pixels `[n, _SMALL, _SMALL]` with pixels of mean 0 and norm 1: float32 `[n]`."""
    flat = views.reshape(len(views), -1)
    spread = np.einsum("ij,ij->i", flat, flat) - flat.sum(axis=1) ** 2 / flat.shape[1]
    correlations: np.ndarray = flat @ wanted.ravel() / np.sqrt(np.maximum(spread, 1e-6))
    return correlations


def _same_colours(picture: np.ndarray, known: np.ndarray, down: int, across: int) -> bool:
    """Whether no cell differs by more than alterations make it: neither in light nor in any colour."""
    one = _WHOLE @ picture.transpose(2, 0, 1) @ _WHOLE.T
    two = _LAID[down] @ known.transpose(2, 0, 1) @ _LAID[across].T
    spread = float(np.sqrt(((one - one.mean(axis=(1, 2), keepdims=True)) ** 2).mean()))
    apart = one - two
    whole = float(np.sqrt((apart**2).mean()))
    cells, parts = (_cells(one, size) - _cells(two, size) for size in (8, 16))
    # Edges that are half a pixel off shift light between neighbours, in both pictures; what only one picture has,
    # as the hand of a clock, has no such contrast in the other.
    slack = np.minimum(_contrast(_cells(one, 16)), _contrast(_cells(two, 16))) / 2
    return bool(
        abs(cells).max() <= min(max(_NOISE, _SHARE * spread), _MOST)
        and abs(parts).max() <= 2 * _MOST
        and (abs(parts) - slack).max() <= min(max(_NOISE, spread / 2), _MOST)
        and whole <= max(_NOISE, _SHARE * spread)
    )


def _cells(pixels: np.ndarray, count: int) -> np.ndarray:
    """Means of `count` by `count` cells: float32 `[3, count, count]`."""
    size = _SMALL // count
    return pixels.reshape(3, count, size, count, size).mean(axis=(2, 4))


def _contrast(cells: np.ndarray) -> np.ndarray:
    """The range of values in each cell and its eight neighbours."""
    around = np.pad(cells, ((0, 0), (1, 1), (1, 1)), mode="edge")
    near = np.lib.stride_tricks.sliding_window_view(around, (3, 3), axis=(1, 2))
    return near.max(axis=(3, 4)) - near.min(axis=(3, 4))
