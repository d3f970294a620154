"""Pictures that the user keeps elsewhere than beside the native files, such as a download of COCO."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import fsspec

from pairs.errors import PrefmillError, SourceChanged, Unavailable, shown
from sources._archives import is_archive
from sources._media import MediaFinder, spread
from sources._network import changes, network_faults
from sources._volumes import parts


@dataclass(frozen=True)
class Shelf:
    """A place of pictures that was seen to be there."""

    url: str  # opens the same place in another process
    state: str  # changes when an archive does; of a folder only which it is


def find_pictures(name: str, place: str) -> Shelf:
    """The folder or archive at a place; raises `SourceChanged` when nothing is there."""
    url = place if "://" in place else str(Path(place).expanduser().absolute())
    try:
        fs, path = fsspec.core.url_to_fs(url)
        files = parts(fs, path) if is_archive(path) else []
        if not files and not fs.isdir(path):
            raise SourceChanged(f"{name}: {url} is not there; `pictures` is a folder, a zip, a tar or a tar.gz")
        seen = changes(fs, files)
    except network_faults() as error:
        raise Unavailable(
            f"{name}: {url} does not answer: {type(error).__name__}: {shown(str(error), 160)}"
        ) from error
    except (ValueError, ImportError) as error:
        raise PrefmillError(
            f"{name}: {url} cannot be opened: {error}; expected a folder, s3://, hf:// ..."
        ) from None
    return Shelf(url, "\n".join([url, *seen]))


def on_shelf(url: str, media: Sequence[str]) -> MediaFinder:
    """Looks pictures up at a place: in its archive, or in its folder and those of `media` that are in it."""
    fs, path = fsspec.core.url_to_fs(url)
    path = path.rstrip("/")
    if is_archive(path):
        folder, file = posixpath.split(path)
        return MediaFinder(fs, folder, (file,), beside=False)  # what else lies there is none of the rows' business
    held = [
        place for place in spread(fs, path, media) if parts(fs, f"{path}/{place}") or fs.isdir(f"{path}/{place}")
    ]
    return MediaFinder(fs, path, held)
