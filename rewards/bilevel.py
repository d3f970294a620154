"""Weights of sources learned while a head trains on them, by what a trusted set thinks of each source's gradient.

Two levels, as in DreamPRM (Cao et al. 2025): below, the head takes a step on the weighted losses of the sources;
above, a source gains weight where a step along its gradient lowers the loss on the trusted pairs. That derivative,
one step ahead and to first order, is the product of the two gradients (Ren et al. 2018).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from rewards.fit import one_thread
from rewards.heads import FrozenPairs, HeadsSettings, pair_margins, start

_WARM_UP = 0.1  # share of the steps before weights move: gradients of an untrained head say little


@dataclass(frozen=True, slots=True)
class BilevelSettings:
    """`rate`: how far weights move per step; `pull`: share of the way back to uniform per step, so that a few
    trusted pairs do not pick one source by chance; `batch`: pairs of each source, and of the trusted, a step."""

    rate: float = 0.1
    pull: float = 0.01
    batch: int = 64
    steps: int = 300


@dataclass(frozen=True)
class Labelled:
    """Places of pairs, int64 [rows], with soft labels and weights, float32 [rows]."""

    rows: np.ndarray
    soft: np.ndarray
    weight: np.ndarray


def learn_weights(
    pairs: FrozenPairs,
    sources: Mapping[str, Labelled],
    trusted: Labelled,
    heads: HeadsSettings,
    settings: BilevelSettings | None = None,
) -> np.ndarray:
    """The weights after each step, float64 [steps, sources], each row adding up to 1. The first is uniform.

    No pair of `trusted` may be one of the sources'. The proposal is the mean over the second half.
    """
    import torch
    from torch.nn import functional

    settings = settings or BilevelSettings()
    chance = np.random.default_rng(heads.seed)
    states, scores = torch.from_numpy(pairs.states), np.zeros(len(sources))
    path = []

    def loss(part: Labelled, layers: list[torch.nn.Parameter]) -> torch.Tensor:
        at = chance.integers(0, len(part.rows), settings.batch)
        both = torch.from_numpy(np.concatenate([pairs.chosen[part.rows[at]], pairs.rejected[part.rows[at]]]))
        margin = pair_margins(layers, states[both][None])[0]
        soft, weight = torch.from_numpy(part.soft[at]), torch.from_numpy(part.weight[at])
        found = -weight * (soft * functional.logsigmoid(margin) + (1 - soft) * functional.logsigmoid(-margin))
        return found.mean()

    with one_thread():
        layers = start(1, pairs.states.shape[1], heads)
        optimizer = torch.optim.AdamW(layers, heads.learning_rate, weight_decay=heads.weight_decay)
        for step in range(settings.steps):
            weights = np.exp(scores - scores.max())
            weights /= weights.sum()
            path.append(weights)
            grads = [torch.autograd.grad(loss(part, layers), layers) for part in sources.values()]
            wanted = torch.autograd.grad(loss(trusted, layers), layers)
            if step >= _WARM_UP * settings.steps:
                gains = np.array([_cosine(wanted, grad) for grad in grads])
                scores = (1 - settings.pull) * (scores + settings.rate * (gains - weights @ gains))
            for place, layer in enumerate(layers):
                layer.grad = sum(float(share) * grad[place] for share, grad in zip(weights, grads, strict=True))
            optimizer.step()
    return np.array(path)


def mean_weights(
    pairs: FrozenPairs, sources: Mapping[str, Labelled], trusted: Labelled, heads: HeadsSettings, seeds: int
) -> np.ndarray:
    """`learn_weights` of several seeds, their mean."""
    paths = [learn_weights(pairs, sources, trusted, replace(heads, seed=heads.seed + n)) for n in range(seeds)]
    mean: np.ndarray = np.mean(paths, axis=0)
    return mean


def _cosine(one: tuple, other: tuple) -> float:  # type: ignore[type-arg]
    import torch

    a, b = (torch.cat([layer.flatten() for layer in grads]) for grads in (one, other))
    return float(a @ b / (a.norm() * b.norm()).clamp_min(1e-12))
