"""What a reward model is to the rest of the house: a fingerprint and one number per completion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

Messages = list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Item:
    """One completion with all that its judge may see. Pictures are the bytes of checked files."""

    completion_id: str
    prompt: Messages
    completion: Messages
    images: tuple[bytes, ...] = ()  # of the prompt, in order of their marks
    completion_images: tuple[bytes, ...] = ()


class RewardModel(Protocol):
    """Judges completions one by one.

    `fingerprint` names all that a reward depends on (weights, template, lengths, precision): rewards of two
    models with one fingerprint are interchangeable, so it is the key under which they are kept.
    """

    @property
    def fingerprint(self) -> str: ...

    def fits(self, items: Sequence[Item]) -> np.ndarray:
        """Which items the model can judge whole, bool [items]. Nothing is ever cut to fit."""
        ...

    def rewards(self, items: Sequence[Item]) -> np.ndarray:
        """One reward per item, float32 [items]; higher is better; the scale is the model's own."""
        ...


@runtime_checkable
class Explaining(Protocol):
    """A reward model that can say more of what it does not fit."""

    def refusals(self, items: Sequence[Item]) -> list[str]:
        """Why each item cannot be judged whole; empty where it can. Short, the same for items of one kind."""
        ...


@runtime_checkable
class Piecewise(Protocol):
    """A reward model whose `fits` gets rewards one by one, each of which has its price."""

    def answered(self, items: Sequence[Item]) -> list[Item]:
        """Those items whose rewards it has already, also where `fits` has failed: `rewards` asks for no more."""
        ...
