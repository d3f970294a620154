"""Where the native files of a source are: the hub, GitHub, a folder, any fsspec URL, or the demo's own files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import fsspec

from pairs.errors import PrefmillError, SourceChanged, Unavailable, shown
from sources._media import archive_files
from sources._members import archive_of, matching, members
from sources._network import changes, network_faults
from sources._pins import commit_of
from sources._source import Source
from sources._volumes import parts

if TYPE_CHECKING:
    from pairs.store import Store

DEMO = "demo://"
_NAMED = 5  # files and folders that a message names
_LOOKED_INTO = 50  # folders in which files of another depth are looked for


@dataclass(frozen=True)
class Root:
    """An opened place: `files` maps a split to the paths it matched, sorted."""

    fs: fsspec.AbstractFileSystem
    path: str
    url: str  # opens the same place in another process
    revision: str  # a commit, or a hash of names and sizes where there is none
    files: dict[str, tuple[str, ...]]
    state: str  # changes when a file does: what a re-run compares
    sizes: dict[str, int]  # bytes of each file

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(self.sizes.values())

    def below(self, file: str) -> str:
        """A file's path below the root."""
        return file[len(self.path.rstrip("/")) + 1 :]


def find(
    source: Source,
    name: str,
    store: Store,
    path: str | None,
    splits: Sequence[str] | None,
    *,
    revision: str | None = None,
    media: Sequence[str] = (),
) -> Root:
    """List the files of the wanted splits, at `path` or in the repository at `revision` or what the source names.

    `media` are the places of pictures whose archives count for `state` too. Raises `SourceChanged` when a split
    has no files.
    """
    wanted = _wanted(source, name, splits)
    if path is not None and revision is not None:
        raise PrefmillError(f"{name}: a `path` has no `revision`, the repository has; take one of the two out")
    commit = commit_of(source, revision) if path is None else None
    url = _url(source, name, store, path, commit)
    with _answering(name, url):
        fs, root = fsspec.core.url_to_fs(url)
        root = root.rstrip("/")
        fs.invalidate_cache()  # a long-lived process would see the listing of its first look
        files = {split: matches(fs, root, source.files[split]) for split in wanted}
        listed = [*(file for found in files.values() for file in found), *_joined(fs, root, source, name)]
        sizes = _sizes(fs, listed)
        told = changes(fs, [*_whole(fs, listed), *archive_files(fs, root, media)])
    if not splits and any(files.values()):  # a copy of some of a benchmark's splits is fine
        files = {split: found for split, found in files.items() if found}
    if not any(files.values()) and not fs.exists(root):
        raise _not_there(name, url)
    for split, found in files.items():
        if not found:
            raise SourceChanged(f"{name}: {_without_files(fs, root, source, split)}")
    held = [f"{file[len(root) + 1 :]} {size}" for file, size in sizes.items()]
    read = commit or f"files:{_hash(held)[:12]}"
    state = _hash([read, *held, *(line[len(root) + 1 :] for line in told)])
    return Root(fs, root, url, read, files, state, sizes)


@contextmanager
def _answering(name: str, url: str) -> Iterator[None]:
    """What a place raises when it is looked at, as one line."""
    try:
        yield
    except network_faults() as error:
        if isinstance(error, FileNotFoundError):
            raise _not_there(name, url) from None
        said = f"{type(error).__name__}: {shown(str(error), 160)}"
        raise Unavailable(
            f"{name}: {url} does not answer: {said}; or give the folder of its files as `path`"
        ) from error
    except (ValueError, ImportError) as error:
        raise PrefmillError(
            f"{name}: {url} cannot be opened: {error}; expected a folder, s3://, hf:// ..."
        ) from None


def _not_there(name: str, url: str) -> SourceChanged:
    return SourceChanged(f"{name}: {url} is not there; give the folder of its files as `path`")


def _wanted(source: Source, name: str, splits: Sequence[str] | None) -> list[str]:
    wanted = list(splits or (["train"] if "train" in source.files else sorted(source.files)))
    for split in wanted:
        if split not in source.files:
            raise SourceChanged(f"{name}: no split {split!r}; it has {', '.join(sorted(source.files))}")
    return wanted


def _sizes(fs: fsspec.AbstractFileSystem, files: Sequence[str]) -> dict[str, int]:
    """Bytes of each file; of one in a zip, once it is unpacked."""
    inside: dict[str, int] = {}
    for archive in filter(None, set(map(archive_of, files))):
        inside |= members(fs, archive)
    return {file: inside[file] if file in inside else int(fs.size(file) or 0) for file in files}


def _whole(fs: fsspec.AbstractFileSystem, files: Sequence[str]) -> list[str]:
    """The files as they lie there: instead of those in a zip the zip, in all its parts."""
    found: dict[str, None] = {}
    for file in files:
        archive = archive_of(file)
        found |= dict.fromkeys(parts(fs, archive) if archive else [file])
    return list(found)


def _without_files(fs: fsspec.AbstractFileSystem, root: str, source: Source, split: str) -> str:
    """What to say of a place that has no file for a split: what is there, and where the files might be."""
    patterns = source.files[split]
    if fs.isfile(root):
        return f"{root} is a file, expected the folder that holds {', '.join(patterns)}"
    held = sorted(fs.ls(root, detail=False))
    names = ", ".join(path.rstrip("/").rpartition("/")[2] for path in held[:_NAMED])
    seen = f"it holds {names}{', ...' if len(held) > _NAMED else ''}" if held else "it is empty"
    said = f"no file for split {split!r} in {root}, expected {', '.join(patterns)}; {seen}"
    others = [other for other in source.files if matches(fs, root, source.files[other])]
    if others:
        return f"{said}; it has files of split {others[0]!r}: choose that split"
    within = [f"{root}/{source.folder}", *held[:_LOOKED_INTO]]
    found = next((path for path in within if matches(fs, path.rstrip("/"), patterns)), None)
    return (
        f"{said}; such files are in {found}: give that folder"
        if found
        else f"{said}; give the folder of its files"
    )


def _joined(fs: fsspec.AbstractFileSystem, root: str, source: Source, name: str) -> tuple[str, ...]:
    """The files that are joined; raises `SourceChanged` when there are none for a join."""
    found: list[str] = []
    for join in source.joins.values() if fs.exists(root) else ():
        files = matches(fs, root, join.files)
        if not files:
            raise SourceChanged(f"{name}: no file {', '.join(join.files)} below {root}, whose rows are joined")
        found += files
    return tuple(found)


def matches(fs: fsspec.AbstractFileSystem, root: str, patterns: Sequence[str]) -> tuple[str, ...]:
    """The files below a root that fit one of the patterns, sorted."""
    found: set[str] = set()
    for pattern in patterns:
        full = f"{root}/{pattern}"
        if archive_of(pattern):
            found.update(matching(fs, full))
        else:
            found.update(fs.glob(full) if "*" in pattern else [full] if fs.isfile(full) else [])
    return tuple(sorted(found))


def _url(source: Source, name: str, store: Store, path: str | None, commit: str | None) -> str:
    if path is not None and path.startswith(DEMO):
        from sources import _demo

        _demo.write(store.path("demo"))
        return str(store.path("demo", path.removeprefix(DEMO) or name))
    if path is not None:
        return path if "://" in path else str(Path(path).expanduser().absolute())
    folder = f"/{source.folder}" if source.folder else ""
    if source.repo.startswith("github:"):
        owner, _, repo = source.repo.removeprefix("github:").partition("/")
        return f"github://{owner}:{repo}@{commit or 'HEAD'}{folder}"
    return f"hf://datasets/{source.repo}@{commit}{folder}"


def _hash(lines: Sequence[str]) -> str:
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()
