"""Dialogue shapes that several datasets share: ShareGPT turns, marks of pictures, two dialogues and a vote."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pairs.errors import BadRow, SetAside, shown
from pairs.schema import IMAGE_MARK, Message
from sources._source import Row

_SPEAKERS = {"system": "system", "human": "user", "gpt": "assistant"}
_SIDES = {"model_a": True, "leftvote": True, "model_b": False, "rightvote": False}
_TIES = ("tie", "tie (bothbad)", "both_bad", "tievote", "bothbad_vote")
_MARK = re.compile(re.escape(IMAGE_MARK) + r"[ \n]?")


def sharegpt(turns: Iterable[Row]) -> list[Message]:
    """Turns of `from` and `value` as messages; raises `BadRow` for a speaker who is none of three."""
    messages: list[Message] = []
    for turn in turns:
        if turn["from"] not in _SPEAKERS:
            raise BadRow("speaker_not_known", f"from is {shown(turn['from'])}, expected {', '.join(_SPEAKERS)}")
        messages.append({"role": _SPEAKERS[turn["from"]], "content": turn["value"]})
    return messages


def unmarked(text: str) -> str:
    """A text without `<image>`, for datasets whose marks do not agree with the number of pictures."""
    return _MARK.sub("", text)


def pictures_first(messages: Sequence[Message], pictures: int) -> list[Message]:
    """Messages with marks before the first user turn, for dialogues that opened with the pictures.

    Messages that hold a mark already stay as they are.
    """
    first = next((index for index, message in enumerate(messages) if message["role"] == "user"), 0)
    marked = any(IMAGE_MARK in message["content"] for message in messages)
    marks = "" if marked else f"{IMAGE_MARK}\n" * pictures
    return [
        {**message, "content": marks + message["content"]} if index == first else message
        for index, message in enumerate(messages)
    ]


def replies(
    first: Sequence[Message], second: Sequence[Message]
) -> tuple[Sequence[Message], Sequence[Message], Sequence[Message]]:
    """What two dialogues share, and their last replies; `SetAside` when they differ before the last."""
    if not first or not second or first[-1]["role"] != "assistant" or second[-1]["role"] != "assistant":
        raise SetAside("last_turn_not_the_assistants", "a dialogue does not end with a reply")
    if first[:-1] != second[:-1]:
        raise SetAside("prompts_differ", f"{len(first)} and {len(second)} turns that differ before the last")
    return first[:-1], first[-1:], second[-1:]


def battle(row: Row) -> tuple[Sequence[Message], Sequence[Message], Sequence[Message], str]:
    """An arena row as shared prompt, better reply, worse reply, and the letter of the better side.

    Reads `conversation_a`, `conversation_b` and `winner`; ties of both kinds raise `SetAside`.
    """
    winner = row["winner"]
    if winner in _TIES:
        raise SetAside("tie", f"winner is {winner}")
    if winner not in _SIDES:
        raise BadRow("winner_not_known", f"winner is {shown(winner)}, expected {', '.join((*_SIDES, *_TIES))}")
    prompt, first, second = replies(_messages(row["conversation_a"]), _messages(row["conversation_b"]))
    return (prompt, first, second, "a") if _SIDES[winner] else (prompt, second, first, "b")


def _messages(conversation: Iterable[Row | list[Row]]) -> list[Message]:
    """Role and content alone: counts of tokens beside them differ between sides. Some store a list per turn."""
    turns = [turn for item in conversation for turn in (item if isinstance(item, list) else [item])]
    return [{"role": turn["role"], "content": turn["content"]} for turn in turns]
