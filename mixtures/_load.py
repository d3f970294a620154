"""A mixture on S3 as a `datasets` dataset, by the `parquet` builder: `load_dataset` takes no folder on S3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mixtures._s3 import mixture_at, published
from pairs.errors import PrefmillError

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict


def load_url(
    url: str, view: str | None, split: str | None, streaming: bool, options: Mapping[str, Any] | None
) -> Dataset | DatasetDict | IterableDataset | IterableDatasetDict:
    """The newest version at `url`; downloaded files are hashed, streamed ones have their sizes compared only."""
    from datasets import DownloadConfig, DownloadManager, load_dataset_builder
    from datasets import config as settings
    from datasets.utils.info_utils import NonMatchingChecksumError

    if view is not None:
        url, view = mixture_at(url, view, options)
    folder, manifest = published(url, options)
    shards = {name: facts for name, facts in manifest["files"].items() if name.startswith("data/")}
    files: dict[str, list[str]] = {}
    for name in sorted(shards, key=lambda name: (not name.startswith("data/train-"), name)):
        files.setdefault(name.removeprefix("data/").split("-")[0], []).append(f"{folder}/{name}")
    builder = load_dataset_builder(
        "parquet", data_files=files, columns=_columns(url, view, manifest), storage_options=dict(options or {})
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


def _columns(url: str, view: str | None, manifest: Mapping[str, Any]) -> list[str] | None:
    """The columns of a view; None for all. The same names as in the card's `configs`."""
    if view in (None, manifest["name"]):
        return None
    if view != "text" or not any("images" in name for name in manifest["schema"]):
        raise PrefmillError(f"{url}: no config {view!r}; expected {manifest['name']!r} or 'text'")
    return [name for name in manifest["schema"] if "images" not in name]
