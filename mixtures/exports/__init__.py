"""Layouts of other trainers, one file each: found because they are there. TRL reads what is published as it is.

A layout has `record(row)`: one published row as that trainer takes it, or the reason why it cannot; and
`beside(name, files, pictures)`: the contents of files that it wants beside the JSON lines, by name.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from types import ModuleType
from typing import Any, NamedTuple

from pairs.errors import PrefmillError

Message = dict[str, str]
_ELSEWHERE = ("<image>", "<video>", "<audio>")  # what other trainers put media in place of, in every message


class Row(NamedTuple):
    """One published row. Marks `<image>` stand in the prompt where pictures go; `images` are relative paths."""

    prompt: list[Message]
    chosen: list[Message]
    rejected: list[Message]
    images: list[str]
    drawn: bool  # the completions are pictures
    facts: Mapping[str, Any]  # pair_id, and what else goes along

    def texts(self) -> tuple[str, str] | str:
        """The two completions as texts; or why they are none: each has to be one message of the assistant."""
        sides = (self.chosen, self.rejected)
        if any(len(side) != 1 or side[0]["role"] != "assistant" for side in sides):
            return "a completion is not one message"
        if self.drawn:
            return "the completions are pictures"
        marks = {mark for turn in (*self.chosen, *self.rejected) for mark in _ELSEWHERE if mark in turn["content"]}
        marks |= {mark for turn in self.prompt for mark in _ELSEWHERE[1:] if mark in turn["content"]}
        if marks:
            return f"its text spells {', '.join(sorted(marks))}, where no such medium is"
        return self.chosen[0]["content"], self.rejected[0]["content"]


def names() -> list[str]:
    """All layouts, as `prefmill export --to` takes them."""
    return sorted(found.name.replace("_", "-") for found in pkgutil.iter_modules(__path__))


def layout(name: str) -> ModuleType:
    if name not in names():
        raise PrefmillError(f"no layout {name!r}; expected one of {', '.join(names())}; TRL needs none")
    return importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
