"""Scores that stand beside two given sides, and dialogues that stand in one string."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pairs.errors import SetAside
from pairs.schema import Message
from pairs.values import finite


def margin(better: object, worse: object, column: str) -> float | None:
    """Score of the chosen side minus that of the rejected one, > 0; None when a score is missing.

    Raises `SetAside` when the scores are equal or say the opposite of the label.
    """
    high, low = finite(better, f"chosen_{column}"), finite(worse, f"rejected_{column}")
    if high is None or low is None:
        return None
    if high == low:
        raise SetAside("tie", f"both have {column} {high}")
    if high < low:
        raise SetAside("scores_oppose_label", f"{column} is {high} for the chosen and {low} for the rejected side")
    return high - low


def marked_turns(text: str, marker: re.Pattern[str], roles: Mapping[str, str]) -> tuple[str, list[Message]]:
    """The text before the first marker, and the turns after each; the marker's one group is the speaker."""
    before, *parts = marker.split(text)
    turns = zip(parts[::2], parts[1::2], strict=True)
    return before, [{"role": roles[speaker], "content": said} for speaker, said in turns]
