"""Which commit of a dataset's repository is read, on the hub or on GitHub."""

from __future__ import annotations

from urllib.parse import quote

from pairs.errors import PrefmillError, SourceChanged, Unavailable, shown
from sources._network import network_faults
from sources._source import COMMIT, Source

GITHUB = "https://api.github.com"
_SECONDS = 60.0
_GO_ON = "look at the network, give the folder of its files as `path`, or take the source out of the recipe"


def commit_of(source: Source, revision: str | None) -> str:
    """The commit that is read, 40 hex digits: that of `revision` (a commit, tag or branch), else the source's own
    pin, else the newest. Branches and tags are looked up, so that what was read can be named.

    Raises `SourceChanged` when the repository has no such revision, `Unavailable` when it does not answer.
    """
    asked = revision or source.revision
    if asked and COMMIT.fullmatch(asked):
        return asked
    found = _on_github(source.repo, asked) if source.repo.startswith("github:") else _on_hub(source.repo, asked)
    if not COMMIT.fullmatch(found):
        raise PrefmillError(f"{source.repo}: {shown(asked)} is answered with {shown(found)}, expected a commit")
    return found


def _on_hub(repo: str, asked: str | None) -> str:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RevisionNotFoundError

    try:
        return str(HfApi().dataset_info(repo, revision=asked).sha)
    except RevisionNotFoundError:
        raise _missing(repo, asked) from None
    except network_faults() as error:
        raise Unavailable(f"{repo}: the hub does not answer ({type(error).__name__}): {_GO_ON}") from error


def _on_github(repo: str, asked: str | None) -> str:
    import httpx  # takes as long as a thousand rows

    url = f"{GITHUB}/repos/{repo.removeprefix('github:')}/commits/{quote(asked or 'HEAD')}"
    try:
        answer = httpx.get(
            url, headers={"Accept": "application/vnd.github.sha"}, timeout=_SECONDS, follow_redirects=True
        )
    except network_faults() as error:
        raise Unavailable(f"{repo}: GitHub does not answer ({type(error).__name__}): {_GO_ON}") from error
    if answer.status_code in (404, 422):
        raise _missing(repo, asked)
    if answer.status_code != 200:
        raise Unavailable(f"{repo}: GitHub answers {answer.status_code} (403 and 429: too often asked): {_GO_ON}")
    return answer.text.strip()


def _missing(repo: str, asked: str | None) -> SourceChanged:
    if asked is None:
        return SourceChanged(f"{repo} is not there; give the folder of its files as `path`")
    return SourceChanged(f"{repo} has no revision {shown(asked)}; expected a commit, a tag or a branch of it")
