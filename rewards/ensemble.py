"""Several reward models as one: their mean, and one for text beside one for pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from pairs.errors import PrefmillError
from rewards.interface import Item, RewardModel


class Ensemble:
    """The plain mean of the rewards of models with alike scales: what BaseReward found best (its table 7).

    It judges what all of them can judge.
    """

    def __init__(self, models: Sequence[RewardModel]) -> None:
        if not models:
            raise PrefmillError("an ensemble of no models; name at least one")
        self._models = list(models)

    @property
    def fingerprint(self) -> str:
        return _named("mean", self._models)

    def fits(self, items: Sequence[Item]) -> np.ndarray:
        """Which items all models can judge whole, bool [items]."""
        return np.logical_and.reduce([model.fits(items) for model in self._models])

    def rewards(self, items: Sequence[Item]) -> np.ndarray:
        """Mean reward, float32 [items]."""
        return np.mean([model.rewards(items) for model in self._models], axis=0, dtype=np.float64).astype(
            np.float32
        )


class Routed:
    """One model for prompts and completions with pictures, another for bare text: pairs of one prompt always go to
    the same model, so the two scales never meet in a pair."""

    def __init__(self, pictures: RewardModel, text: RewardModel) -> None:
        self._pictures, self._text = pictures, text

    @property
    def fingerprint(self) -> str:
        return _named("pictures, text", [self._pictures, self._text])

    def fits(self, items: Sequence[Item]) -> np.ndarray:
        """Which items the model they go to can judge whole, bool [items]."""
        return self._each(items, "fits", bool)

    def rewards(self, items: Sequence[Item]) -> np.ndarray:
        """Reward by the model each item goes to, float32 [items]."""
        return self._each(items, "rewards", np.float32)

    def _each(self, items: Sequence[Item], what: str, kind: type) -> np.ndarray:
        shown = np.array([bool(item.images or item.completion_images) for item in items], bool)
        out = np.zeros(len(items), kind)
        for model, mask in ((self._pictures, shown), (self._text, ~shown)):
            if mask.any():
                out[mask] = getattr(model, what)([items[place] for place in np.flatnonzero(mask)])
        return out


def _named(how: str, models: Sequence[RewardModel]) -> str:
    names = "\n".join([how, *(model.fingerprint for model in models)])
    return f"{how} of {len(models)} " + hashlib.blake2b(names.encode(), digest_size=8).hexdigest()
