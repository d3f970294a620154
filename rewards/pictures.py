"""What the embedded reward model sees of a picture: light, saturation, sharpness and named colours."""

from __future__ import annotations

import re

import numpy as np

from pairs.media import decode_image

COLOURS = (
    "black", "white", "grey", "red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "brown",
)  # fmt: skip
PICTURE_WIDTH = 4 + len(COLOURS)
_SIDE = 96  # pixels looked at along the longer side
_DOMINANT = 0.06  # share of the picture from which a colour counts as seen
_SYNONYMS = {"gray": "grey", "turquoise": "cyan", "teal": "cyan", "violet": "purple", "magenta": "pink"}
_COLOUR_WORD = re.compile(rf"\b({'|'.join((*COLOURS, *_SYNONYMS))})\b")
# Upper end of each hue band in degrees; the circle closes in red.
_HUE_ENDS = np.array([15, 45, 68, 165, 195, 260, 290, 345, 360])
_HUES = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "red")
_HUE_COLOURS = np.array([COLOURS.index(name) for name in _HUES])


def picture_measures(data: bytes) -> np.ndarray:
    """Brightness, contrast, saturation, sharpness and the share of each of `COLOURS`, each 0 to about 1:
    float32 [PICTURE_WIDTH]."""
    pixels = decode_image(data)
    step = max(1, -(-max(pixels.shape[:2]) // _SIDE))
    colour = pixels[::step, ::step].astype(np.float32) / 255
    high, low = colour.max(axis=2), colour.min(axis=2)
    spread = high - low
    saturation = spread / np.maximum(high, 1e-6)
    grey = colour.mean(axis=2)
    edges = [np.abs(np.diff(grey, axis=axis)).mean() for axis in (0, 1) if grey.shape[axis] > 1]
    shares = np.bincount(_named(colour, high, spread, saturation).ravel(), minlength=len(COLOURS)) / high.size
    light = [grey.mean(), 2 * grey.std(), saturation.mean(), 4 * float(np.mean(edges or [0.0]))]
    return np.array([*light, *shares], np.float32)


def _named(colour: np.ndarray, high: np.ndarray, spread: np.ndarray, saturation: np.ndarray) -> np.ndarray:
    """Index into `COLOURS` for each pixel, by hue, saturation and value."""
    red, green, blue = colour[..., 0], colour[..., 1], colour[..., 2]
    safe = np.maximum(spread, 1e-6)
    hue = np.where(
        high == red,
        (green - blue) / safe,
        np.where(high == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    hue = (hue * 60) % 360
    name = _HUE_COLOURS[np.minimum(np.searchsorted(_HUE_ENDS, hue, side="right"), len(_HUE_ENDS) - 1)]
    warm = (name == COLOURS.index("orange")) | (name == COLOURS.index("red"))
    name = np.where(warm & (high < 0.65) & (hue > 5) & (hue < 45), COLOURS.index("brown"), name)
    pale = saturation < 0.2
    name = np.where(pale, COLOURS.index("grey"), name)
    name = np.where(pale & (high > 0.85), COLOURS.index("white"), name)
    return np.where(high < 0.2, COLOURS.index("black"), name)


def dominant(measures: np.ndarray) -> list[int]:
    """Up to three colours that fill the picture most, the largest first, as indices into `COLOURS`."""
    shares = measures[4:]
    order = np.argsort(-shares, kind="stable")[:3]
    return [int(index) for index in order if shares[index] >= _DOMINANT]


def colour_words(text: str) -> set[int]:
    """The colours that a lower-case English text names, as indices into `COLOURS`."""
    return {COLOURS.index(_SYNONYMS.get(word, word)) for word in _COLOUR_WORD.findall(text)}
