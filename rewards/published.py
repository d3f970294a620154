"""Reads a published dataset the way every user does: with `datasets.load_dataset`, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pairs.errors import PrefmillError
from rewards.interface import Item

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset

_NEEDED = ("prompt", "chosen", "rejected", "pair_id", "chosen_id", "rejected_id", "group_id")


def load_pairs(dataset: str, config: str, split: str, *, streaming: bool = False) -> Any:
    """One split of a published dataset: a `Dataset`, or an `IterableDataset` that reads it while it is used. Its
    rows come as Arrow, so that pictures stay the bytes of their files."""
    from datasets import load_dataset

    rows = load_dataset(dataset, config, split=split, streaming=streaming)
    if streaming and rows.column_names is None:
        rows = rows._resolve_features()
    rows = rows.with_format("arrow")
    missing = [name for name in _NEEDED if name not in rows.column_names]
    if missing:
        raise PrefmillError(
            f"{dataset} ({config}, {split}): has no column {', '.join(missing)}; publish it with prefmill"
        )
    return rows


def stream_columns(dataset: str, config: str, split: str, names: Sequence[str]) -> IterableDataset:
    """Some columns of a split, read while they are used; the others are not read at all."""
    from datasets import load_dataset

    return load_dataset(dataset, config, split=split, streaming=True, columns=list(names)).with_format("arrow")


def splits(dataset: str, config: str) -> list[str]:
    """The names of the splits of a published dataset."""
    from datasets import get_dataset_split_names

    return list(get_dataset_split_names(dataset, config))


def items(rows: Sequence[dict[str, Any]]) -> tuple[list[Item], list[Item]]:
    """The chosen and the rejected completions of some published rows."""
    sides: tuple[list[Item], list[Item]] = ([], [])
    for row in rows:
        told = _bytes(row, "images")
        for side, name in zip(sides, ("chosen", "rejected"), strict=True):
            side.append(Item(row[f"{name}_id"], row["prompt"], row[name], told, _bytes(row, f"{name}_images")))
    return sides


def _bytes(row: dict[str, Any], column: str) -> tuple[bytes, ...]:
    return tuple(picture["bytes"] for picture in row.get(column) or ())


def row_batches(rows: Dataset | IterableDataset, size: int) -> Iterator[list[dict[str, Any]]]:
    """The rows, `size` at a time, in order."""
    for batch in rows.iter(size):
        yield batch.to_pylist()


def column(rows: Dataset, name: str) -> np.ndarray:
    """A float32 column of the dataset, 1 where it is null or was never published."""
    if name not in rows.column_names:
        return np.ones(len(rows), np.float32)
    values = rows.select_columns(name)[:].column(name)
    return np.nan_to_num(values.to_numpy(zero_copy_only=False).astype(np.float32), nan=1.0)
