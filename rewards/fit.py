"""Training of the embedded head: Bradley-Terry on hashed features, seeded, the same bytes every time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from rewards.features import Features

if TYPE_CHECKING:
    from torch import Tensor

    from rewards.head import HashedHead


@dataclass(frozen=True, slots=True)
class HeadSettings:
    """How the embedded head is trained."""

    hidden: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1.0
    batch_size: int = 128
    epochs: int = 20  # at most: training stops when the held-out loss has not fallen for `patience` epochs
    patience: int = 3
    seed: int = 17

    def key(self) -> str:
        return repr(sorted(asdict(self).items()))


@dataclass(frozen=True, slots=True)
class PairRows:
    """Features of pairs; `soft` and `weight` float32 [pairs], see `head.bradley_terry`."""

    chosen: Features
    rejected: Features
    soft: np.ndarray
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.chosen)

    def take(self, rows: np.ndarray) -> PairRows:
        return PairRows(self.chosen.take(rows), self.rejected.take(rows), self.soft[rows], self.weight[rows])

    @staticmethod
    def joined(parts: list[PairRows]) -> PairRows:
        return PairRows(
            Features.joined([part.chosen for part in parts]),
            Features.joined([part.rejected for part in parts]),
            np.concatenate([part.soft for part in parts]),
            np.concatenate([part.weight for part in parts]),
        )


@dataclass
class Fit:
    """A trained head. `curve` holds (step, training loss, training accuracy); `held_out` a loss per epoch."""

    head: HashedHead
    curve: list[tuple[int, float, float]] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums in one order, so that the same seed gives the same bytes; small heads are faster so as well."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def fit(
    train: PairRows,
    held_out: PairRows | None,
    settings: HeadSettings,
    after_epoch: Callable[[int, HashedHead], None] | None = None,
) -> Fit:
    """Train a head; with held-out pairs the head of the epoch with the lowest loss there is kept.

    `after_epoch` sees the number of each epoch, from 1, and the head as it then is.
    """
    import torch

    from rewards.head import HashedHead, bradley_terry

    train = replace(train, weight=train.weight / train.weight.mean())
    with one_thread():
        result = Fit(HashedHead(settings.hidden, settings.seed))
        head = result.head
        head.standardise(torch.from_numpy(np.concatenate([train.chosen.dense, train.rejected.dense])))
        optimizer = torch.optim.AdamW(
            head.parameters(), settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        best, kept, order = float("inf"), None, np.random.default_rng(settings.seed)
        for epoch in range(settings.epochs):
            for rows in _batches(order.permutation(len(train)), settings.batch_size):
                batch = train.take(rows)
                margin = _margins(head, batch)
                loss = bradley_terry(margin, torch.from_numpy(batch.soft), torch.from_numpy(batch.weight))
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                right = (margin.detach() > 0).float().mean()
                result.curve.append((len(result.curve), float(loss.detach()), float(right)))
            if after_epoch is not None:
                after_epoch(epoch + 1, head)
            if held_out is None or not len(held_out):
                continue
            result.held_out.append(_loss(head, held_out))
            if result.held_out[-1] < best:
                best, since = result.held_out[-1], epoch
                kept = {name: value.clone() for name, value in head.state_dict().items()}
            elif epoch - since >= settings.patience:
                break
        if kept is not None:
            head.load_state_dict(kept)
    return result


def _margins(head: HashedHead, batch: PairRows) -> Tensor:
    """[pairs]. One pass over both sides: the gradient of the table of words is as large for one row as for all."""
    chosen, rejected = head(Features.joined([batch.chosen, batch.rejected])).chunk(2)
    margin: Tensor = chosen - rejected
    return margin


def _batches(order: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(order), size):
        yield order[start : start + size]


def _loss(head: HashedHead, pairs: PairRows) -> float:
    """Mean loss of pairs that the head was not trained on."""
    import torch

    from rewards.head import bradley_terry

    total = weight = 0.0
    with torch.no_grad():
        for rows in _batches(np.arange(len(pairs)), 2048):
            batch = pairs.take(rows)
            margin = _margins(head, batch)
            loss = bradley_terry(margin, torch.from_numpy(batch.soft), torch.from_numpy(batch.weight))
            total, weight = total + len(rows) * float(loss), weight + float(batch.weight.sum())
    return total / weight
