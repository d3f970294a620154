"""Pairs as text for a terminal: cut, wrapped, and without the signs that a terminal would obey."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence
from typing import Any


def printable(text: str) -> str:
    """`text` with every control character but the line end replaced: native texts may hold some."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "\N{REPLACEMENT CHARACTER}" for sign in text)


def said(messages: Sequence[dict[str, str]]) -> str:
    """Messages in one line; the speakers are named where there are several."""
    if len(messages) == 1:
        return messages[0]["content"]
    return " ".join(f"[{message['role']}] {message['content']}" for message in messages)


def picture(medium: dict[str, Any]) -> str:
    """A row of the media table in words."""
    return f"{medium['format']} of {medium['width']} x {medium['height']} pixels, {medium['size']:,} bytes"


def block(title: str, text: str, chars: int) -> str:
    """A text in one paragraph of at most `chars` characters, beside its title."""
    start = f"  {title:<10}"
    text = " ".join(text[: 2 * chars].split())
    cut = text if len(text) <= chars else text[: chars - 2] + " …"
    return textwrap.fill(cut, width(), initial_indent=start, subsequent_indent=" " * len(start))


def width() -> int:
    """Columns to use, 60 to 120."""
    return max(60, min(shutil.get_terminal_size().columns, 120))
