"""One TOML per mixture: how much of which sources, under which rules; planned, split, published as a dataset."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict


def load(
    path: str | os.PathLike[str], split: str | None = None, streaming: bool = False
) -> Dataset | DatasetDict | IterableDataset | IterableDatasetDict:
    """The newest version of the mixture published at `path`, after every file's hash has been compared.

    Raises `PrefmillError` naming the file that is not as it was published.
    """
    from datasets import load_dataset

    from mixtures._commit import verify

    verify(path)
    return load_dataset(str(path), split=split, streaming=streaming)
