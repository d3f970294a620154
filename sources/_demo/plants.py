"""Defects that are put in on purpose: disguised copies, small edits, broken pictures."""

from __future__ import annotations

import random
import struct
import unicodedata
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from sources._demo.texts import Draft, alike, words

NEAR = (0.85, 0.95)  # share of common words between a pair and its near-copy


@dataclass
class Native:
    """One native row, and the defect planted in it: at most one."""

    row: dict[str, Any]
    kind: str = ""
    cluster: str = ""
    detail: str = ""
    files: dict[str, bytes] = field(default_factory=dict)  # pictures that lie beside the row, by their path


_SPELLINGS: dict[str, Callable[[str], str]] = {
    "nfd": lambda part: unicodedata.normalize("NFD", part),
    "crlf": lambda part: part.replace("\n", "\r\n"),
    "trailing space": lambda part: f"{part}  \n",
    "as is": lambda part: part,
}


def disguised(draft: Draft, turn: int) -> tuple[Draft, str]:
    """The same pair in another spelling that the canonical form removes, and the name of that spelling."""
    text = draft.text + draft.task.prompt
    if unicodedata.normalize("NFD", text) != text:
        name = "nfd"
    elif "\n" in draft.chosen + draft.rejected and turn % 3:
        name = "crlf"
    else:
        name = ("trailing space", "as is")[turn % 2]
    spell = _SPELLINGS[name]
    task = replace(draft.task, prompt=draft.task.prompt if draft.task.context else spell(draft.task.prompt))
    return replace(draft, task=task, chosen=spell(draft.chosen), rejected=spell(draft.rejected)), name


_SWAPS = {
    "about": "around", "need": "require", "good": "fine", "simple": "plain", "help": "support", "use": "take",
    "before": "ahead of", "keep": "hold", "start": "begin", "because": "since", "best": "right", "how": "just how",
    "often": "frequently", "what": "what exactly", "should": "ought to", "very": "really", "away": "off",
    "also": "too", "makes": "turns", "choose": "pick", "try": "test", "first": "firstly",
    "small": "little", "right": "proper",
}  # fmt: skip
_INSERTS = ("really", "usually", "certainly", "simply", "surely", "gladly", "indeed", "perhaps", "kindly")


def _edit(text: str, rng: random.Random) -> str:
    parts = text.split(" ")
    swaps = [i for i, part in enumerate(parts) if part in _SWAPS]
    if swaps and rng.random() < 0.6:
        place = rng.choice(swaps)
        parts[place] = _SWAPS[parts[place]]
    else:
        parts.insert(rng.randint(1, max(1, len(parts) - 1)), rng.choice(_INSERTS))
    return " ".join(parts)


def edited(draft: Draft, rng: random.Random) -> tuple[Draft, float] | None:
    """A near-copy, small edits in the prompt and in both answers, with its likeness; None when it fails."""
    near = replace(
        draft,
        task=replace(draft.task, prompt=_edit(draft.task.prompt, rng)),
        chosen=_edit(draft.chosen, rng),
        rejected=_edit(draft.rejected, rng),
    )
    low, high = NEAR
    for _ in range(20):
        likeness = alike(words(draft.text), words(near.text))
        if likeness <= high:
            return (near, likeness) if likeness >= low else None
        if rng.random() < 0.5:
            near = replace(near, chosen=_edit(near.chosen, rng))
        else:
            near = replace(near, rejected=_edit(near.rejected, rng))
    return None


def reworded(prompt: str, rng: random.Random) -> str:
    """A benchmark's prompt with one small edit."""
    return _edit(prompt, rng)


def swapped(draft: Draft) -> Draft:
    return replace(draft, chosen=draft.rejected, rejected=draft.chosen)


def broken(data: bytes, turn: int) -> tuple[bytes, str]:
    """A picture's file spoilt in one of three ways, and the name of it."""
    if turn % 3 == 0:
        return data[: len(data) // 2], "truncated"
    if turn % 3 == 1:
        return bytes((i * 73 + turn * 11) % 256 for i in range(900)), "garbage"
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(400))), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part))
        for name, part in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body, "huge dimensions"
