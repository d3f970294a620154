"""The reader: native rows -> pairs, bad rows and media in the store, with books that balance.

Every native row ends as one or more pairs, or as one row of the table `bad_rows` with a reason. Units of work are
read into scratch folders first, by several processes where the files are large, so a source that has changed
stops before anything is committed.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pairs.ids
import pairs.schema
import pairs.values
import sources
from pairs.errors import SourceChanged
from pairs.store import Store, sync_file
from sources._books import BROKEN_FREE, Books, Summary, Total
from sources._root import Root, find
from sources._scratch import scratch
from sources._source import Source
from sources._units import Piece, Task, may_divide, units, weight
from sources._workers import Workers

if TYPE_CHECKING:  # imported where it is needed; what loads Arrow, while the reading processes start
    from sources._shelf import Shelf

BROKEN_LIMIT = 0.01  # share of broken rows above which the source counts as changed
_WORTH_A_PROCESS = 1.5  # units of work; less is read sooner than a process starts


def ingest(
    store: Store,
    name: str,
    *,
    path: str | None = None,
    revision: str | None = None,
    splits: Sequence[str] | None = None,
    limit: int | None = None,
    pictures: str | None = None,
    open_urls: Sequence[str] = (),
    workers: int | None = None,
) -> Books:
    """Read one source into the store, replacing what it held of it; returns its books.

    `path` is a folder or fsspec URL that holds the source's native files instead of the hub; `revision` a commit,
    tag or branch of its repository instead of what the source names; `pictures` a folder, archive or fsspec URL in
    which the pictures that rows name are looked up instead of beside the files; `open_urls` names the hosts at
    which URLs of pictures in rows are opened (`sources._web`), none by default;
    `limit` stops after so many native rows. `workers` is how many processes read, by default one for each core,
    and none for small files; it changes no row. Nothing is read when neither files nor code have changed since the
    last time. Raises `SourceChanged` when columns are missing or too many rows are broken, `PrefmillError` when a
    reading process dies; the store then stays as it was.
    """
    module = sources.load(name)
    source: Source = module.source
    media = () if pictures else source.media
    root = find(source, name, store, path, splits, revision=revision, media=media)
    shelf = _shelf(name, pictures) if pictures else None
    fingerprint = _fingerprint(module, root, limit, shelf, open_urls)
    known = store.facts("pairs", name)
    if known.get("fingerprint") == fingerprint:
        books = Books.from_facts(known)
        books.changed = False
        return books
    started = time.perf_counter()
    total = Total(name)
    with scratch(store.path("scratch"), name) as folder:
        places = str(store.root), str(folder), shelf and shelf.url
        task = Task(name, root.url, root.revision, *places, tuple(open_urls))
        with _progress(name) as progress:
            for unit in _summaries(task, source, root, limit, workers, progress):
                total.add(unit)
                _refuse_drift(total, Path(str(module.__file__)).name)
                sync_file(Path(unit.folder) / "pairs.parquet")  # here it waits for the disk while others read
        _refuse_nothing(total)
        books = Books(name, root.revision, source.licence, size=root.size)
        return _finish(store, books, total, fingerprint, started)


@contextmanager
def _progress(name: str) -> Iterator[Callable[[int], object]]:
    """What hears of new rows: a bar where someone watches."""
    if not sys.stderr.isatty():
        yield lambda rows: None
        return
    from tqdm import tqdm  # takes as long as a thousand rows

    with tqdm(desc=name, unit=" rows", mininterval=1) as bar:
        yield bar.update


def _shelf(name: str, pictures: str) -> Shelf:
    from sources._shelf import find_pictures  # with all that opens archives

    return find_pictures(name, pictures)


def _finish(store: Store, books: Books, total: Total, fingerprint: str, started: float) -> Books:
    from sources._settle import Gathered

    gathered = Gathered(store, books, total)
    gathered.settle()
    books.check()
    books.seconds = round(time.perf_counter() - started, 3)
    gathered.commit(fingerprint)
    return books


def _summaries(
    task: Task,
    source: Source,
    root: Root,
    limit: int | None,
    workers: int | None,
    progress: Callable[[int], object],
) -> Iterator[Summary]:
    """What the units became, in order; read here, or by other processes when that is worth their start."""
    files = [(split, file) for split, found in root.files.items() for file in found]
    work = sum(weight(file, root.sizes[file]) for _, file in files)
    if workers is None:
        workers = 0 if work < _WORTH_A_PROCESS else os.cpu_count() or 1
    if limit is not None or workers < 1:
        yield from _read_here(task, source, root, files, limit, progress)
        return
    with Workers(task, workers, progress) as processes:
        from sources import _settle  # noqa: F401 - all needed at the end, and loaded while the processes start

        large = [two for two in files if may_divide(root, two[1], source.format, source.group_by)]
        divided = dict(zip(large, processes.divide(large), strict=True))
        yield from processes.read(list(units(_pieces(files, divided), root)))


def _read_here(
    task: Task,
    source: Source,
    root: Root,
    files: Sequence[tuple[str, str]],
    limit: int | None,
    progress: Callable[[int], object],
) -> Iterator[Summary]:
    from sources._work import Reader

    reader = Reader(task)
    large = [two for two in files if may_divide(root, two[1], source.format, source.group_by)]
    divided = {two: reader.divide(*two) for two in large} if limit is None else {}
    for number, unit in enumerate(units(_pieces(files, divided), root)):
        summary = reader.read(number, unit, progress, limit)
        yield summary
        if limit is not None:
            limit -= summary.rows
            if not limit:
                return


def _pieces(files: Sequence[tuple[str, str]], divided: dict[tuple[str, str], list[Piece]]) -> Iterator[Piece]:
    for split, file in files:
        yield from divided.get((split, file)) or [Piece(split, file)]


def _refuse_drift(total: Total, file: str) -> None:
    """Many broken rows are a new format, not dirt."""
    if total.stopped or total.broken > max(BROKEN_FREE, BROKEN_LIMIT * total.rows):
        reason, count, example = total.worst()
        raise SourceChanged(
            f"{total.source}: {total.broken} of {total.rows} rows are broken, over the {BROKEN_LIMIT:.0%} limit; "
            f"most often {reason} ({count}), first at {example}; "
            f"if the dataset has a new format, {file} must follow it"
        )


def _refuse_nothing(total: Total) -> None:
    if not total.rows:
        raise SourceChanged(f"{total.source}: no rows in {total.files} files; nothing was ingested")
    if not total.offered:
        reason, count, example = total.worst()
        raise SourceChanged(
            f"{total.source}: none of {total.rows} rows became a pair; most often {reason} ({count}), "
            f"first at {example}"
        )


def _fingerprint(
    module: ModuleType, root: Root, limit: int | None, shelf: Shelf | None, open_urls: Sequence[str]
) -> str:
    """Hash of all that decides an ingestion: the files, this source's code and the reader's."""
    decides = [root.state, sorted(root.files), limit, *([shelf.state] if shelf else [])]
    decides += [["open_urls", *sorted(open_urls)]] if open_urls else []
    blake = hashlib.blake2b(json.dumps(decides).encode(), digest_size=16)
    for file in _code(module):
        blake.update(file.read_bytes())
    return blake.hexdigest()


def _code(module: ModuleType) -> list[Path]:
    """The files that decide what a native row becomes: the source, what it borrows from others, the machinery."""
    modules: dict[str, ModuleType] = {each.__name__: each for each in (pairs.ids, pairs.values, pairs.schema)}
    waiting = [module]
    while waiting:
        one = waiting.pop()
        modules[one.__name__] = one
        for value in vars(one).values():
            name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
            if (
                isinstance(name, str)
                and name.startswith("sources.")
                and name not in modules
                and name in sys.modules
            ):
                waiting.append(sys.modules[name])
    files = {Path(one.__file__) for one in modules.values() if one.__file__}
    # Which only pictures load, and which readers load late.
    files |= {Path(str(pairs.schema.__file__)).with_name(name) for name in ("media.py", "tables.py")}
    return sorted(files | set(Path(str(sources.__file__)).parent.glob("_*.py")))
