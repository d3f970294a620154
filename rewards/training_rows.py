"""Published rows on their way into the Trainer: what fits, what enters the loss, and one batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc
import torch

from pairs.errors import PrefmillError
from rewards.interface import Item, Messages
from rewards.published import items, row_batches
from rewards.trees import LONGEST, Tree, encode, without_weights

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset
    from transformers import PreTrainedModel

    from rewards.collate import Encoder

PER_PAIR = ("soft", "weight", "ahead", "lengths")  # of a batch: for the loss, not for the model
PICTURES = ("images", "chosen_images", "rejected_images")
_BATCH = 256
_TABLE = 10_000
_SHUFFLED = 4_096  # rows in memory that a stream is shuffled in
_COLUMNS = ("weight", "source", "source_margin")


@dataclass(frozen=True)
class Scales:
    """`weight` is the mean weight of a pair; `margins` the mean size of a source's margins, by source."""

    weight: float
    margins: Mapping[str, float]


def scales(rows: Dataset | IterableDataset) -> Scales:
    """Read from three columns, whatever the size of the dataset."""
    names = [name for name in _COLUMNS if name in rows.column_names]
    weights = count = 0.0
    sums: dict[str, list[float]] = {}
    for table in rows.select_columns(names).iter(_TABLE) if names else ():
        count += table.num_rows
        if "weight" in names:
            weights += float(table.column("weight").fill_null(1.0).to_numpy().sum(dtype=np.float64))
        if "source_margin" in names:
            given = table.append_column("size", pc.abs(table.column("source_margin")))
            for group in given.group_by("source").aggregate([("size", "sum"), ("size", "count")]).to_pylist():
                total = sums.setdefault(group["source"], [0.0, 0.0])
                total[0], total[1] = total[0] + (group["size_sum"] or 0.0), total[1] + group["size_count"]
    margins = {source: total / number for source, (total, number) in sums.items() if total}
    return Scales(weights / count if weights else 1.0, margins)


@dataclass
class Fit:
    """Of how many pairs one side cannot be shown to the model whole, by why; and how many pictures of the others
    the model sees scaled down to `max_pixels`."""

    refused: Counter[str] = field(default_factory=Counter)
    scaled: int = 0


def fitting(rows: Dataset, encoder: Encoder) -> tuple[Dataset, Fit]:
    """The pairs of which both sides can be shown to the model whole, and what is not shown as it is."""
    fit = Fit()
    kept = [_fits(batch, encoder, fit) for batch in row_batches(rows, _BATCH)]
    return rows.select(np.flatnonzero(np.concatenate(kept))), fit


def larger(rows: Dataset, encoder: Encoder) -> int:
    """How many pictures of some pairs the model sees scaled down to `max_pixels`; reads no other column."""
    columns = [name for name in PICTURES if name in rows.column_names]
    if not columns:
        return 0
    told = row_batches(rows.select_columns(columns), _BATCH)
    return sum(encoder.scaled([one["bytes"] for name in columns for one in row[name] or ()])
               for batch in told for row in batch)  # fmt: skip


def _fits(batch: Sequence[dict[str, Any]], encoder: Encoder, fit: Fit | None = None) -> np.ndarray:
    sides = items(batch)
    readings = zip(*map(encoder.read, sides), strict=True)
    why = [chosen.refusal or rejected.refusal for chosen, rejected in readings]
    if fit is not None:
        fit.refused.update(filter(None, why))
        for chosen, rejected, reason in zip(*sides, why, strict=True):
            if not reason:
                fit.scaled += encoder.scaled(chosen.images + chosen.completion_images + rejected.completion_images)
    return np.array([not reason for reason in why], bool)


class Rows(torch.utils.data.Dataset):
    """Published rows one by one, as plain values. `fit` counts what of the published ones is not shown."""

    def __init__(self, rows: Dataset, fit: Fit) -> None:
        self.rows = rows
        self.fit = fit

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return self.rows[place].to_pylist()[0]


class Stream(torch.utils.data.IterableDataset):
    """Published rows as they are read, epoch after epoch without end, each in another order.

    `fit` counts the pairs and pictures of the first epoch that the model cannot be shown as they are.
    """

    def __init__(self, rows: IterableDataset, encoder: Encoder, seed: int) -> None:
        self.rows = rows.shuffle(seed=seed, buffer_size=_SHUFFLED)
        self.encoder = encoder
        self.fit = Fit()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        epoch = seen = 0
        self.fit = Fit()
        while True:
            self.rows.set_epoch(epoch)
            for batch in row_batches(self.rows, _BATCH):
                fits = _fits(batch, self.encoder, None if epoch else self.fit)
                seen += int(fits.sum())
                yield from (row for row, fit in zip(batch, fits, strict=True) if fit)
            if not seen:
                count = self.fit.refused.total()
                raise PrefmillError(
                    f"none of {count} pairs fits: raise max_length ({self.encoder.max_length}), "
                    "or train on the config `text` if the backbone sees no pictures"
                )
            epoch += 1


class Collator:
    """Published rows to one batch: for the loss `soft`, `weight`, `ahead` [pairs] and `lengths` [2 * pairs]
    (tokens of the completions), the last two where asked for; for the model the chosen rows, then the rejected."""

    def __init__(
        self,
        encoder: Encoder,
        scale: Scales,
        *,
        ahead: float,
        lengths: bool,
        witness: bool,
        shares: PreTrainedModel | None = None,
    ) -> None:
        """`ahead`: what a pair of its source's mean margin shall be won by. `witness`: see `_witness`. `shares`:
        the backbone, where the two sides of a pair shall share a sequence."""
        self.encoder = encoder
        self.shares = None if shares is None else without_weights(shares)
        self.scale = scale
        self.ahead = ahead
        self.lengths = lengths
        self.witness = _witness() if witness and encoder.processor is not None else None

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        chosen, rejected = items(rows)
        shown = chosen + rejected
        # The columns of the loss come first: the Trainer takes the number of examples from the first tensor.
        batch = self.told(rows)
        if self.witness is not None and not any(item.images or item.completion_images for item in shown):
            shown.append(self.witness)
        if self.shares is None:
            return {**batch, **self.encoder.encode(shown)}
        trees = pair_trees(self.encoder, shown, len(rows))
        encoded = encode(trees, self.encoder, self.shares)
        order = torch.tensor([row for tree in trees for row in tree.rows]).argsort()
        return {**batch, **encoded, "ends": encoded["ends"][order]}

    def told(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """What of a batch is for the loss; of the texts only `lengths` needs those of both sides."""
        batch = {
            "soft": _tensor([_or_one(row.get("soft_label")) for row in rows]),
            "weight": _tensor([_or_one(row.get("weight")) for row in rows]) / self.scale.weight,
        }
        if self.ahead:
            batch["ahead"] = _tensor([self._ahead(row) for row in rows])
        if self.lengths:
            batch["lengths"] = _tensor(
                [self._tokens(row[side]) for side in ("chosen", "rejected") for row in rows]
            )
        return batch

    def _ahead(self, row: dict[str, Any]) -> float:
        given, scale = row.get("source_margin"), self.scale.margins.get(row.get("source", ""))
        return self.ahead * given / scale if given is not None and scale else 0.0

    def _tokens(self, completion: Messages) -> int:
        texts = [turn["content"] for turn in completion]
        return max(1, sum(map(len, self.encoder.tokenizer(texts, add_special_tokens=False)["input_ids"])))


def pair_trees(encoder: Encoder, shown: Sequence[Item], pairs: int) -> list[Tree]:
    """A tree for each pair, of which the chosen items come first in `shown`, then the rejected ones; what cannot
    share, and what is left over, in trees of its own."""
    readings = encoder.read(shown)
    tokens, lengths = [one.tokens for one in readings], [one.length for one in readings]

    def alone(row: int) -> Tree:
        return Tree.of([row], tokens, lengths, shown[row].images + shown[row].completion_images)

    trees = []
    for row, (chosen, rejected) in enumerate(zip(shown[:pairs], shown[pairs : 2 * pairs], strict=True)):
        tree = Tree.of([row, row + pairs], tokens, lengths, chosen.images)
        own = chosen.completion_images or rejected.completion_images
        if tree.sound(encoder) and tree.length <= LONGEST and not own:
            trees.append(tree)
        else:
            trees += [alone(row), alone(row + pairs)]
    return trees + [alone(row) for row in range(2 * pairs, len(shown))]


def _witness() -> Item:
    """A row with a small picture for batches of texts alone, whose reward is not used.

    Where the weights are spread over processes (FSDP, DeepSpeed), all must run the same layers in the same order:
    a process that has no picture would leave the others waiting in the vision tower for ever.
    """
    from pairs.media import encode_image

    return Item("", [{"role": "user", "content": "?"}], [{"role": "assistant", "content": "?"}],
                (encode_image(np.zeros((56, 56, 3), np.uint8)),))  # fmt: skip


def _or_one(value: float | None) -> float:
    return 1.0 if value is None else float(value)


def _tensor(values: Sequence[float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)
