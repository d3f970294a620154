"""What places of files have in common: how they fail, and how they show that a file is another one now."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import fsspec

# As file systems name them: local ones, S3, HTTP, GitHub, the hub.
_TOLD = ("size", "mtime", "ETag", "LastModified", "sha", "blob_id")
_FAULTS = (
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("aiohttp", "ClientError"),
    ("httpx", "HTTPError"),  # the hub's: one or the other, as the version of huggingface_hub has it
    ("httpx2", "HTTPError"),
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


def changes(fs: fsspec.AbstractFileSystem, files: Iterable[str]) -> list[str]:
    """A line for each file that differs when the file does."""
    facts = ((file, fs.info(file)) for file in files)
    return [" ".join([file, *(str(info.get(fact)) for fact in _TOLD)]) for file, info in facts]
