"""The reward head of BaseReward (two layers, SiLU), in float32, and the Bradley-Terry loss it is trained with."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from rewards.features import BUCKETS, DENSE_WIDTH, Features

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": functional.silu,
    "tanh": torch.tanh,
    "relu": functional.relu,
    "gelu": functional.gelu,
    "none": lambda states: states,
}


class RewardHead(nn.Module):
    """One state per completion to one reward: [rows, width] -> [rows], computed in float32.

    `layers` linear maps with the activation between them; BaseReward's ablation (arXiv 2509.16127, table 2) found
    two with SiLU best. One layer has no activation.
    """

    def __init__(self, width: int, hidden: int, layers: int = 2, activation: str = "silu") -> None:
        super().__init__()
        self.inner = nn.Linear(width, hidden) if layers > 1 else None
        self.middle = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(layers - 2))
        self.outer = nn.Linear(hidden if layers > 1 else width, 1)
        self.activation = ACTIVATIONS[activation]

    def linears(self) -> list[nn.Linear]:
        """The layers, the one next to the backbone first."""
        return [layer for layer in (self.inner, *self.middle, self.outer) if layer is not None]

    def forward(self, states: Tensor) -> Tensor:
        # Rewards of order 10 in bfloat16 come in steps of 1/16: ties that are none.
        with torch.autocast(states.device.type, enabled=False):
            hidden = states.float()
            for layer in self.linears()[:-1]:
                hidden = self.activation(layer(hidden))
            return self.outer(hidden).squeeze(-1)


class HashedHead(nn.Module):
    """The same head on hashed features: its first layer sums rows of a table instead of multiplying zeros."""

    def __init__(self, hidden: int, seed: int) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        self.words = nn.Parameter(torch.randn(BUCKETS, hidden, generator=draw) * 0.02)
        self.dense = nn.Parameter(torch.randn(DENSE_WIDTH, hidden, generator=draw) / math.sqrt(DENSE_WIDTH))
        self.inner_bias = nn.Parameter(torch.zeros(hidden))
        self.outer = nn.Parameter(torch.randn(hidden, generator=draw) / math.sqrt(hidden + 1))
        self.register_buffer("centre", torch.zeros(DENSE_WIDTH))
        self.register_buffer("scale", torch.ones(DENSE_WIDTH))

    def standardise(self, dense: Tensor) -> None:
        """Take centre and spread of the dense measures from training rows."""
        self.centre.copy_(dense.mean(dim=0))
        spread = dense.std(dim=0, correction=0)
        self.scale.copy_(torch.where(spread > 1e-3, spread, torch.ones_like(spread)))

    def forward(self, rows: Features) -> Tensor:
        """[rows], in the precision of the parameters."""
        # A measure never seen in training must not decide alone: four spreads are as far as it counts.
        dense = ((torch.from_numpy(rows.dense).to(self.dense.dtype) - self.centre) / self.scale).clamp(-4, 4)
        words: Tensor = HashedSums.apply(self.words, rows)
        return functional.silu(words + dense @ self.dense + self.inner_bias) @ self.outer


class HashedSums(torch.autograd.Function):
    """`embedding_bag` of a table `[BUCKETS, hidden]`, with a faster way back: [rows, hidden].

    torch sorts the buckets for the gradient of the table; a transposed sparse product adds the rows as they come,
    which takes less time, and always in the same order.
    """

    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: Features) -> Tensor:
        ctx.rows, ctx.shape = rows, table.shape
        return functional.embedding_bag(
            torch.from_numpy(rows.buckets).long(), table, torch.from_numpy(rows.starts[:-1]),
            mode="sum", per_sample_weights=torch.from_numpy(rows.values).to(table.dtype),
        )  # fmt: skip

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        from scipy.sparse import csr_array

        rows: Features = ctx.rows
        counted = csr_array((rows.values, rows.buckets, rows.starts), shape=(len(rows), ctx.shape[0]))
        return torch.from_numpy(counted.T @ grads[0].numpy()), None


def bradley_terry(
    margin: Tensor, soft: Tensor | None = None, weight: Tensor | None = None, ahead: Tensor | None = None
) -> Tensor:
    """Mean of -log sigmoid(margin) (Bradley and Terry 1952), margin = reward of chosen less reward of rejected.

    `soft` is the probability per pair that the chosen one is better (1 without); `weight` multiplies a pair's
    loss and should have mean 1 over the training set, not over a batch: a light pair alone in its batch stays
    light. `ahead` is what the better one must be ahead by, -log sigmoid(margin - ahead) (adaptive margin: arXiv
    2401.06080, section 2). All of shape [pairs].
    """
    needed = 0.0 if ahead is None else ahead
    loss = -functional.logsigmoid(margin - needed)
    if soft is not None:
        loss = soft * loss - (1 - soft) * functional.logsigmoid(-margin - needed)
    return loss.mean() if weight is None else (weight * loss).mean()
