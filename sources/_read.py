"""The reader: native rows -> pairs, bad rows and media in the store, with books that balance.

Every native row ends as one or more pairs, or as one row of the table `bad_rows` with a reason. Rows are
spooled to a scratch file first, so a source that has changed stops before anything is committed.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from tqdm import tqdm

import pairs.media
import pairs.schema
import sources
from pairs.errors import SourceChanged
from pairs.store import Store
from sources._books import Books
from sources._convert import Converter
from sources._files import grouped, native_rows
from sources._media import MediaFinder
from sources._root import Root, find
from sources._source import Source
from sources._spool import Spool

BROKEN_LIMIT = 0.01  # share of broken rows above which the source counts as changed
BROKEN_FREE = 10  # so many broken rows are dirt in a file of any size
_HEAD = 100  # rows of a file whose columns are compared with the example


def ingest(
    store: Store,
    name: str,
    *,
    path: str | None = None,
    splits: Sequence[str] | None = None,
    limit: int | None = None,
) -> Books:
    """Read one source into the store, replacing what it held of it; returns its books.

    `path` is a folder or fsspec URL that holds the source's native files instead of the hub; `limit` stops after
    so many native rows. Nothing is read when neither files nor code have changed since the last time. Raises
    `SourceChanged` when columns are missing or too many rows are broken; the store then stays as it was.
    """
    module = sources.load(name)
    source: Source = module.source
    root = find(source, name, store, path, splits)
    fingerprint = _fingerprint(module, root, limit)
    known = store.facts("pairs", name)
    if known.get("fingerprint") == fingerprint:
        books = Books.from_facts(known)
        books.changed = False
        return books
    started = time.perf_counter()
    books = Books(name, root.revision, source.licence, size=root.size)
    with Spool(store, books) as spool:
        _read(name, module, root, limit, spool)
        _refuse_drift(books, spool, final=True)
        books.seconds = 0.0
        spool.settle()
        books.check()
        books.seconds = round(time.perf_counter() - started, 3)
        spool.commit(fingerprint)
    return books


def _read(name: str, module: ModuleType, root: Root, limit: int | None, spool: Spool) -> None:
    source: Source = module.source
    books = spool.books
    finder = MediaFinder(root.fs, root.path, source.media)
    converter = Converter(name, source, module.pairs, root.revision, finder, spool)
    with tqdm(desc=name, unit=" rows", disable=None, mininterval=1) as bar:
        for split, files in root.files.items():
            for file in files:
                below = root.below(file)
                books.files += 1
                columns: set[str] = set()
                index = -1
                rows = native_rows(root.fs, file, source.format)
                for index, row in enumerate(grouped(rows, source.group_by) if source.group_by else rows):
                    if limit is not None and books.rows >= limit:
                        return
                    if isinstance(row, dict) and index < _HEAD:
                        columns |= row["rows"][0].keys() if source.group_by else row.keys()
                    if index == _HEAD - 1:
                        _check_columns(name, source, below, columns, books)
                    books.rows += 1
                    converter.row(row, split, f"{below}:{index}", below)
                    bar.update()
                    if books.rows % 1_000 == 0:
                        _refuse_drift(books, spool, final=False)
                if 0 <= index < _HEAD - 1 and columns:
                    _check_columns(name, source, below, columns, books)


def _check_columns(name: str, source: Source, file: str, columns: set[str], books: Books) -> None:
    """Columns of the example that the file lacks stop the source; new ones are only noted."""
    example = source.example["rows"][0] if source.group_by else source.example
    expected = {column for column in example if not column.startswith("_")}
    missing = sorted(expected - source.optional - columns)
    if missing:
        raise SourceChanged(
            f"{name}: {file} has no column {missing[0]!r}; its columns are {', '.join(sorted(columns))}; "
            f"expected {', '.join(sorted(expected))}"
        )
    new = {column for column in columns - expected - source.optional if not column.startswith("_")}
    books.new_columns = sorted(new | set(books.new_columns))


def _refuse_drift(books: Books, spool: Spool, *, final: bool) -> None:
    """Many broken rows are a new format, not dirt."""
    if books.broken > max(BROKEN_FREE, BROKEN_LIMIT * books.rows):
        reason, count, example = spool.worst()
        raise SourceChanged(
            f"{books.source}: {books.broken} of {books.rows} rows are broken, over the {BROKEN_LIMIT:.0%} limit; "
            f"most often {reason} ({count}), first at {example}; "
            f"if the dataset has a new format, sources/{books.source}.py must follow it"
        )
    if final and not books.rows:
        raise SourceChanged(f"{books.source}: no rows in {books.files} files; nothing was ingested")
    if final and not spool.offered:
        reason, count, example = spool.worst()
        raise SourceChanged(
            f"{books.source}: none of {books.rows} rows became a pair; "
            f"most often {reason} ({count}), first at {example}"
        )


def _fingerprint(module: ModuleType, root: Root, limit: int | None) -> str:
    """Hash of all that decides an ingestion: the files, this source's code and the reader's."""
    blake = hashlib.blake2b(json.dumps([root.state, sorted(root.files), limit]).encode(), digest_size=16)
    for file in _code(module):
        blake.update(file.read_bytes())
    return blake.hexdigest()


def _code(module: ModuleType) -> list[Path]:
    """The files that decide what a native row becomes: the source, what it borrows from others, the machinery."""
    borrowed = {getattr(value, "__module__", None) for value in vars(module).values()}
    modules = [sys.modules[name] for name in borrowed if name and name.startswith("sources.")]
    files = {str(one.__file__) for one in (module, pairs.schema, pairs.media, *modules)}
    return sorted({Path(file) for file in files} | set(Path(str(sources.__file__)).parent.glob("_*.py")))
