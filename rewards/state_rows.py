"""Published pairs by the states of their completions: what is to be computed, and where it lies then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from rewards.frozen import Extractor
from rewards.interface import Item
from rewards.published import items
from rewards.score import BATCH

if TYPE_CHECKING:
    from datasets import Dataset

    from pairs.store import Store

SIDES = ("chosen", "rejected")
_ROWS = 10_000


def completions(rows: Dataset) -> pl.DataFrame:
    """`prompt_id, completion_id, row, side` of published rows: each completion once, where it comes first."""
    told: Any = pl.from_arrow(rows.select_columns(["prompt_id", *(f"{side}_id" for side in SIDES)])[:])
    table = told.with_row_index("row")
    sides = [
        table.select("prompt_id", "row", completion_id=f"{side}_id", side=pl.lit(place, pl.Int8))
        for place, side in enumerate(SIDES)
    ]
    return pl.concat(sides).unique("completion_id", keep="first", maintain_order=True)


def read(rows: Dataset, todo: pl.DataFrame) -> Iterator[list[Item]]:
    """The items of some rows of `completions(rows)`, in their order."""
    for batch in todo.iter_slices(BATCH):
        places = batch["row"].unique(maintain_order=True).to_list()
        sides = items(rows[places].to_pylist())
        at = {row: place for place, row in enumerate(places)}
        yield [sides[side][at[row]] for row, side in batch.select("row", "side").iter_rows()]


@dataclass(frozen=True)
class States:
    """`values` float32 [completions, width], mapped from `file`; `places` has `completion_id, place` of those
    that the backbone was shown."""

    values: np.ndarray
    places: pl.DataFrame
    file: Path

    @classmethod
    def gathered(cls, store: Store, extractor: Extractor, wanted: pl.DataFrame, file: Path) -> States:
        """From the table `features`, those of a prompt side by side."""
        order = wanted.sort("prompt_id", "completion_id").select("completion_id").with_row_index("place")
        values = np.lib.format.open_memmap(file, "w+", np.float32, (len(order), extractor.width))
        known = np.zeros(len(order), bool)
        for part in store.batches("features", extractor.fingerprint, 1):
            found = part.join(order, on="completion_id", how="inner")
            if len(found):
                places = found["place"].to_numpy()
                values[places] = found["state"].explode().to_numpy().reshape(-1, extractor.width)
                known[places] = True
        return cls(values, order.filter(pl.Series(known)), file)

    def standard(self, places: np.ndarray) -> tuple[Tensor, Tensor]:
        """Centre and spread of each column over the states at `places`, float32 [width]."""
        total = squares = np.zeros(self.values.shape[1])
        used = np.unique(places)
        for start in range(0, len(used), _ROWS):
            part = self.values[used[start : start + _ROWS]].astype(np.float64)
            total, squares = total + part.sum(axis=0), squares + (part**2).sum(axis=0)
        centre = total / len(used)
        spread = np.sqrt(np.maximum(squares / len(used) - centre**2, 0))
        return torch.tensor(centre).float(), torch.tensor(np.where(spread > 1e-6, spread, 1)).float()


@dataclass(frozen=True)
class StatePairs:
    """The pairs of which both sides have a state: `rows` int64, where they are published; `sides` int64
    [2, pairs], places of the states of chosen and rejected. The first `train` train, the others are held out."""

    rows: np.ndarray
    sides: np.ndarray
    train: int

    @classmethod
    def of(cls, rows: Dataset, states: States, train: int) -> StatePairs:
        table: Any = pl.from_arrow(rows.select_columns([f"{side}_id" for side in SIDES])[:])
        table = table.with_row_index("row")
        for side in SIDES:
            found = states.places.rename({"completion_id": f"{side}_id", "place": side})
            table = table.join(found, on=f"{side}_id", how="inner", maintain_order="left")
        kept = table["row"].to_numpy().astype(np.int64)
        sides = table.select(SIDES).to_numpy().T.astype(np.int64)
        return cls(kept, sides, int((kept < train).sum()))
