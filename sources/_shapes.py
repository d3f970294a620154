"""Native shapes that several datasets share: embedded pictures, ratings as text, rated completions."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations

from pairs.errors import BadRow, SetAside, shown
from pairs.values import finite

# A PNG of 8 by 8 pixels that is not flat: the picture of example rows.
PIXELS_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAOUlEQVR4nGNkYGBQYRDBRCwMKiIMDG8Y"
    "GDTQSIiEBgPDEQYGEQYGBBuuA52E64AoL4Ex0O0QocAOANv4GGqK89y5AAAAAElFTkSuQmCC"
)
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rated:
    """One of several completions of a prompt; a higher score is better, None is unknown."""

    completion: str
    score: float | None
    ratings: Mapping[str, float | None] = field(default_factory=dict)
    model: str | None = None


def image_bytes(value: object) -> bytes:
    """The file inside the hub's picture column, a mapping of `bytes` and `path`."""
    data = value.get("bytes") if isinstance(value, Mapping) else None
    if not isinstance(data, bytes):
        raise BadRow("image_not_bytes", f"image is {shown(value)}, expected a mapping with bytes")
    return data


def rating(value: object) -> float | None:
    """A rating written as a number or as text; "N/A" and null are None. Raises `BadRow` for other texts."""
    return _rating_as_text(value) if isinstance(value, str) else finite(value, "rating")


@lru_cache(maxsize=1_000)  # a handful of texts, in every row
def _rating_as_text(value: str) -> float | None:
    if value.strip() == "N/A":
        return None
    if not _NUMBER.fullmatch(value.strip()):
        raise BadRow("rating_not_a_number", f"rating is {shown(value)}, expected a number or N/A")
    return finite(float(value), "rating")


def complete(row: Mapping[str, object], *columns: str) -> None:
    """Raises `SetAside` when one of the columns is absent, null or empty."""
    for column in columns:
        value = row.get(column)
        empty = not value.strip() if isinstance(value, str) else value is None or value == []
        if empty:
            raise SetAside("incomplete_row", f"{column} is {shown(value)}")


def ranked(completions: Sequence[Rated]) -> Iterator[tuple[Rated, Rated, float] | SetAside]:
    """Every two completions as (better, worse, difference of scores > 0), or why they make no pair."""
    for first, second in combinations(completions, 2):
        if first.score is None or second.score is None:
            yield SetAside("score_missing", f"{shown(first.model)} or {shown(second.model)} has no score")
        elif first.score == second.score:
            yield SetAside("tie", f"both have {first.score}")
        else:
            better, worse = (first, second) if first.score > second.score else (second, first)
            yield better, worse, abs(first.score - second.score)
