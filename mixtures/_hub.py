"""A published mixture on the Hugging Face hub: what would be sent, to read first, and one commit that sends it.

One dataset repository takes any number of mixtures, each a config of its card:

README.md    the card: that of the mixture, or where there are several their list; `configs` of all of them
<mixture>/   the newest version as it lies in the store, byte by byte: README.md, manifest.json, data/, plots/
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mixtures._card_places import for_hub
from mixtures._commit import newest, verify
from pairs.errors import PrefmillError, PublishConflict, Unavailable

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_BLOCK = 8 << 20


@dataclass(frozen=True)
class Step:
    action: str  # add, replace, keep or delete
    path: str  # in the repository
    size: int  # bytes; of the remote file where it is deleted


@dataclass(frozen=True)
class Upload:
    """What one commit would do. `parent` is the commit it was compared with; None: there is no such repository."""

    repo: str
    endpoint: str
    parent: str | None
    message: str
    steps: tuple[Step, ...]
    files: Mapping[str, Path | bytes]  # what is added or replaced
    card: str

    @property
    def changes(self) -> bool:
        return any(step.action != "keep" for step in self.steps)


def prepare(root: str | os.PathLike[str], repo: str) -> Upload:
    """Compare the newest version of the mixture at `root` with the dataset repository `owner/name`; sends nothing.

    Raises `PrefmillError` when the local version is damaged or the repository holds a card of another hand, and
    `Unavailable` when the hub does not answer or refuses.
    """
    from huggingface_hub import HfApi

    if not _REPO.fullmatch(repo):
        raise PrefmillError(f"hf://datasets/{repo}: expected hf://datasets/owner/name")
    _, folder = newest(root)
    verify(root)
    name, api = Path(root).name, HfApi()
    manifest = json.loads((folder / "manifest.json").read_bytes())
    with _answered(repo):
        parent, remote = _remote(api, repo, None)
        cards = _cards(api, repo, parent, remote, name)
    cards[name] = (folder / "README.md").read_text("utf-8")
    local: dict[str, Path | bytes] = {
        f"{name}/{path}": folder / path for path in ["manifest.json", *sorted(manifest["files"])]
    }
    card = for_hub(cards, repo)
    local["README.md"] = card.encode()
    gone = [path for path in remote if path.startswith(f"{name}/") and path not in local]
    steps = [_step(path, data, remote) for path, data in local.items()]
    steps += [Step("delete", path, remote[path][0]) for path in sorted(gone)]
    files = {step.path: local[step.path] for step in steps if step.action in ("add", "replace")}
    message = f"Publish {name}, version {folder.name}: {sum(manifest['rows'].values()):,} rows"
    return Upload(repo, api.endpoint, parent, message, tuple(steps), files, card)


def _remote(api: HfApi, repo: str, revision: str | None) -> tuple[str | None, dict[str, tuple[int, str]]]:
    """Commit of a dataset repository, and size and hash of its files (SHA-256 of large ones, git's of others)."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.dataset_info(repo, revision=revision, files_metadata=True)
    except RepositoryNotFoundError:
        return None, {}
    files = {
        file.rfilename: (int(file.size or 0), str(file.lfs.sha256 if file.lfs else file.blob_id))
        for file in info.siblings or ()
    }
    return info.sha, files


def _cards(
    api: HfApi, repo: str, parent: str | None, remote: Mapping[str, tuple[int, str]], name: str
) -> dict[str, str]:
    """The cards of the other mixtures that the repository holds, by name."""
    held = sorted(path.split("/")[0] for path in remote if re.fullmatch(r"[^/]+/manifest\.json", path))
    if "README.md" in remote and not held:
        raise PrefmillError(
            f"{repo}: its README.md was not written by prefmill and would be lost; delete it there, or name "
            "another repository"
        )
    return {
        other: Path(
            api.hf_hub_download(repo, f"{other}/README.md", repo_type="dataset", revision=parent)
        ).read_text("utf-8")
        for other in held
        if other != name
    }


def _step(path: str, data: Path | bytes, remote: Mapping[str, tuple[int, str]]) -> Step:
    size = len(data) if isinstance(data, bytes) else data.stat().st_size
    if path not in remote:
        return Step("add", path, size)
    return Step("keep" if remote[path] in _hashes(data, size) else "replace", path, size)


def _hashes(data: Path | bytes, size: int) -> list[tuple[int, str]]:
    """Size and hash of a file in the two ways in which the hub names content."""
    sha256, git = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with io.BytesIO(data) if isinstance(data, bytes) else data.open("rb") as file:
        while block := file.read(_BLOCK):
            sha256.update(block)
            git.update(block)
    return [(size, sha256.hexdigest()), (size, git.hexdigest())]


@contextlib.contextmanager
def _answered(repo: str) -> Iterator[None]:
    from huggingface_hub.errors import HfHubHTTPError

    # A lost connection is an error of httpx or of httpx2, as the version of huggingface_hub has it.
    lost = next(base for base in HfHubHTTPError.__mro__ if base.__name__ == "HTTPError")
    try:
        yield
    except (lost, OSError) as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status == 412:
            raise PublishConflict(
                f"{repo}: somebody else has changed it meanwhile; look again and send"
            ) from error
        raise Unavailable(
            f"{repo}: the hub does not do this: {type(error).__name__}: {str(error).splitlines()[0]}; "
            "look at the name, at HF_TOKEN and at the network"
        ) from error


def text(upload: Upload) -> str:
    """What `send` would do, line by line."""
    where = f"{upload.endpoint}/datasets/{upload.repo}"
    state = f"at commit {upload.parent}" if upload.parent else "does not exist; it would be made, private"
    sent = sum(step.size for step in upload.steps if step.action in ("add", "replace"))
    configs = re.findall(r"^- config_name: (.*)$", upload.card.partition("\n---\n")[0], re.MULTILINE)
    return "\n".join(
        [
            f"{where}: {state}",
            f'one commit on main: "{upload.message}"'
            if upload.changes
            else "nothing to do: it holds this version",
            *(f"  {step.action:<8} {step.size:>15,}  {step.path}" for step in upload.steps),
            f"{len(upload.files)} files, {sent:,} bytes to send; configs of the card: {', '.join(configs)}",
        ]
    )


def send(upload: Upload) -> str:
    """Make the repository where there is none, send the commit, compare what lies there; returns its address.

    Raises `PublishConflict` when the repository has changed since it was compared, `Unavailable` when the hub does
    not answer or refuses, and `PrefmillError` when a file there is not as it was sent.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    api = HfApi()
    with _answered(upload.repo):
        if upload.parent is None:
            api.create_repo(upload.repo, repo_type="dataset", private=True)
        operations = [CommitOperationAdd(path, data) for path, data in upload.files.items()]
        operations += [CommitOperationDelete(step.path) for step in upload.steps if step.action == "delete"]
        if upload.changes:
            api.create_commit(
                upload.repo, operations, commit_message=upload.message, repo_type="dataset",
                parent_commit=upload.parent,
            )  # fmt: skip
        _, remote = _remote(api, upload.repo, None)
    for path, data in upload.files.items():
        if _step(path, data, remote).action != "keep":
            raise PrefmillError(f"{upload.repo}: {path} is not there as it was sent; publish again")
    return f"{upload.endpoint}/datasets/{upload.repo}"
