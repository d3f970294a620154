"""A scratch folder per ingestion, and the ones that killed ingestions left."""

from __future__ import annotations

import fcntl
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCK = "lock"


@contextmanager
def scratch(below: Path, name: str) -> Iterator[Path]:
    """A new folder below `below` that is gone afterwards. First removes those of this source whose process died:
    a living one holds the lock in its folder, on whatever machine it is.
    """
    for old in below.glob(f"{name}-*"):
        with _held(old) as mine:
            if mine:
                shutil.rmtree(old, ignore_errors=True)
    unique = uuid.uuid4().hex
    unnamed, folder = below / f".{unique}", below / f"{name}-{unique}"
    unnamed.mkdir(parents=True)
    with _held(unnamed):
        unnamed.rename(folder)  # seen by others only once it is locked
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """The folder's lock, and whether it was to be had."""
    try:
        file = (folder / _LOCK).open("a")
    except FileNotFoundError:  # its owner has just removed it
        yield False
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
