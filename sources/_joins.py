"""Rows of other files that belong to a row: questions by their id, answers by theirs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

import fsspec

from pairs.errors import BadRow, SourceChanged, shown
from sources._files import native_rows
from sources._root import matches
from sources._source import Join, Row

MAX_ROWS = 1_000_000  # of joined files: they are held in memory


class Joins:
    """Holds the joined files of one source and puts their rows into the rows that name them."""

    def __init__(self, fs: fsspec.AbstractFileSystem, root: str, joins: Mapping[str, Join], format_: str | None):
        self._joins = joins
        self._tables = {name: _table(fs, root, join, format_) for name, join in joins.items()}

    def joined(self, rows: Iterator[Row | BadRow], file: str) -> Iterator[Row | BadRow]:
        """Each row with a column per join; a row that names no row, or one of two unlike ones, is broken."""
        for row in rows:
            yield row if isinstance(row, BadRow) else self._one(row, file)

    def _one(self, row: Row, file: str) -> Row | BadRow:
        found: Row = {}
        for name, join in self._joins.items():
            key = PurePosixPath(file).name if join.by == "_file" else row.get(join.by)
            rows = self._tables[name].get(str(key), []) if key is not None else []
            if len(rows) != 1:
                what = "no row" if not rows else "unlike rows"
                return BadRow(
                    "not_joined", f"{join.by} is {shown(key)}, and {', '.join(join.files)} has {what} with it"
                )
            found[name] = rows[0]
        return {**row, **found}


def _table(fs: fsspec.AbstractFileSystem, root: str, join: Join, format_: str | None) -> dict[str, list[Row]]:
    table: dict[str, list[Row]] = {}
    held = 0
    for file in matches(fs, root, join.files):
        for row in native_rows(fs, file, format_):
            if isinstance(row, BadRow) or row.get(join.key) is None:
                continue  # the row that names it is broken then, and says so
            key = str(row[join.key])
            rows = table.setdefault(PurePosixPath(key).name if join.by == "_file" else key, [])
            if row not in rows:
                rows.append(row)
                held += 1
        if held > MAX_ROWS:
            raise SourceChanged(
                f"{file}: joined files hold over {MAX_ROWS:,} rows; join them before prefmill reads"
            )
    return table
