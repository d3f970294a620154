"""What a saved model has learned from, beside its weights: that it agrees with those labels says nothing."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from rewards.published import splits, stream_columns

FILE = "trained_on.parquet"
_SEEN = ("train", "validation")  # the second decides when a training ends
_BATCH = 10_000


def write(dataset: str, config: str, folder: Path) -> None:
    """Write the ids of the completions that the pairs of a published dataset prefer, one a pair, into a folder."""
    with pq.ParquetWriter(folder / FILE, pa.schema([("completion_id", pa.string())])) as out:
        for split in [name for name in splits(dataset, config) if name in _SEEN]:
            for batch in stream_columns(dataset, config, split, ["chosen_id"]).iter(_BATCH):
                out.write_table(pa.table([batch["chosen_id"].cast(pa.string())], names=["completion_id"]))


def tells(folder: str | Path) -> bool:
    """Whether a folder holds a model that says what it was trained on."""
    return (Path(folder) / FILE).is_file()


def unlearned(pairs: pl.LazyFrame, folder: str | Path) -> pl.LazyFrame:
    """The pairs (columns as in the table `pairs`) of prompts of which the model in `folder` was shown no pair;
    none where the folder does not tell any more."""
    if not tells(folder):
        return pairs.clear()
    ids = pl.scan_parquet(Path(folder) / FILE)
    shown = [
        pairs.select("prompt_id", completion_id=side).join(ids, on="completion_id", how="semi").select("prompt_id")
        for side in ("chosen_id", "rejected_id")
    ]
    return pairs.join(pl.concat(shown), on="prompt_id", how="anti")
