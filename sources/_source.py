"""The contract of a source: what one file in `sources/` states about a dataset.

A source file holds `source = Source(...)` and `pairs(row)`: a function from one native row to `Pair`s. It
catches nothing and opens nothing. It yields `Tie`-like findings as `SetAside(reason, detail)` objects beside
its pairs, or raises `BadRow` or `SetAside` for the whole row. `row["_file"]` is the file's path below the
root, for the datasets that say something there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pairs.errors import PrefmillError, SetAside
from pairs.schema import LABEL_SOURCES, Pair

Row = dict[str, Any]
PairsOf = Callable[[Row], Iterable[Pair | SetAside]]
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Join:
    """Rows of other files, looked up: a row gets the one whose column `key` equals its own column `by`.

    `files` are glob patterns below the root. Keys are compared as text; `by="_file"` is the name of the row's own
    file, and compared with the last part of the path in `key`.
    """

    files: tuple[str, ...]
    key: str
    by: str


@dataclass(frozen=True, kw_only=True)
class Source:
    """Facts about one dataset.

    `repo` is a hub dataset id ("openbmb/RLAIF-V-Dataset") or "github:owner/name"; `revision` is the commit that
    the file was written against, 40 hex digits, or None while nobody has pinned it: then the newest commit is read
    and recorded. `files` maps a split to glob patterns below the root, as "rows.zip!/**/*.jsonl" also to files in
    a zip; splits named "train" feed mixtures by default. `example` is one native row: documentation, and the seed
    of the tests. Every column of it must be in the data, except those in `optional`. `media` are folders or
    archives (zip, tar, tar.gz) below the root in which relative picture paths are looked up; "shards/*.zip" stands
    for all that fit. With `group_by`, consecutive rows that agree in these columns come as one row,
    `{"rows": [...]}`, and count as one; `example` is then such a row. `joins` adds a column per join, the row of
    another file that belongs to this one. `header` names the columns of tables without a header line.
    """

    repo: str
    revision: str | None
    files: Mapping[str, tuple[str, ...]]
    licence: str
    label_source: str
    example: Row
    modality: str = "text"
    role: str = "train"
    folder: str = ""  # below the repository's root, where `files` start
    format: str | None = None  # "jsonl", "json", "csv", "tsv", "parquet"; None: by the file's name
    media: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ()
    joins: Mapping[str, Join] = field(default_factory=dict)
    header: tuple[str, ...] = ()
    optional: frozenset[str] = field(default_factory=frozenset)
    citation: str = ""

    def __post_init__(self) -> None:
        if self.revision is not None and not COMMIT.fullmatch(self.revision):
            raise PrefmillError(
                f"{self.repo}: revision is {self.revision!r}, expected a commit of 40 hex digits: a branch moves"
            )
        if self.label_source not in LABEL_SOURCES or self.role not in ("train", "benchmark"):
            raise PrefmillError(f"{self.repo}: label_source {self.label_source!r}, role {self.role!r} not known")
        if not self.files:
            raise PrefmillError(f"{self.repo}: names no files")
