"""One TOML per mixture: how much of which sources, under which rules; planned, split, published as a dataset."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict


def load(
    path: str | os.PathLike[str],
    split: str | None = None,
    streaming: bool = False,
    *,
    config: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Dataset | DatasetDict | IterableDataset | IterableDatasetDict:
    """The newest version of the mixture published at `path`, a folder or an S3 URL, its hashes compared.

    `config` is "text" for the view without pictures, which is the whole of a mixture that has none. Where `path`
    holds several mixtures it names one, or with `-text` behind its name that view of it. `storage_options` go to
    s3fs, which otherwise takes endpoint and credentials from the environment. Of a stream from S3 only the
    manifest's hash and the sizes are compared. Raises `PrefmillError` naming the file that is not as it was
    published, or the configs there are.
    """
    from pairs.errors import PrefmillError

    if str(path).startswith("hf://"):
        call = f'load_dataset("{str(path).removeprefix("hf://datasets/")}", "{config or "<mixture>"}")'
        raise PrefmillError(f"{path}: expected a folder or an S3 URL; the hub is read by `datasets`: `{call}`")
    if "://" in str(path):
        from mixtures._load import load_url

        return load_url(str(path), config, split, streaming, storage_options)
    from mixtures._load import load_folder

    return load_folder(path, config, split, streaming)
