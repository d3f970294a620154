"""Completions of one prompt in one sequence, so that the prompt and its pictures go through the model once.

The sequence is the tokens that all have in common, then what is left of each. A mask lets a completion see the
common part and itself, never another completion, and its positions go on where the common part ends: the model
computes for each just what it would for prompt and completion alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from pairs.media import decode_image
from rewards.collate import Encoder, budget_batches
from rewards.interface import Item

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

LONGEST = 8_192  # tokens of a sequence of several completions: attention between them is computed and masked away
# Others may count positions or mask in their own way. Each of these is compared with plain scoring in the tests.
_KNOWN = ("llama", "qwen2", "qwen3", "qwen2_5_vl", "qwen2_5_vl_text")


def can_share(body: PreTrainedModel) -> bool:
    """Whether a backbone takes a mask of ours: known architecture, attention over the whole sequence, SDPA."""
    config = body.config
    layers = getattr(config.get_text_config(), "layer_types", None) or ["full_attention"]
    return (
        config.model_type in _KNOWN
        and set(layers) == {"full_attention"}
        and config.get_text_config()._attn_implementation == "sdpa"
    )


@dataclass(frozen=True)
class Tree:
    """Completions of one prompt: `rows` are their places, `prefix` and `tails` token ids with one token per
    picture, `length` the tokens of the whole sequence, pictures at full length."""

    rows: tuple[int, ...]
    prefix: tuple[int, ...]
    tails: tuple[tuple[int, ...], ...]
    images: tuple[bytes, ...]
    length: int


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
        parts = [self.trees[:middle], self.trees[middle:]] if middle else _parted(self.trees[0])
        return [Forest(part, self.encoder, self.body, self.head) for part in parts]

    def encode(self) -> dict[str, Tensor]:
        """`input_ids` [trees, tokens], `segments` (0 the common part, n the n-th completion, -1 padding),
        `positions` [1 or 3, trees, tokens], `ends` [rows, 2] (tree and place of each last token), and what
        pictures need."""
        import torch

        pictures, counts = self._pictures()
        prefixes = [self._expanded(tree.prefix, counts) for tree in self.trees]
        whole = [[*prefix, *_joined(tree.tails)] for prefix, tree in zip(prefixes, self.trees, strict=True)]
        shape = (len(whole), max(map(len, whole)))
        ids = torch.full(shape, int(self.encoder.tokenizer.pad_token_id))
        segments, ends = torch.full(shape, -1), []
        for number, (tokens, prefix, tree) in enumerate(zip(whole, prefixes, self.trees, strict=True)):
            ids[number, : len(tokens)] = torch.tensor(tokens)
            at = len(prefix)
            segments[number, :at] = 0
            for branch, tail in enumerate(tree.tails, 1):
                segments[number, at : at + len(tail)] = branch
                at += len(tail)
                ends.append((number, at - 1))
        positions = self._positions(ids, segments, pictures)
        return {
            "input_ids": ids,
            "segments": segments,
            "positions": positions,
            "ends": torch.tensor(ends),
            **pictures,
        }

    def judge(self, encoded: dict[str, Tensor]) -> Tensor:
        import torch

        given = dict(encoded)
        segments, positions, ends = given.pop("segments"), given.pop("positions"), given.pop("ends")
        places = torch.arange(segments.shape[1], device=segments.device)
        before = places[:, None] >= places[None, :]
        seen = (segments[:, None, :] == 0) | (segments[:, None, :] == segments[:, :, None])
        states = self.body(
            attention_mask=(seen & before)[:, None],
            position_ids=positions[0] if len(positions) == 1 else positions,
            use_cache=False,
            **given,
        ).last_hidden_state
        return self.head(states[ends[:, 0], ends[:, 1]])

    def _pictures(self) -> tuple[dict[str, Tensor], Iterator[int]]:
        """The tensors of all pictures, and the tokens of each in order."""
        pictures = [decode_image(data) for tree in self.trees for data in tree.images]
        if not pictures:
            return {}, iter(())
        image = self.encoder.processor.image_processor
        made = image(images=pictures, return_tensors="pt", input_data_format="channels_last")
        counts = made["image_grid_thw"].prod(dim=1) // image.merge_size**2
        return {"pixel_values": made["pixel_values"], "image_grid_thw": made["image_grid_thw"]}, iter(
            counts.tolist()
        )

    def _expanded(self, tokens: Sequence[int], counts: Iterator[int]) -> list[int]:
        """Each picture's token as often as the picture has tokens."""
        if self.encoder.processor is None:
            return list(tokens)
        mark = self.encoder.processor.image_token_id
        return [token for one in tokens for token in ([one] * next(counts) if one == mark else [one])]

    def _positions(self, ids: Tensor, segments: Tensor, pictures: dict[str, Any]) -> Tensor:
        """As the model counts for each completion alone. A branch starts after the largest position before it."""
        import torch

        common = segments == 0
        if pictures:
            types = ((ids == self.encoder.processor.image_token_id) & common).int()
            grid = pictures["image_grid_thw"]
            found, _ = self.body.get_rope_index(ids, types, image_grid_thw=grid, attention_mask=common.long())
        else:
            found = torch.arange(ids.shape[1]).expand(1, *ids.shape).clone()
        for number, row in enumerate(segments):
            start = int(found[:, number, row == 0].max()) + 1 if bool((row == 0).any()) else 0
            for branch in range(1, int(row.max()) + 1):
                held = row == branch
                found[:, number, held] = torch.arange(start, start + int(held.sum()))
        return found


def forests(
    encoder: Encoder, items: Sequence[Item], body: PreTrainedModel, head: Callable[[Tensor], Tensor], budget: int
) -> tuple[list[Forest], np.ndarray]:
    """Batches of at most `budget` tokens, padding included, of the items that share a prompt with another; and the
    places of the others, int64."""
    lengths = encoder.lengths(items)
    tokens = encoder.tokenizer([encoder.text(item) for item in items], add_special_tokens=False)["input_ids"]
    trees: list[Tree] = []
    alone: list[int] = []
    places = [place for place, item in enumerate(items) if not item.completion_images]
    alone += [place for place, item in enumerate(items) if item.completion_images]
    groups: dict[tuple[bytes, tuple[bytes, ...]], list[int]] = {}
    for place in places:
        groups.setdefault((orjson.dumps(items[place].prompt), items[place].images), []).append(place)
    for group in groups.values():
        for rows in _chunks(group, tokens, lengths):
            tree = _tree(rows, tokens, lengths, items[rows[0]].images)
            marks = tree.prefix.count(encoder.processor.image_token_id) if encoder.processor else 0
            if len(rows) > 1 and tree.prefix and marks == len(tree.images):
                trees.append(tree)
            else:
                alone += rows
    made = [
        Forest(tuple(trees[place] for place in batch), encoder, body, head)
        for batch in budget_batches(np.array([tree.length for tree in trees], np.int64), budget)
    ]
    return made, np.array(sorted(alone), np.int64)


def _chunks(rows: list[int], tokens: list[list[int]], lengths: np.ndarray) -> Iterator[list[int]]:
    """Items of one prompt in sequences of at most `LONGEST` tokens, unless one alone is longer."""
    common = _common([tokens[row] for row in rows])
    chunk: list[int] = []
    size = 0
    for row in rows:
        if chunk and size + len(tokens[row]) - common > LONGEST:
            yield chunk
            chunk = []
        size = size + len(tokens[row]) - common if chunk else int(lengths[row])
        chunk.append(row)
    yield chunk


def _tree(rows: list[int], tokens: list[list[int]], lengths: np.ndarray, images: tuple[bytes, ...]) -> Tree:
    common = _common([tokens[row] for row in rows])
    tails = tuple(tuple(tokens[row][common:]) for row in rows)
    prefix = int(lengths[rows[0]]) - len(tails[0])
    return Tree(tuple(rows), tuple(tokens[rows[0]][:common]), tails, images, prefix + sum(map(len, tails)))


def _common(texts: list[list[int]]) -> int:
    """How many tokens all begin with."""
    same = takewhile(lambda column: len(set(column)) == 1, zip(*texts, strict=False))
    return sum(1 for _ in same)


def _parted(tree: Tree) -> list[tuple[Tree, ...]]:
    """One tree as two of half the completions; none for a single completion."""
    middle = len(tree.rows) // 2
    if not middle:
        return []
    prefix = tree.length - sum(map(len, tree.tails))
    return [
        (Tree(tree.rows[part], tree.prefix, tree.tails[part], tree.images,
              prefix + sum(map(len, tree.tails[part]))),)
        for part in (slice(middle), slice(middle, None))
    ]  # fmt: skip


def _joined(tails: Sequence[Sequence[int]]) -> list[int]:
    return [token for tail in tails for token in tail]
