"""Versions of a published mixture: folders that are never rewritten, numbered commits, one name for the newest.

A version becomes visible by `os.link` of a finished file to the next number: of several writers one wins, and
nobody sees half of it. Numbers order versions, not clocks. The README at the top is replaced whole and always
written from the newest commit; a run that was killed before that is completed by the next one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import shutil
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from mixtures._card_places import at_top, for_folder
from mixtures._views import of_several
from pairs.errors import PrefmillError, PublishConflict
from pairs.store import file_hash, sync_folder

ATTEMPTS = 100
DAY = 86_400.0
_COMMIT = re.compile(r"(\d{8})\.json")


def newest(root: str | os.PathLike[str]) -> tuple[int, Path]:
    """Number and folder of the newest version of the mixture published at `root`."""
    number, commit = _published(Path(root))
    return number, Path(root) / "versions" / commit["version"]


def mixture_at(path: str | os.PathLike[str], config: str | None) -> tuple[Path, str | None]:
    """The folder and the view that `config` means: a view of the mixture at `path`, or a mixture below it."""
    names = sorted(commits.parent.name for commits in Path(path).glob("*/commits"))
    if not names or (Path(path) / "commits").is_dir():
        return Path(path), config
    name, view = of_several(str(path), config, names)
    return Path(path) / name, view


def verify(root: str | os.PathLike[str]) -> None:
    """Hash every file of the newest version and compare; raises `PrefmillError` naming the first that differs."""
    number, commit = _published(Path(root))
    folder = Path(root) / "versions" / commit["version"]
    damage = _damage(folder, commit["manifest"])
    if damage:
        raise PrefmillError(f"{folder}/{damage}; version {number} is damaged: publish the mixture again")


def _published(root: Path) -> tuple[int, dict[str, str]]:
    found = _newest(root)
    if found is None:
        raise PrefmillError(f"{root}: nothing is published there; expected commits/00000001.json and on")
    return found


def _damage(folder: Path, manifest: str) -> str | None:
    """The first file of a version that is not as its manifest says, and how; None when all are sound."""
    expected = {"manifest.json": manifest}
    if _hash(folder / "manifest.json") == manifest:
        files = json.loads((folder / "manifest.json").read_bytes())["files"]
        expected = {name: facts["sha256"] for name, facts in sorted(files.items())}
    for name, digest in expected.items():
        seen = _hash(folder / name)
        if seen != digest:
            return f"{name}: sha256 is {seen}, expected {digest}"
    return None


def _hash(file: Path) -> str:
    try:
        return file_hash(file)
    except OSError as error:
        return f"not readable ({error.strerror})"


def _newest(root: Path) -> tuple[int, dict[str, str]] | None:
    try:
        names = os.listdir(root / "commits")
    except FileNotFoundError:
        return None
    numbers = [int(match[1]) for match in map(_COMMIT.fullmatch, names) if match]
    if not numbers:
        return None
    commit: dict[str, str] = json.loads((root / "commits" / f"{max(numbers):08d}.json").read_bytes())
    return max(numbers), commit


@contextlib.contextmanager
def workplace(root: Path) -> Iterator[Path]:
    """A folder of one's own below `root`, gone afterwards; those that killed runs have left go too."""
    versions = root / "versions"
    versions.mkdir(parents=True, exist_ok=True)
    (root / "commits").mkdir(exist_ok=True)
    _sweep(versions)
    folder, handle = _locked(versions)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9]", "", socket.gethostname()) or "host"


def _locked(versions: Path) -> tuple[Path, int]:
    """A new folder with a lock that the kernel lets go when this process ends, however it ends."""
    while True:
        folder = versions / f".tmp-{_host()}-{uuid.uuid4().hex}"
        folder.mkdir()
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue  # swept away before it was locked
        fcntl.flock(handle, fcntl.LOCK_EX)
        if folder.exists():
            return folder, handle
        os.close(handle)


def _sweep(versions: Path) -> None:
    """Remove what dead runs have left: unlocked, and of this machine or a day old.

    Locks of another machine may not be seen here, so what looks unlocked and is young stays. Nothing but this
    clean-up relies on locks.
    """
    for folder in sorted(versions.glob(".tmp-*")):
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mine = folder.name.startswith(f".tmp-{_host()}-")
            if mine or time.time() - os.fstat(handle).st_mtime > DAY:
                shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue  # a live run
        finally:
            os.close(handle)


def write_synced(file: Path, data: bytes) -> None:
    with file.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())


def place(root: Path, work: Path, finished: Path, content: str) -> None:
    """Give a finished folder its content's name. One that is there already stays, unless it is damaged."""
    final = root / "versions" / content
    for folder, _, _ in os.walk(finished):
        sync_folder(Path(folder))
    _, last = _newest(root) or (0, {"version": ""})
    for _ in range(ATTEMPTS):
        with contextlib.suppress(FileNotFoundError):
            known = last["manifest"] if last["version"] == content else file_hash(final / "manifest.json")
            if not _damage(final, known):
                return
            os.rename(final, work / f"damaged-{uuid.uuid4().hex}")
        with contextlib.suppress(FileExistsError):
            _rename_new(finished, final)
            sync_folder(final.parent)
            return
    raise PublishConflict(f"{final} is placed and replaced by other runs; publish again")


def _rename_new(finished: Path, final: Path) -> None:
    try:
        os.rename(finished, final)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        raise FileExistsError(final) from None


def commit(root: Path, work: Path, content: str) -> tuple[int, bool]:
    """Make the version `content` the newest; returns its number and whether that is new."""
    record = {"manifest": file_hash(root / "versions" / content / "manifest.json"), "version": content}
    finished = work / f"commit-{uuid.uuid4().hex}.json"  # written once: after the link it is the commit itself
    write_synced(finished, json.dumps(record, sort_keys=True).encode() + b"\n")
    for _ in range(ATTEMPTS):
        number, last = _newest(root) or (0, {})
        if last == record:
            return number, False
        try:
            os.link(finished, root / "commits" / f"{number + 1:08d}.json")
        except FileExistsError:
            continue  # another run took the number: look again
        sync_folder(root / "commits")
        return number + 1, True
    raise PublishConflict(f"{root}: {ATTEMPTS} numbers were taken by other runs; publish again")


def point(root: Path, work: Path) -> None:
    """Make the README at the top that of the newest version, also if that one is another run's."""
    top = root / "README.md"
    while True:
        _, folder = newest(root)
        text = at_top((folder / "README.md").read_text("utf-8"), folder.name).encode()
        if top.exists() and top.read_bytes() == text:
            return
        write_synced(work / "README.md", text)
        os.replace(work / "README.md", top)
        sync_folder(root)


def point_shelf(root: Path, work: Path) -> None:
    """Make the README beside the mixtures, the card of all of them, name the newest version of each."""
    shelf = root.parent
    while True:
        newest_of = {folder.parent.name: _newest(folder.parent) for folder in shelf.glob("*/commits")}
        folders = {name: f"{name}/versions/{found[1]['version']}" for name, found in newest_of.items() if found}
        cards = {}
        for name, folder in folders.items():
            with contextlib.suppress(FileNotFoundError):  # damage of another mixture: its own check says it
                cards[name] = (shelf / folder / "README.md").read_text("utf-8")
        text = for_folder(cards, folders, f"<store>/{shelf.name}").encode()
        top = shelf / "README.md"
        if top.exists() and top.read_bytes() == text:
            return
        write_synced(work / "shelf.md", text)
        os.replace(work / "shelf.md", top)
        sync_folder(shelf)
