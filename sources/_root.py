"""Where the native files of a source are: the hub, GitHub, a folder, any fsspec URL, or the demo's own files."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import fsspec

from pairs.errors import PrefmillError, SourceChanged, Unavailable, shown
from sources._source import Source

if TYPE_CHECKING:
    from pairs.store import Store

DEMO = "demo://"
_NAMED = 5  # files and folders that a message names
_LOOKED_INTO = 50  # folders in which files of another depth are looked for
_FAULTS = (
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("aiohttp", "ClientError"),
    ("httpx", "HTTPError"),  # the hub's: one or the other, as the version of huggingface_hub has it
    ("httpx2", "HTTPError"),
)


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


def find(source: Source, name: str, store: Store, path: str | None, splits: Sequence[str] | None) -> Root:
    """List the files of the wanted splits; raises `SourceChanged` when a split has none."""
    wanted = list(splits or (["train"] if "train" in source.files else sorted(source.files)))
    for split in wanted:
        if split not in source.files:
            raise SourceChanged(f"{name}: no split {split!r}; it has {', '.join(sorted(source.files))}")
    commit = source.revision
    if path is None and commit is None and not source.repo.startswith("github:"):
        commit = _newest(source.repo)
    url = _url(source, name, store, path, commit)
    try:
        fs, root = fsspec.core.url_to_fs(url)
        fs.invalidate_cache()  # a long-lived process would see the listing of its first look
        files = {split: matches(fs, root.rstrip("/"), source.files[split]) for split in wanted}
        joined = _joined(fs, root.rstrip("/"), source, name)
        facts = [(file, fs.info(file)) for found in [*files.values(), joined] for file in found]
    except network_faults() as error:
        if isinstance(error, FileNotFoundError):
            raise SourceChanged(f"{name}: {url} is not there; give the folder of its files as `path`") from None
        said = f"{type(error).__name__}: {shown(str(error), 160)}"
        raise Unavailable(
            f"{name}: {url} does not answer: {said}; or give the folder of its files as `path`"
        ) from error
    except (ValueError, ImportError) as error:
        raise PrefmillError(
            f"{name}: {url} cannot be opened: {error}; expected a folder, s3://, hf:// ..."
        ) from None
    if not splits and any(files.values()):  # a copy of some of a benchmark's splits is fine
        files = {split: found for split, found in files.items() if found}
    if not any(files.values()) and not fs.exists(root):
        raise SourceChanged(f"{name}: {url} is not there; give the folder of its files as `path`")
    for split, found in files.items():
        if not found:
            raise SourceChanged(f"{name}: {_without_files(fs, root.rstrip('/'), source, split)}")
    start = len(root.rstrip("/")) + 1
    sizes = [f"{file[start:]} {info.get('size')}" for file, info in facts]
    times = [f"{info.get('mtime')} {info.get('ETag')} {info.get('LastModified')}" for _, info in facts]
    revision = commit if path is None and commit else f"files:{_hash(sizes)[:12]}"
    state = _hash([revision, *sizes, *times])
    in_bytes = {file: int(info.get("size") or 0) for file, info in facts}
    return Root(fs, root.rstrip("/"), url, revision, files, state, in_bytes)


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


def network_faults() -> tuple[type[Exception], ...]:
    """What file systems raise when their place fails; those of S3 and HTTP are no `OSError`.

    Looks only at packages that are loaded: what is not loaded has raised nothing.
    """
    found: list[type[Exception]] = [OSError]
    for module, name in _FAULTS:
        if module in sys.modules:
            found.append(getattr(sys.modules[module], name))
    return tuple(found)


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


def _newest(repo: str) -> str:
    """The commit that the hub's main branch points to now, so that what was read can be named."""
    from huggingface_hub import HfApi

    try:
        return str(HfApi().dataset_info(repo).sha)
    except network_faults() as error:
        raise Unavailable(
            f"{repo}: the hub does not answer ({type(error).__name__}): look at the network, give the folder of "
            "its files as `path`, or take the source out of the recipe"
        ) from error


def _hash(lines: Sequence[str]) -> str:
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()
