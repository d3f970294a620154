"""A published mixture on S3: the newest version copied there, committed by a conditional write, read back.

<url>/README.md                        the card of all mixtures there, written last
<url>/<mixture>/README.md              the card of the newest version
                commits/00000001.json  which version is the newest: the highest number
                versions/<hashes>/     the files of one version, each under a name that no other content can have

An exception inside an fsspec write may leave a cut object under its name. So objects are hashed after they were
written, and nothing points to them before that. `If-None-Match: *` lets one writer have a number.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixtures._card_places import at_url, for_folder
from mixtures._commit import ATTEMPTS, newest, verify
from mixtures._views import of_several
from pairs.errors import PrefmillError, PublishConflict, Unavailable
from pairs.store import file_hash

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_COMMIT = re.compile(r"(\d{8})\.json")
_BLOCK = 8 << 20


@dataclass(frozen=True)
class Copied:
    """`changed` is False when the newest version at `url` already had this content."""

    url: str  # of the mixture: what `mixtures.load` is given
    version: int
    changed: bool
    files: int
    size: int  # bytes


def upload(root: str | os.PathLike[str], url: str) -> Copied:
    """Copy the newest version of the mixture at `root` to `<url>/<its name>` and make it the newest there.

    Credentials and endpoint come from the environment, as s3fs and boto take them. Raises `PrefmillError` when the
    local version is damaged or an object differs from what was sent, `PublishConflict` when other writers keep
    taking the next number, and `Unavailable` when the server refuses or does not answer; the version before stays
    readable then, and the next run goes on where this one stopped.
    """
    _, folder = newest(root)
    verify(root)
    url = f"{url.rstrip('/')}/{Path(root).name}"
    data = (folder / "manifest.json").read_bytes()
    files = {name: (facts["sha256"], facts["bytes"]) for name, facts in json.loads(data)["files"].items()}
    digest = file_hash(folder / "manifest.json")
    record = {"content": folder.name, "manifest": digest, "version": f"{folder.name}-{digest[:8]}"}
    with opened(url) as (fs, top):
        _, last = _newest(fs, top)
        if last and last["content"] == folder.name:
            record = last
        known = _sizes(fs, f"{top}/versions/{record['version']}") if record is last else {}
        for name, (sha256, size) in sorted(files.items()):
            if known.get(name) != size:
                _put(fs, folder / name, f"{top}/versions/{record['version']}/{name}", sha256)
        if record is not last:
            _put(fs, folder / "manifest.json", f"{top}/versions/{record['version']}/manifest.json", digest)
        number, changed = _commit(fs, top, record)
        _point(fs, top, url)
        _point_shelf(fs, top.rpartition("/")[0], url.rpartition("/")[0])
    return Copied(url, number, changed, len(files) + 1, sum(size for _, size in files.values()) + len(data))


@contextlib.contextmanager
def opened(url: str, options: Mapping[str, Any] | None = None) -> Iterator[tuple[AbstractFileSystem, str]]:
    """The file system of an S3 URL and the path in it; what it raises inside becomes one line."""
    if not url.startswith("s3://") or not url.removeprefix("s3://").split("/")[0]:
        raise PrefmillError(f"{url}: expected a URL like s3://bucket/folder")
    try:
        import fsspec
        from botocore.exceptions import BotoCoreError, ClientError

        fs, path = fsspec.core.url_to_fs(url, **(options or {}))
    except ImportError:
        raise PrefmillError(f"{url}: S3 needs one more package: pip install 'prefmill[s3]'") from None
    try:
        fs.invalidate_cache()  # a long-lived process would see the listing of its first look
        yield fs, path
    except (OSError, BotoCoreError, ClientError) as error:
        raise Unavailable(
            f"{url}: {type(error).__name__}: {error}; look at bucket, credentials and endpoint, then run again"
        ) from error


def _newest(fs: AbstractFileSystem, top: str) -> tuple[int, dict[str, str]]:
    """Number and record of the newest commit; 0 and an empty record when there is none."""
    try:
        names = [path.rsplit("/", 1)[-1] for path in fs.ls(f"{top}/commits", detail=False, refresh=True)]
    except FileNotFoundError:
        return 0, {}
    number = max((int(match[1]) for match in map(_COMMIT.fullmatch, names) if match), default=0)
    return number, json.loads(fs.cat_file(f"{top}/commits/{number:08d}.json")) if number else {}


def _sizes(fs: AbstractFileSystem, folder: str) -> dict[str, int]:
    """Bytes of every object below a folder, by its path from there."""
    return {path[len(folder) + 1 :]: facts["size"] for path, facts in fs.find(folder, detail=True).items()}


def _put(fs: AbstractFileSystem, file: Path, key: str, sha256: str) -> None:
    """Write one object, unless a run that was stopped has left it there whole; hash what lies there then."""
    if fs.exists(key) and fs.size(key) == file.stat().st_size and _hash(fs, key) == sha256:
        return
    fs.put_file(str(file), key)
    seen = _hash(fs, key)
    if seen != sha256:
        raise PrefmillError(f"s3://{key}: sha256 is {seen} after writing, expected {sha256}; publish again")


def _hash(fs: AbstractFileSystem, key: str) -> str:
    digest = hashlib.sha256()
    with fs.open(key, "rb", block_size=_BLOCK, cache_type="none") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _commit(fs: AbstractFileSystem, top: str, record: Mapping[str, str]) -> tuple[int, bool]:
    """Make a version the newest; returns its number and whether that is new."""
    data = json.dumps(record, sort_keys=True).encode() + b"\n"
    for _ in range(ATTEMPTS):
        number, last = _newest(fs, top)
        if last == record:
            return number, False
        try:
            fs.pipe_file(f"{top}/commits/{number + 1:08d}.json", data, mode="create")
            return number + 1, True
        except OSError:
            # Another writer took the number, or this one did and the reply was lost: look again.
            if _newest(fs, top)[0] == number:
                raise
    raise PublishConflict(f"s3://{top}: {ATTEMPTS} numbers were taken by other runs; publish again")


def _point(fs: AbstractFileSystem, top: str, url: str) -> None:
    """Make the card at the top that of the newest version, also if that one is another run's."""
    while True:
        version = _newest(fs, top)[1]["version"]
        card = fs.cat_file(f"{top}/versions/{version}/README.md").decode()
        text = at_url(card, version, url).encode()
        if fs.exists(f"{top}/README.md") and fs.cat_file(f"{top}/README.md") == text:
            return
        fs.pipe_file(f"{top}/README.md", text)


def _below(fs: AbstractFileSystem, shelf: str) -> dict[str, dict[str, str]]:
    """The newest commits of the mixtures in a folder, by their names."""
    with contextlib.suppress(FileNotFoundError):
        held = [one["name"] for one in fs.ls(shelf, detail=True, refresh=True) if one["type"] == "directory"]
        found = {path.rsplit("/", 1)[-1]: _newest(fs, path)[1] for path in held}
        return {name: record for name, record in found.items() if record}
    return {}


def _point_shelf(fs: AbstractFileSystem, shelf: str, url: str) -> None:
    """Make the card above the mixtures name the newest version of each; a README of another hand stays."""
    while True:
        folders = {name: f"{name}/versions/{record['version']}" for name, record in _below(fs, shelf).items()}
        cards = {name: fs.cat_file(f"{shelf}/{folder}/README.md").decode() for name, folder in folders.items()}
        text = for_folder(cards, folders, url).encode()
        old = fs.cat_file(f"{shelf}/README.md") if fs.exists(f"{shelf}/README.md") else None
        if old == text or (old is not None and not old.startswith(b"---\nconfigs:\n")):
            return
        fs.pipe_file(f"{shelf}/README.md", text)


def mixture_at(url: str, config: str | None, options: Mapping[str, Any] | None) -> tuple[str, str | None]:
    """The URL and the view that `config` means: a view of the mixture at `url`, or a mixture below it."""
    with opened(url, options) as (fs, top):
        names = [] if _newest(fs, top)[0] else sorted(_below(fs, top))
    if not names:
        return url, config
    name, view = of_several(url, config, names)
    return f"{url.rstrip('/')}/{name}", view


def published(url: str, options: Mapping[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
    """URL of the newest version's folder and its manifest; the manifest's hash and all sizes are compared."""
    with opened(url, options) as (fs, top):
        number, record = _newest(fs, top)
        if not number:
            raise PrefmillError(f"{url}: nothing is published there; expected commits/00000001.json and on")
        folder = f"{top}/versions/{record['version']}"
        data, sizes = fs.cat_file(f"{folder}/manifest.json"), _sizes(fs, folder)
    again = f"version {number} is damaged: publish the mixture again"
    if hashlib.sha256(data).hexdigest() != record["manifest"]:
        raise PrefmillError(f"s3://{folder}/manifest.json: not the file that was committed; {again}")
    manifest: dict[str, Any] = json.loads(data)
    for name, facts in sorted(manifest["files"].items()):
        if sizes.get(name) != facts["bytes"]:
            raise PrefmillError(
                f"s3://{folder}/{name}: {sizes.get(name, 'no')} bytes, expected {facts['bytes']}; {again}"
            )
    return f"{url.rstrip('/')}/versions/{record['version']}", manifest
