"""The canonical form of single values: texts, numbers, ratings, what is kept as JSON."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from pairs.errors import BadRow, shown

MAX_CHARS = 1_000_000  # of one message


def canonical_text(value: object, column: str) -> str:
    """The one spelling of a text: NFC, "\\n" line ends, no blank lines before, no white space after.

    Raises `BadRow` for what is no text, has no UTF-8 form or holds a NUL.
    """
    if type(value) is not str:
        raise BadRow(f"{column}_not_text", f"{column} is {shown(value)}, expected a text")
    if len(value) > MAX_CHARS:
        raise BadRow(f"{column}_too_long", f"{column} has {len(value)} characters, at most {MAX_CHARS}")
    if "\r" in value:
        value = value.replace("\r\n", "\n").replace("\r", "\n")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise BadRow(f"{column}_not_unicode", f"lone surrogate at character {error.start}") from None
        value = unicodedata.normalize("NFC", value)
    if "\0" in value:
        raise BadRow(f"{column}_has_nul", f"NUL at character {value.index(chr(0))}")
    return value.rstrip().lstrip("\n")


_remembered = lru_cache(maxsize=1_000)(canonical_text)


def recurring_text(value: object, column: str) -> str:
    """`canonical_text` of what recurs in every row: criteria, names of ratings, categories."""
    return _remembered(value, column) if type(value) is str else canonical_text(value, column)


def canonical_ratings(value: Mapping[str, float | None], column: str) -> list[str | float]:
    """Ratings as key, value, key, value, ... sorted by key, without those that are None."""
    known = {recurring_text(key, column): finite(number, column) for key, number in value.items()}
    return [part for key, number in sorted(known.items()) if number is not None for part in (key, number)]


def finite(value: object, column: str) -> float | None:
    """A finite float or None. Engines disagree on whether NaN passes a threshold: none gets in."""
    if value is None or (type(value) is float and -math.inf < value < math.inf):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRow(f"{column}_not_a_number", f"{column} is {shown(value)}, expected a number or null")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise BadRow(f"{column}_not_finite", f"{column} is {shown(value)}, expected a finite number or null")
    return number


def canonical_json(extra: Mapping[str, Any]) -> str:
    return _json(extra).decode()


def json_fragment(value: object) -> orjson.Fragment:
    """A part of what `canonical_json` takes, written once for all that hold it."""
    return orjson.Fragment(_json(value))


def _json(value: object) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str)
    except (TypeError, ValueError) as error:
        raise BadRow("extra_not_json", f"{error}") from None
