"""Answers of one row that benchmarks compare all with all, when some of them are the same text."""

from __future__ import annotations

from collections.abc import Sequence

from pairs.errors import BadRow, shown
from pairs.values import canonical_text


def distinct(answers: Sequence[str], column: str) -> dict[str, list[int]]:
    """Each text with the positions at which it stands, so that equal answers make one pair and none is lost."""
    if not isinstance(answers, list) or not answers:
        raise BadRow(f"{column}_not_a_list", f"{column} is {shown(answers)}, expected a list of texts")
    positions: dict[str, list[int]] = {}
    for position, answer in enumerate(answers):
        positions.setdefault(canonical_text(answer, column), []).append(position)
    return positions
