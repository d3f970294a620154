"""Small pictures drawn with numpy, and what is true of each: colours, shapes, counts and places."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

COLOURS = {
    "red": (206, 48, 44), "orange": (236, 134, 34), "yellow": (240, 208, 50), "green": (58, 150, 70),
    "blue": (44, 94, 190), "purple": (124, 68, 160), "pink": (232, 132, 170), "brown": (122, 78, 46),
    "black": (30, 30, 34), "white": (246, 246, 242), "turquoise": (52, 180, 176), "grey": (136, 138, 142),
}  # fmt: skip
GROUNDS = {
    "cream": (240, 230, 206),
    "pale blue": (200, 220, 238),
    "dark grey": (70, 72, 78),
    "mint": (204, 232, 212),
}
NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@dataclass(frozen=True)
class Fact:
    """One thing to ask about a picture, the right sentence about it and some wrong ones."""

    ask: str
    true: str
    false: tuple[str, ...]


@dataclass(frozen=True)
class Picture:
    pixels: np.ndarray  # [height, width, 3], uint8
    caption: str
    facts: tuple[Fact, ...]


class Canvas:
    """Float RGB pixels with shapes painted on; `x`, `y` and sizes are shares of the width."""

    def __init__(self, width: int, height: int, ground: tuple[int, int, int]) -> None:
        self.pixels = np.full((height, width, 3), ground, np.float32)
        self.height = height / width
        y, x = np.mgrid[0:height, 0:width]
        self.x, self.y = x / width, y / width

    def paint(self, mask: np.ndarray, colour: tuple[int, int, int], shade: float = 0.12) -> None:
        """Colour a mask, a little lighter towards the upper left, as if lit from there."""
        light = 1 + shade * (0.5 - (self.x + self.y) / (1 + self.height))
        self.pixels[mask] = (np.asarray(colour, np.float32) * light[..., None])[mask]

    def disc(self, x: float, y: float, r: float, colour: tuple[int, int, int]) -> None:
        self.paint((self.x - x) ** 2 + (self.y - y) ** 2 < r * r, colour, 0.5)

    def box(self, x: float, y: float, w: float, h: float, colour: tuple[int, int, int]) -> None:
        self.paint((abs(self.x - x) < w) & (abs(self.y - y) < h), colour, 0.3)

    def triangle(self, x: float, y: float, r: float, colour: tuple[int, int, int]) -> None:
        self.paint((self.y < y + r) & (self.y > y - r + 2 * abs(self.x - x)), colour, 0.3)

    def diamond(self, x: float, y: float, r: float, colour: tuple[int, int, int]) -> None:
        self.paint(abs(self.x - x) + abs(self.y - y) < r, colour, 0.4)

    def ring(self, x: float, y: float, r: float, colour: tuple[int, int, int]) -> None:
        far = (self.x - x) ** 2 + (self.y - y) ** 2
        self.paint((far < r * r) & (far > (0.55 * r) ** 2), colour, 0.4)

    def star(self, x: float, y: float, r: float, colour: tuple[int, int, int]) -> None:
        angle = np.arctan2(self.x - x, y - self.y)
        edge = r * (0.68 + 0.32 * np.cos(5 * angle))
        self.paint(np.hypot(self.x - x, self.y - y) < edge, colour, 0.3)

    def line(self, x0: float, y0: float, x1: float, y1: float, thick: float, colour: tuple[int, int, int]) -> None:
        length = max(np.hypot(x1 - x0, y1 - y0), 1e-6)
        along = ((self.x - x0) * (x1 - x0) + (self.y - y0) * (y1 - y0)) / length
        across = abs((self.x - x0) * (y1 - y0) - (self.y - y0) * (x1 - x0)) / length
        self.paint((along > 0) & (along < length) & (across < thick), colour)

    def done(self, rng: np.random.Generator, grain: float = 4.0) -> np.ndarray:
        """The pixels as bytes, with the grain of a sensor."""
        noisy = self.pixels + rng.normal(0, grain, self.pixels.shape[:2])[..., None]
        return np.clip(noisy, 0, 255).astype(np.uint8)


def pick(rng: np.random.Generator, values: list[str], count: int = 1) -> list[str]:
    return [values[i] for i in rng.permutation(len(values))[:count]]


def others(rng: np.random.Generator, right: str, values: list[str]) -> list[str]:
    return pick(rng, [value for value in values if value != right], 3)


def size(rng: np.random.Generator) -> tuple[int, int]:
    return int(rng.integers(96, 225)), int(rng.integers(96, 193))


def soften(pixels: np.ndarray, radius: int) -> np.ndarray:
    """A picture blurred by a box of `2 * radius + 1` pixels, twice in each direction."""
    blurred = pixels.astype(np.float32)
    for axis in (0, 1, 0, 1):
        padded = np.pad(blurred, [(radius, radius) if i == axis else (0, 0) for i in range(3)], mode="edge")
        total = np.cumsum(padded, axis=axis, dtype=np.float64)
        total = np.concatenate([np.zeros_like(total.take([0], axis)), total], axis)
        window, count = 2 * radius + 1, pixels.shape[axis]
        upper, lower = np.arange(window, window + count), np.arange(count)
        blurred = ((total.take(upper, axis) - total.take(lower, axis)) / window).astype(np.float32)
    return np.clip(blurred, 0, 255).astype(np.uint8)


Drawer = Callable[[np.random.Generator], Picture]
