"""A mixture as a `datasets` dataset; on S3 by the `parquet` builder, for `load_dataset` takes no folder there."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mixtures import _commit, _s3
from mixtures._views import columns
from pairs.errors import PrefmillError

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict


def load_folder(
    path: str | os.PathLike[str], config: str | None, split: str | None, streaming: bool
) -> Dataset | DatasetDict | IterableDataset | IterableDatasetDict:
    """The newest version below the folder `path`, all its files hashed."""
    from datasets import load_dataset

    root, view = _commit.mixture_at(path, config)
    _commit.verify(root)
    manifest = json.loads((_commit.newest(root)[1] / "manifest.json").read_bytes())
    name = "text" if columns(str(root), view, manifest) else manifest["name"]
    return load_dataset(str(root), name, split=split, streaming=streaming)


def load_url(
    url: str, config: str | None, split: str | None, streaming: bool, options: Mapping[str, Any] | None
) -> Dataset | DatasetDict | IterableDataset | IterableDatasetDict:
    """The newest version at `url`; downloaded files are hashed, streamed ones have their sizes compared only."""
    from datasets import DownloadConfig, DownloadManager, load_dataset_builder
    from datasets import config as settings
    from datasets.utils.info_utils import NonMatchingChecksumError

    url, view = _s3.mixture_at(url, config, options)
    folder, manifest = _s3.published(url, options)
    shards = {name: facts for name, facts in manifest["files"].items() if name.startswith("data/")}
    files: dict[str, list[str]] = {}
    for name in sorted(shards, key=lambda name: (not name.startswith("data/train-"), name)):
        files.setdefault(name.removeprefix("data/").split("-")[0], []).append(f"{folder}/{name}")
    builder = load_dataset_builder(
        "parquet", data_files=files, columns=columns(url, view, manifest), storage_options=dict(options or {})
    )
    if streaming:
        return builder.as_streaming_dataset(split)
    builder.info.download_checksums = {
        f"{folder}/{name}": {"num_bytes": facts["bytes"], "checksum": facts["sha256"]}
        for name, facts in shards.items()
    }
    download = DownloadConfig(
        cache_dir=settings.DOWNLOADED_DATASETS_PATH, storage_options=dict(options or {}), disable_tqdm=True
    )
    manager = DownloadManager(builder.dataset_name, download_config=download, record_checksums=True)
    try:
        builder.download_and_prepare(dl_manager=manager, verification_mode="all_checks")
    except NonMatchingChecksumError as error:
        raise PrefmillError(
            f"{url}: a shard is not as it was published, publish the mixture again: {str(error).splitlines()[1]}"
        ) from None
    return builder.as_dataset(split)
