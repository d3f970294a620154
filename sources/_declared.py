"""Sources without code: a TOML file that says which columns are the prompt, the chosen and the rejected side.

`sources/<name>.toml` becomes a module with `source`, `pairs` and a docstring, as a Python file in its place would
be. docs/adding_a_source.md lists the keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from pairs.errors import BadRow, SetAside, shown
from pairs.schema import IMAGE_MARK, Message, Pair
from sources._declaration import HOLE, Declared, Labels, declared, label_key, named
from sources._shapes import PIXELS_PNG, image_bytes, rating
from sources._source import Join, Row, Source
from sources._turns import replies

PICTURE = "<picture>"  # stands for an embedded picture in an example: TOML has no bytes
_NAMED_ALIKE = ("category", "language", "licence", "rationale", "reference")
_SPEAKERS = {
    **{role: role for role in ("system", "user", "assistant", "tool")},
    **{"human": "user", "gpt": "assistant", "function_call": "assistant", "observation": "tool"},
}


def load(file: Path, name: str) -> ModuleType:
    """The module that a TOML file stands for. Raises `PrefmillError` with one line that names what is wrong."""
    return _module(file, name, file.read_bytes())


@cache
def _module(file: Path, name: str, text: bytes) -> ModuleType:
    stated = declared(file, text)
    module = ModuleType(name, stated.about.strip())
    module.__file__ = str(file)
    same = ("repo", "revision", "licence", "label_source", "role", "folder", "format", "citation")
    vars(module)["source"] = Source(
        **{key: getattr(stated, key) for key in same},
        modality="image" if _has_pictures(stated) and stated.modality == "text" else stated.modality,
        files={split: tuple(patterns) for split, patterns in stated.files.items()},
        media=tuple(stated.media),
        header=tuple(stated.header),
        joins={key: Join(tuple(join.files), join.key, join.by) for key, join in stated.join.items()},
        optional=frozenset(stated.optional),
        example={column: _pictured(value) for column, value in stated.example.items()},
    )
    vars(module)["pairs"] = _Adapter(stated).pairs
    return module


class _Adapter:
    """What one TOML file does with a native row."""

    def __init__(self, stated: Declared) -> None:
        self._stated = stated
        self._columns = stated.columns
        self._texts = stated.texts
        self._pictured = _has_pictures(stated)
        self._used = set(named(stated)) - {stated.columns.label} | {"_file", "_item"}
        labels = stated.labels or Labels(a=[], b=[])
        self._sides = {label_key(value): side for side in ("a", "b", "tie") for value in getattr(labels, side)}

    def pairs(self, row: Row) -> Iterator[Pair | SetAside]:
        if self._stated.each is None:
            yield self._pair(row)
            return
        items = self._at(row, self._stated.each)
        if not isinstance(items, list):
            raise BadRow("not_a_list", f"{self._stated.each} is {shown(items)}, expected a list")
        for item in items:
            yield self._pair({**row, "_item": item})

    def _pair(self, row: Row) -> Pair | SetAside:
        sides = self._chosen_and_rejected(row)
        if isinstance(sides, SetAside):
            return sides
        *columns, margin = sides
        chosen, rejected = (_said(self._at(row, column), column, self._pictured) for column in columns)
        prompt: str | Sequence[Message]
        if self._columns.prompt is None and self._texts.prompt is None:
            if isinstance(chosen, str) or isinstance(rejected, str):
                raise BadRow("dialogue_not_messages", f"{shown(chosen)}, expected messages: there is no prompt")
            prompt, chosen, rejected = replies(chosen, rejected)
        else:
            prompt = _said(self._value(row, "prompt"), "prompt", self._pictured)
            for side in (chosen, rejected):
                if not isinstance(side, str) and side[0]["role"] in ("system", "user"):
                    raise BadRow("completion_holds_prompt", "a side starts with the prompt: leave out `prompt`")
        group = self._value(row, "group")
        return Pair(
            prompt=prompt,
            chosen=chosen,
            rejected=rejected,
            images=list(self._pictures(row)),
            criterion=self._value(row, "criterion") or "overall",
            source_margin=margin,
            **{
                key: self._value(row, key) for key in ("category", "language", "licence", "rationale", "reference")
            },
            extra=self._rest(row) | ({} if group is None else {"group": group}),
        )

    def _chosen_and_rejected(self, row: Row) -> tuple[str, str, float | None] | SetAside:
        """The columns of the two sides and the margin, or why no side is better."""
        columns = self._columns
        margin = None if columns.margin is None else rating(self._at(row, columns.margin))
        if columns.a_score is not None:
            return self._by_scores(row)
        if columns.label is None:
            return str(columns.chosen), str(columns.rejected), margin
        label = self._at(row, columns.label)
        side = self._sides.get(label_key(label))
        if side is None and label is None:
            return SetAside("no_label", f"{columns.label} is null")
        if side is None:
            known = ", ".join(repr(value) for _, value in self._sides)
            raise BadRow("label_not_known", f"{columns.label} is {shown(label)}, expected one of {known}")
        if side == "tie":
            return SetAside("tie", f"{columns.label} is {shown(label)}")
        first, second = str(columns.a), str(columns.b)
        return (first, second, margin) if side == "a" else (second, first, margin)

    def _by_scores(self, row: Row) -> tuple[str, str, float] | SetAside:
        columns = self._columns
        a, b = (rating(self._at(row, str(name))) for name in (columns.a_score, columns.b_score))
        if a is None or b is None:
            return SetAside("score_missing", f"{columns.a_score} is {shown(a)}, {columns.b_score} {shown(b)}")
        if a == b:
            return SetAside("tie", f"both have {a}")
        first, second = str(columns.a), str(columns.b)
        return (first, second, a - b) if a > b else (second, first, b - a)

    def _value(self, row: Row, key: str) -> Any:
        column, text = getattr(self._columns, key), getattr(self._texts, key)
        if column is not None:
            return self._at(row, column)
        return None if text is None else self._filled(row, text)

    def _at(self, row: Row, name: str) -> Any:
        """A column by its name; else a path into nested values, its parts divided by dots."""
        if name in row:
            return row[name]
        head, *path = name.split(".")
        if head in self._stated.optional and row.get(head) is None:
            return None
        value = row[head]
        for part in path:
            value = value[int(part)] if isinstance(value, list) else value[part]
        return value

    def _filled(self, row: Row, text: str) -> str:
        def fill(hole: re.Match[str]) -> str:
            value = self._at(row, hole[1])
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                raise BadRow("column_not_text", f"{hole[1]} is {shown(value)}, expected a text or a number")
            return str(value)

        return HOLE.sub(fill, text)

    def _pictures(self, row: Row) -> Iterator[Any]:
        columns = self._columns.images
        for column in [columns] if isinstance(columns, str) else columns:
            value = self._at(row, column)
            for picture in value if isinstance(value, list) else [] if value is None else [value]:
                yield image_bytes(picture) if isinstance(picture, Mapping) else picture
        texts = self._texts.images
        yield from (self._filled(row, text) for text in ([texts] if isinstance(texts, str) else texts))

    def _rest(self, row: Row) -> dict[str, Any]:
        return {
            column: value for column, value in row.items() if column not in self._used and not _is_picture(value)
        }


def _has_pictures(stated: Declared) -> bool:
    return bool(stated.columns.images or stated.texts.images)


def _is_picture(value: object) -> bool:
    return isinstance(value.get("bytes") if isinstance(value, Mapping) else value, bytes)


def _pictured(value: Any) -> Any:
    return {"bytes": PIXELS_PNG, "path": "picture.png"} if value == PICTURE else value


def _said(value: Any, column: str, pictured: bool) -> str | list[Message]:
    """A text as it is; a message, or a list of messages or ShareGPT turns, as messages.

    `pictured` says that pictures come with them, for which parts of messages can stand.
    """
    if isinstance(value, str):
        return value
    turns = value if isinstance(value, list) else [value]
    if not turns:
        raise BadRow(f"{column}_empty", f"{column} has no message")
    return [_message(turn, column, pictured) for turn in turns]


def _message(turn: Any, column: str, pictured: bool) -> Message:
    if not isinstance(turn, Mapping):
        raise BadRow(f"{column}_not_text", f"{column} is {shown(turn)}, expected a text or messages")
    speaker = turn["role"] if "role" in turn else turn["from"]
    if speaker not in _SPEAKERS:
        raise BadRow("speaker_not_known", f"{shown(speaker)}, expected one of {', '.join(_SPEAKERS)}")
    content = turn["content"] if "content" in turn else turn["value"]
    if isinstance(content, list):
        content = "\n".join(_part(part, pictured) for part in content)
    return {"role": _SPEAKERS[speaker], "content": content}


def _part(part: Any, pictured: bool) -> str:
    """One of the typed parts of a message."""
    if part["type"] == "image":
        if not pictured:
            raise BadRow("picture_not_named", f"a part is {shown(part)}; say in `images` where pictures are")
        return IMAGE_MARK
    text = part.get("text", part.get("value"))
    if part["type"] != "text" or not isinstance(text, str):
        raise BadRow("part_not_text", f"{shown(part)}, expected a part of type text or image")
    return text
