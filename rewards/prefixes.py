"""Scoring by trees: which items share a sequence, and the batches of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import orjson

from rewards.collate import Encoder, Reading, budget_batches
from rewards.interface import Item
from rewards.trees import LONGEST, Tree, common_tokens, encode, last_states

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Forest:
    """A batch of trees. `head` maps states [rows, width] to rewards [rows]."""

    trees: tuple[Tree, ...]
    encoder: Encoder
    body: PreTrainedModel
    head: Callable[[Tensor], Tensor]

    @property
    def rows(self) -> np.ndarray:
        return np.array([row for tree in self.trees for row in tree.rows])

    def halves(self) -> list[Forest]:
        middle = len(self.trees) // 2
        parts = [self.trees[:middle], self.trees[middle:]] if middle else [(t,) for t in self.trees[0].parted()]
        return [Forest(part, self.encoder, self.body, self.head) for part in parts]

    def encode(self) -> dict[str, Tensor]:
        return encode(self.trees, self.encoder, self.body)

    def judge(self, encoded: dict[str, Tensor]) -> Tensor:
        return self.head(last_states(self.body, **encoded))


def forests(
    encoder: Encoder, items: Sequence[Item], readings: Sequence[Reading], body: PreTrainedModel,
    head: Callable[[Tensor], Tensor], budget: int,
) -> tuple[list[Forest], np.ndarray]:  # fmt: skip
    """Batches of at most `budget` tokens, padding included, of the items that share a prompt with another; and the
    places of the others, int64. `readings`: the items as `encoder` reads them."""
    tokens, lengths = [one.tokens for one in readings], [one.length for one in readings]
    trees: list[Tree] = []
    alone = [place for place, item in enumerate(items) if item.completion_images]
    groups: dict[tuple[bytes, tuple[bytes, ...]], list[int]] = {}
    for place, item in enumerate(items):
        if not item.completion_images:
            groups.setdefault((orjson.dumps(item.prompt), item.images), []).append(place)
    for group in groups.values():
        for rows in _chunks(group, tokens, lengths):
            tree = Tree.of(rows, tokens, lengths, items[rows[0]].images)
            if len(rows) > 1 and tree.sound(encoder):
                trees.append(tree)
            else:
                alone += rows
    made = [
        Forest(tuple(trees[place] for place in batch), encoder, body, head)
        for batch in budget_batches(np.array([tree.length for tree in trees], np.int64), budget)
    ]
    return made, np.array(sorted(alone), np.int64)


def _chunks(rows: list[int], tokens: list[list[int]], lengths: list[int]) -> Iterator[list[int]]:
    """Items of one prompt in sequences of at most `LONGEST` tokens, unless one alone is longer."""
    common = common_tokens([tokens[row] for row in rows])
    chunk: list[int] = []
    size = 0
    for row in rows:
        if chunk and size + len(tokens[row]) - common > LONGEST:
            yield chunk
            chunk = []
        size = size + len(tokens[row]) - common if chunk else lengths[row]
        chunk.append(row)
    yield chunk
