"""Weights of sources learned against trusted sets: two levels, as in DreamPRM (Cao et al. 2025), solved exactly.

Below, a linear head minimises the weighted losses of the sources and a ridge penalty; above, weights and penalty
move down the trusted sets' loss of that head, by implicit differentiation (Pedregosa 2016): with the Hessian H of
the head and the gradient t of the trusted sets, more of a source with gradient g changes their loss by -t H^-1 g.
Looking one training step ahead, as in Ren et al. (2018), sees too little: labels planted wrong kept half their
weight. The penalty is learned along, so that no source gains weight by merely making the head less sure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rewards.fit import one_thread
from rewards.heads import FrozenPairs

if TYPE_CHECKING:
    from torch import Tensor

_FIRST, _NEXT = 8, 2  # Newton steps to the head of the first weights, and from there to those of the next
# Where the penalty begins, and how far it may fall. Under a weak one wrong labels do good: they make the head less
# sure of what it has overlearned, and weights settle where they stay in.
_RIDGE, _LEAST_RIDGE = 1.0, 0.1
_AXES = 256  # states wider than this are seen along so many of their principal axes


@dataclass(frozen=True, slots=True)
class BilevelSettings:
    """`rate`: how far the logarithms of weights and penalty move in a step (Adam, Kingma and Ba 2015)."""

    rate: float = 0.3
    steps: int = 50


@dataclass(frozen=True)
class Labelled:
    """Places of pairs, int64 [rows], with soft labels and weights, float32 [rows]."""

    rows: np.ndarray
    soft: np.ndarray
    weight: np.ndarray


def learn_weights(
    pairs: FrozenPairs,
    sources: Mapping[str, Labelled],
    trusted: Sequence[Labelled],
    settings: BilevelSettings | None = None,
) -> np.ndarray:
    """The weights after each step, [steps, sources], each row adding up to 1: uniform first, proposed last.

    Each trusted set counts the same, whatever its size; no pair of one may be one of the sources'.
    """
    import torch

    settings = settings or BilevelSettings()
    with one_thread(), torch.no_grad():
        states = _narrow(torch.from_numpy(pairs.states))
        train, judge = _Side(pairs, states, list(sources.values())), _Side(pairs, states, trusted)
        logs = torch.zeros(len(sources) + 1, dtype=torch.float64, requires_grad=True)
        logs[-1] = np.log(_RIDGE)
        optimizer = torch.optim.Adam([logs], settings.rate, betas=(0.9, 0.99))
        head, path = torch.zeros(states.shape[1]), []
        for step in range(settings.steps):
            weights, ridge = torch.softmax(logs[:-1], 0), float(logs[-1].exp())
            path.append(weights.numpy())
            shares = weights.float()
            head = train.fitted(head, shares, ridge, _NEXT if step else _FIRST)
            ahead = torch.linalg.solve(train.curve(head, shares, ridge), judge.slope(head, judge.alike))
            gains = -train.along(head, ahead).double()
            penalty = -ridge * (head @ ahead)[None].double()
            logs.grad = torch.cat([weights * (gains - weights @ gains), penalty])
            optimizer.step()
            logs[-1].clamp_(min=np.log(_LEAST_RIDGE))
        return np.array(path)


class _Side:
    """Sets of pairs as differences of states, chosen less rejected, and the losses of a linear head on them."""

    def __init__(self, pairs: FrozenPairs, states: Tensor, sets: Sequence[Labelled]) -> None:
        import torch

        rows = np.concatenate([one.rows for one in sets])
        self._gap = states[torch.from_numpy(pairs.chosen[rows])] - states[torch.from_numpy(pairs.rejected[rows])]
        self._soft = torch.from_numpy(np.concatenate([one.soft for one in sets]))
        heavy = [one.weight / (one.weight.mean() * len(one.rows)) for one in sets]
        self._heavy = torch.from_numpy(np.concatenate(heavy).astype(np.float32))
        self._set = torch.from_numpy(np.repeat(np.arange(len(sets)), [len(one.rows) for one in sets]))
        self.alike = torch.full((len(sets),), 1 / len(sets))

    def _pull(self, head: Tensor) -> Tensor:
        """Derivative of each pair's loss by its margin, as much as the pair counts in its set: [pairs]."""
        import torch

        return self._heavy * (torch.sigmoid(self._gap @ head) - self._soft)

    def fitted(self, head: Tensor, shares: Tensor, ridge: float, steps: int) -> Tensor:
        """The head of the least penalised loss of the sets in these shares, by Newton's method from `head`."""
        import torch

        for _ in range(steps):
            slope = self.slope(head, shares) + ridge * head
            head = head - torch.linalg.solve(self.curve(head, shares, ridge), slope)
        return head

    def slope(self, head: Tensor, shares: Tensor) -> Tensor:
        """Gradient of the sets' losses in these shares: [width]."""
        return self._gap.T @ (shares[self._set] * self._pull(head))

    def along(self, head: Tensor, direction: Tensor) -> Tensor:
        """Of each set the derivative of its loss along a direction: [sets]."""
        return self.alike.new_zeros(len(self.alike)).index_add(
            0, self._set, self._pull(head) * (self._gap @ direction)
        )

    def curve(self, head: Tensor, shares: Tensor, ridge: float) -> Tensor:
        """Hessian of the sets' losses in these shares with the penalty's: [width, width]."""
        import torch

        sure = torch.sigmoid(self._gap @ head)
        bend = shares[self._set] * self._heavy * sure * (1 - sure)
        return (self._gap * bend[:, None]).T @ self._gap + ridge * torch.eye(len(head))


def _narrow(states: Tensor) -> Tensor:
    """States along their principal axes where they have more than `_AXES` columns."""
    import torch

    if states.shape[1] <= _AXES:
        return states
    axes = torch.linalg.eigh(states.T @ states / len(states)).eigenvectors[:, -_AXES:]
    return states @ axes
