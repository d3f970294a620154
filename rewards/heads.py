"""Many two-layer heads at once on frozen features: one for each training set drawn from the same pairs.

They start alike, take the same number of steps and differ in their data alone, so that differences of their
accuracies are differences of the data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rewards.fit import one_thread

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Parameter

_TOGETHER = 16  # heads in one matrix product: more do not fit into a core's cache
_SPREADS = 4  # of a feature's spread, as far as a value counts: one never seen must not decide alone


@dataclass(frozen=True)
class FrozenPairs:
    """Pairs as rows of `states` float32 [completions, width]: `chosen`, `rejected` int64 [pairs]."""

    states: np.ndarray
    chosen: np.ndarray
    rejected: np.ndarray

    def __len__(self) -> int:
        return len(self.chosen)


@dataclass(frozen=True)
class TrainingSet:
    """What one head learns: `rows` int64 [rows], places of pairs, repeats allowed, with `soft` and `weight`
    float32 [rows] as in `head.bradley_terry`; and `stop` float32 [stopping pairs], how much each of the pairs
    that decide when to stop counts for it."""

    rows: np.ndarray
    soft: np.ndarray
    weight: np.ndarray
    stop: np.ndarray


@dataclass(frozen=True, slots=True)
class HeadsSettings:
    """How the heads are trained. The head of the epoch with the lowest loss on its stopping pairs is kept."""

    hidden: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 3.0
    batch_size: int = 128
    epochs: int = 8  # of the largest training set: the others take as many steps
    seed: int = 17


def standardised(states: np.ndarray) -> np.ndarray:
    """States with centre 0 and spread 1 in each column, clipped at four spreads."""
    spread = states.std(axis=0)
    scaled = (states - states.mean(axis=0)) / np.where(spread > 1e-6, spread, 1)
    return scaled.clip(-_SPREADS, _SPREADS).astype(np.float32)


def fit_heads(
    pairs: FrozenPairs, sets: Sequence[TrainingSet], stop: np.ndarray, settings: HeadsSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Train a head for each set; `stop` int64 are the places of the stopping pairs, which no set may hold.

    Returns the layers, float32 [sets, width, hidden] and [sets, hidden]. A head has no bias: a margin does not
    change with that of the second layer, and centred states leave little to that of the first.
    """
    steps = settings.epochs * max(1, -(-max(len(one.rows) for one in sets) // settings.batch_size))
    parts = [
        _fit(pairs, sets[start : start + _TOGETHER], stop, settings, steps)
        for start in range(0, len(sets), _TOGETHER)
    ]
    return np.concatenate([first for first, _ in parts]), np.concatenate([last for _, last in parts])


def margins(pairs: FrozenPairs, heads: tuple[np.ndarray, np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Reward margins of the pairs at `rows` under each head, float32 [heads, rows]."""
    import torch

    layers = [torch.from_numpy(layer) for layer in heads]
    states = torch.from_numpy(pairs.states)
    parts = []
    with one_thread(), torch.no_grad():
        for places in torch.from_numpy(rows).split(2048):
            both = torch.from_numpy(np.concatenate([pairs.chosen[places], pairs.rejected[places]]))
            parts.append(pair_margins(layers, states[both][None]).numpy())
    return np.concatenate(parts, axis=1)


def _fit(
    pairs: FrozenPairs, sets: Sequence[TrainingSet], stop: np.ndarray, settings: HeadsSettings, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    import torch
    from torch.nn import functional

    with one_thread():
        heads = start(len(sets), pairs.states.shape[1], settings)
        optimizer = torch.optim.AdamW(heads, settings.learning_rate, weight_decay=settings.weight_decay)
        states = torch.from_numpy(pairs.states)
        stopping = states[torch.from_numpy(np.concatenate([pairs.chosen[stop], pairs.rejected[stop]]))][None]
        counts = torch.from_numpy(np.stack([one.stop for one in sets]))
        best, kept = torch.full((len(sets),), float("inf")), [head.detach().clone() for head in heads]
        for step, (rows, soft, weight) in enumerate(_batches(sets, settings, steps), start=1):
            both = torch.from_numpy(np.concatenate([pairs.chosen[rows], pairs.rejected[rows]], axis=1))
            margin = pair_margins(heads, states[both])
            loss = -weight * (soft * functional.logsigmoid(margin) + (1 - soft) * functional.logsigmoid(-margin))
            optimizer.zero_grad(set_to_none=True)
            loss.mean(dim=1).sum().backward()
            optimizer.step()
            if step % (steps // settings.epochs) == 0:
                with torch.no_grad():
                    now = -(counts * functional.logsigmoid(pair_margins(heads, stopping))).sum(dim=1)
                for old, new in zip(kept, heads, strict=True):
                    old[now < best] = new.detach()[now < best]
                best = torch.minimum(best, now)
    return kept[0].numpy(), kept[1].squeeze(-1).numpy()


def start(count: int, width: int, settings: HeadsSettings) -> list[Parameter]:
    """The layers of `count` heads that start alike: [count, width, hidden] and [count, hidden, 1]."""
    import torch

    draw = torch.Generator().manual_seed(settings.seed)
    first = torch.randn(1, width, settings.hidden, generator=draw) / width**0.5
    last = torch.randn(1, settings.hidden, 1, generator=draw) / settings.hidden**0.5
    return [torch.nn.Parameter(layer.repeat(count, 1, 1)) for layer in (first, last)]


def _batches(
    sets: Sequence[TrainingSet], settings: HeadsSettings, steps: int
) -> Iterator[tuple[np.ndarray, Tensor, Tensor]]:
    """Places, soft labels and weights of each step, [sets, batch]: shuffled passes over each set, end to end."""
    import torch

    wanted = steps * settings.batch_size
    orders = []
    for one in sets:
        chance = np.random.default_rng(settings.seed)
        passes = -(-wanted // len(one.rows))
        orders.append(np.concatenate([chance.permutation(len(one.rows)) for _ in range(passes)])[:wanted])
    mean = [one.weight / one.weight.mean() for one in sets]
    for start in range(0, wanted, settings.batch_size):
        places = [order[start : start + settings.batch_size] for order in orders]
        chosen = [
            (one.rows[at], one.soft[at], heavy[at]) for one, heavy, at in zip(sets, mean, places, strict=True)
        ]
        rows, soft, weight = (np.stack(column) for column in zip(*chosen, strict=True))
        yield rows, torch.from_numpy(soft), torch.from_numpy(weight)


def pair_margins(layers: Sequence[Tensor], states: Tensor) -> Tensor:
    """States [sets or 1, chosen then rejected, width] -> margins [sets, pairs]."""
    import torch
    from torch.nn import functional

    first, last = layers
    rewards = (functional.silu(torch.matmul(states, first)) * last.reshape(len(last), 1, -1)).sum(dim=-1)
    half = rewards.shape[1] // 2
    return rewards[:, :half] - rewards[:, half:]
