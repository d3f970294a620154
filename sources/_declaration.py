"""What the TOML file of a source may say, and whether it makes sense."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from pairs.errors import PrefmillError, shown
from pairs.schema import LABEL_SOURCES, MODALITIES

HOLE = re.compile(r"\{([^{}]+)\}")


class Texts(BaseModel, extra="forbid", strict=True):
    """Values written out, with `{column}` where a native value goes."""

    prompt: str | None = None
    images: str | list[str] = []
    criterion: str | None = None
    category: str | None = None
    language: str | None = None
    licence: str | None = None
    rationale: str | None = None
    reference: str | None = None
    group: str | None = None


class Columns(Texts):
    """Values that are native columns, by name or by a path such as `answers.0.text`."""

    chosen: str | None = None
    rejected: str | None = None
    a: str | None = None
    b: str | None = None
    label: str | None = None
    a_score: str | None = None
    b_score: str | None = None
    margin: str | None = None


class Labels(BaseModel, extra="forbid", strict=True):
    """The native labels that mean side a, side b or neither."""

    a: list[bool | int | float | str]
    b: list[bool | int | float | str]
    tie: list[bool | int | float | str] = []


class Joined(BaseModel, extra="forbid", strict=True):
    """Other files; the row gets, as a column, theirs whose `key` equals its own `by`."""

    files: list[str]
    key: str
    by: str


class Declared(BaseModel, extra="forbid", strict=True):
    """One file. `each` is a list column whose items make a pair each, as the column `_item`."""

    about: str
    repo: str
    files: dict[str, list[str]]
    licence: str
    label_source: Literal[LABEL_SOURCES]  # type: ignore[valid-type]
    example: dict[str, Any]
    columns: Columns
    texts: Texts = Texts()
    labels: Labels | None = None
    revision: str | None = None
    folder: str = ""
    format: Literal["jsonl", "json", "csv", "tsv", "parquet"] | None = None
    modality: Literal[MODALITIES] = "text"  # type: ignore[valid-type]
    role: Literal["train", "benchmark"] = "train"
    media: list[str] = []
    optional: list[str] = []
    each: str | None = None
    header: list[str] = []
    join: dict[str, Joined] = {}
    citation: str = ""


def declared(file: Path, text: bytes) -> Declared:
    """What the text of a TOML file states. Raises `PrefmillError` with one line that names what is wrong."""
    try:
        stated = Declared.model_validate(tomllib.loads(text.decode()))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PrefmillError(f"{file}: not TOML: {error}") from None
    except ValidationError as error:
        raise PrefmillError(f"{file}: {'; '.join(map(_problem, error.errors(include_url=False)))}") from None
    _check(file, stated)
    return stated


def _problem(found: Any) -> str:
    *above, key = [str(part) for part in found["loc"]]
    table = f"[{'.'.join(above)}]" if above else "the top level"
    if found["type"] == "extra_forbidden":
        model = {"columns": Columns, "texts": Texts, "labels": Labels}.get(above[0] if above else "", Declared)
        return f"{table} has no key {key!r}{_nearest(key, model.model_fields)}"
    if found["type"] == "missing":
        return f"{table} lacks the key {key!r}"
    where = ".".join([*above, key])
    return f"{where} is {shown(found['input'])}: {found['msg'][:1].lower()}{found['msg'][1:]}"


def _nearest(key: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(key.lower(), known, n=1, cutoff=0.5)
    return (f"; did you mean {near[0]!r}?" if near else "") + f" (known: {', '.join(known)})"


def _check(file: Path, stated: Declared) -> None:
    """What is sound key by key, but not together."""
    columns = stated.columns
    given = columns.model_fields_set
    sides = {"chosen", "rejected", "a", "b", "label", "a_score", "b_score"}
    if given & sides not in ({"chosen", "rejected"}, {"a", "b", "label"}, {"a", "b", "a_score", "b_score"}):
        raise PrefmillError(
            f"{file}: [columns] needs chosen and rejected; or a, b and label; or a, b, a_score and b_score"
        )
    if "margin" in given and "a_score" in given:
        raise PrefmillError(f"{file}: the margin is the difference of a_score and b_score; leave it out")
    if ("label" in given) != (stated.labels is not None):
        raise PrefmillError(f"{file}: the column label and the table [labels] come together")
    for key in given & stated.texts.model_fields_set:
        raise PrefmillError(f"{file}: {key} stands in [columns] and in [texts]; keep one")
    if stated.labels is not None:
        values = [label_key(value) for side in ("a", "b", "tie") for value in getattr(stated.labels, side)]
        for value in {value for value in values if values.count(value) > 1}:
            raise PrefmillError(f"{file}: [labels] gives {value[1]!r} two meanings")
    for name in named(stated):
        known = [*stated.example, *stated.optional]
        if not name.startswith("_") and name not in known and name.split(".")[0] not in known:
            near = _nearest(name, known)
            raise PrefmillError(f"{file}: column {name!r} is not in the example{near}")


def named(stated: Declared) -> list[str]:
    """The native columns that the file speaks of."""
    columns = [stated.each] if stated.each else []
    for value in stated.columns.model_dump(exclude_unset=True).values():
        columns += value if isinstance(value, list) else [value]
    for value in stated.texts.model_dump(exclude_unset=True).values():
        for text in value if isinstance(value, list) else [value]:
            columns += HOLE.findall(text)
    return columns


def label_key(value: Any) -> tuple[bool, Any]:
    """A label as it is looked up: 1 and 1.0 are the same, `true` is neither."""
    return isinstance(value, bool), value
