"""What one reading process does: divide a large file, and read one unit of work into a scratch folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import fsspec

import sources
from pairs.errors import BadRow, SourceChanged
from pairs.store import Store
from sources._books import BROKEN_FREE, Summary
from sources._convert import Converter, Finder
from sources._divide import divide
from sources._files import grouped, native_rows
from sources._joins import Joins
from sources._media import MediaFinder
from sources._shelf import on_shelf
from sources._source import Row, Source
from sources._spool import Spool
from sources._units import Piece, Task

_HEAD = 100  # rows of a file whose columns are compared with the example
_TOLD = 1_000  # rows between two reports of progress


class Reader:
    """Reads units of one source; pictures' archives stay open between them."""

    def __init__(self, task: Task) -> None:
        module = sources.load(task.name)
        self._name = task.name
        self._source: Source = module.source
        self._fs, root = fsspec.core.url_to_fs(task.url)
        self._root = root.rstrip("/")
        joins = self._source.joins
        self._joins = Joins(self._fs, self._root, joins, self._source.format) if joins else None
        if task.pictures is None:
            finder = MediaFinder(self._fs, self._root, self._source.media)
        else:
            finder = on_shelf(task.pictures, self._source.media)
        self._converter = Converter(self._source, module.pairs, _with_urls(finder, task.open_urls))
        self._store = Store(task.store)
        self._scratch = Path(task.scratch)
        self._constant = {"source_revision": task.revision, "role": self._source.role}

    def divide(self, split: str, file: str) -> list[Piece]:
        return divide(self._fs, split, file)

    def read(
        self, number: int, unit: Sequence[Piece], progress: Callable[[int], object], limit: int | None = None
    ) -> Summary:
        """Read unit `number` into its own scratch folder, `limit` rows at most; `progress` hears of new rows."""
        with Spool(self._store, self._name, self._scratch / f"{number:06d}", self._constant) as spool:
            for piece in unit:
                self._piece(piece, spool, progress, limit)
                if spool.summary.stopped:
                    break
            return spool.close()

    def _piece(self, piece: Piece, spool: Spool, progress: Callable[[int], object], limit: int | None) -> None:
        summary = spool.summary
        below = piece.file[len(self._root) + 1 :]
        summary.files += not piece.first
        columns: set[str] = set()
        index = piece.first - 1
        told = summary.rows
        source, by = self._source, self._source.group_by
        rows = native_rows(self._fs, piece.file, source.format, piece.start, piece.stop, source.header)
        if self._joins:
            rows = self._joins.joined(rows, below)
        for index, row in enumerate(grouped(rows, by) if by else rows, piece.first):
            if limit is not None and summary.rows >= limit:
                break
            if index < _HEAD:
                columns |= _columns(row, grouped=bool(by))
                if index == _HEAD - 1:
                    self._check_columns(below, columns, summary)
            place = f"{below}:{index}"
            records, findings, media = self._converter.row(row, piece.split, place, below)
            spool.add(piece.split, place, records, findings, media)
            if not records and summary.broken > BROKEN_FREE and 2 * summary.broken > summary.rows:
                summary.stopped = True
                break
            if summary.rows - told == _TOLD:
                progress(_TOLD)
                told = summary.rows
        progress(summary.rows - told)
        if columns and index < _HEAD - 1:
            self._check_columns(below, columns, summary)

    def _check_columns(self, file: str, columns: set[str], summary: Summary) -> None:
        """Columns of the example that the file lacks stop the source; new ones are only noted."""
        source = self._source
        example = source.example["rows"][0] if source.group_by else source.example
        expected = {column for column in example if not column.startswith("_")}
        missing = sorted(expected - source.optional - columns)
        if missing:
            raise SourceChanged(
                f"{self._name}: {file} has no column {missing[0]!r}; its columns are "
                f"{', '.join(sorted(columns))}; expected {', '.join(sorted(expected))}"
            )
        new = {column for column in columns - expected - source.optional if not column.startswith("_")}
        summary.columns = sorted(new | set(summary.columns))


def _with_urls(finder: MediaFinder, hosts: Sequence[str]) -> Finder:
    if not hosts:
        return finder
    from sources._web import Web  # with a client for HTTP, which few sources need

    return Web(hosts, finder)


def _columns(row: Row | BadRow, *, grouped: bool) -> set[str]:
    if isinstance(row, BadRow):
        return set()
    return set(row["rows"][0] if grouped else row)
