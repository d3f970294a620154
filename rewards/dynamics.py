"""Training dynamics: how a pair fares while a model learns it together with all others.

A right label is learned early, because other pairs teach it; a wrong one late and against them. So the margins of
a pair along a training that has the pair in it are low where the label is wrong (Pleiss et al. 2020 take the area
under them). This sees what cross-fitting cannot: whether a label fits the other labels of the same prompt.

Which moment tells most depends on the data: on answers that are compared many times the late margins do, on
prompts that are asked once the early ones, before memory sets in. Late margins are many times larger and would
drown the early ones in a mean, so both count in units of their own mean size. A mean of margins is a margin of
mean rewards: one number per completion, as from any model.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from pairs.errors import PrefmillError
from rewards.embedded import (
    TRAINED_PAIRS,
    EmbeddedModel,
    MediaOf,
    capped,
    digest_of,
    in_batches,
    pair_keys,
    training_rows,
)  # fmt: skip
from rewards.features import VERSION, Features
from rewards.fit import HeadSettings, fit
from rewards.interface import Item

if TYPE_CHECKING:
    from rewards.head import HashedHead

# No held-out pairs and a fast pace: labels that only memory explains must begin to be learned.
SETTINGS = HeadSettings(learning_rate=3e-3, epochs=18)
LOOKS = (6, 18)  # the epochs after which the head is asked: before wrong labels are learned, and after
TRAININGS = 3  # with seeds of their own


@dataclass(frozen=True)
class Dynamics:
    """Judges completions by the mean of heads along trainings on their own pairs. Trains on first use.

    `keys` is `pair_keys` of the training pairs.
    """

    fingerprint: str
    pairs: pl.LazyFrame
    media: MediaOf
    keys: pl.DataFrame
    settings: HeadSettings

    def fits(self, items: Sequence[Item]) -> np.ndarray:
        return np.ones(len(items), bool)

    def rewards(self, items: Sequence[Item]) -> np.ndarray:
        return in_batches(items, self._judge)

    def _judge(self, rows: Features) -> np.ndarray:
        found = np.stack([model.judge(rows).astype(np.float64) / unit for model, unit in self.models])
        mean: np.ndarray = found.mean(axis=0).astype(np.float32)
        return mean

    @cached_property
    def models(self) -> list[tuple[EmbeddedModel, float]]:
        """The heads of all trainings, in order of seed and epoch, each with the mean size of its margins on the
        training pairs."""
        rows = training_rows(self.pairs, self.media, self.keys)
        models: list[tuple[EmbeddedModel, float]] = []
        for number in range(TRAININGS):
            settings = replace(self.settings, seed=self.settings.seed + number)

            def keep(epoch: int, head: HashedHead, settings: HeadSettings = settings) -> None:
                if epoch in LOOKS:
                    model = EmbeddedModel(copy.deepcopy(head), settings)
                    margins = model.judge(rows.chosen) - model.judge(rows.rejected)
                    models.append((model, max(float(np.abs(margins, dtype=np.float64).mean()), 1e-9)))

            fit(rows, None, settings, keep)
        return models


def dynamics(
    pairs: pl.LazyFrame, media: MediaOf, *, seed: int = 17, trained_pairs: int = TRAINED_PAIRS
) -> Dynamics:
    """A judge of the completions of `pairs` (the columns of the pairs table and `group_id`) that learns their
    labels; beyond `trained_pairs` those with the smallest keyed hash. Made for finding wrong labels, not for
    judging new completions. The fingerprint comes from the features, the settings and the pairs. Raises
    `PrefmillError` without any pair.
    """
    settings = replace(SETTINGS, seed=seed)
    keys = capped(pair_keys(pairs), trained_pairs, seed)
    if not len(keys):
        raise PrefmillError("training dynamics have no pair to learn; leave some prompts out of the gold pairs")
    text = f"{VERSION} {settings.key()} looks={LOOKS} trainings={TRAININGS}"
    return Dynamics(f"dynamics-{digest_of([text, *keys['pair_id']])}", pairs, media, keys, settings)
