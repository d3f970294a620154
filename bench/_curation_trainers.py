"""Two trainers on frozen features that show what noise costs: one stops early, one learns everything by heart.

Many curated versions of one training set are trained at once: they differ in weights and labels only.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

_HIDDEN = 24
_BATCH = 64


def train(
    inputs: np.ndarray, soft: np.ndarray, weight: np.ndarray, held: np.ndarray | None, seed: int, epochs: int
) -> list[Tensor]:
    """Parameters of one two-layer head per version, for inputs `[2, pairs, width]`, `soft` (1, 0 where a version
    turns the label, or a soft label) and `weight` (0: dropped) `[versions, pairs]`. With `held` (bool `[pairs]`)
    those pairs choose the epoch and are not trained on, and weights decay.
    """
    draw = torch.Generator().manual_seed(seed)
    versions, width = len(soft), inputs.shape[2]
    first = torch.randn(1, width, _HIDDEN, generator=draw).expand(versions, -1, -1) / width**0.5
    last = torch.randn(1, _HIDDEN, 1, generator=draw).expand(versions, -1, -1) / _HIDDEN**0.5
    heads = [torch.nn.Parameter(part.clone()) for part in (first, last)]
    pace, decay = (3e-3, 0.0) if held is None else (1e-3, 0.3)
    optimizer = torch.optim.AdamW(heads, pace, weight_decay=decay)
    both, right, heavy = (
        torch.from_numpy(np.ascontiguousarray(part, np.float32)) for part in (inputs, soft, weight)
    )
    learned = np.arange(inputs.shape[1]) if held is None else np.flatnonzero(~held)
    chance, best = np.random.default_rng(seed), torch.full((versions,), float("inf"))
    kept = [head.detach().clone() for head in heads]
    for _ in range(epochs):
        order = torch.from_numpy(chance.permutation(learned))
        for rows in order.split(_BATCH):
            loss = _losses(heads, both[:, rows], right[:, rows], heavy[:, rows]).sum()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        if held is not None:
            rows = torch.from_numpy(np.flatnonzero(held))
            with torch.no_grad():
                now = _losses(heads, both[:, rows], right[:, rows], heavy[:, rows])
            for version in torch.nonzero(now < best).flatten():
                for old, new in zip(kept, heads, strict=True):
                    old[version] = new.detach()[version]
            best = torch.minimum(best, now)
    return [head.detach() for head in heads] if held is None else kept


def _margins(heads: list[Tensor], both: Tensor) -> Tensor:
    hidden = functional.silu(torch.matmul(both[:, None], heads[0]))
    first, second = torch.matmul(hidden, heads[1]).squeeze(-1)
    return first - second


def _losses(heads: list[Tensor], both: Tensor, right: Tensor, heavy: Tensor) -> Tensor:
    margins = _margins(heads, both)
    # -right log sigmoid(margin) - (1 - right) log sigmoid(-margin)
    loss = ((1 - right) * margins - functional.logsigmoid(margins)) * heavy
    return loss.sum(dim=1) / heavy.sum(dim=1).clamp(min=1)


def margins(heads: list[Tensor], inputs: np.ndarray) -> np.ndarray:
    """Reward margins `[versions, pairs]`."""
    with torch.no_grad():
        return _margins(heads, torch.from_numpy(inputs)).numpy()
