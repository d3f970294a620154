"""Completions of one prompt in one sequence, so that the prompt and its pictures go through the model once.

The sequence is the tokens that all have in common, then what is left of each. A mask lets a completion see the
common part and itself, never another completion, and its positions go on where the common part ends: the model
computes for each just what it would for prompt and completion alone, gradients included.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from pairs.media import decode_image
from rewards.collate import Encoder

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

LONGEST = 8_192  # tokens of a sequence of several completions: attention between them is computed and masked away
# Others may count positions or mask in their own way. Each of these is compared with plain sequences in the tests.
_KNOWN = ("llama", "qwen2", "qwen3", "qwen2_vl", "qwen2_5_vl", "qwen2_5_vl_text", "qwen3_vl")


def why_not(body: PreTrainedModel) -> str | None:
    """Why completions of a prompt cannot share a sequence in this backbone; None where they can.

    It must take a mask of ours: a known architecture, attention over the whole sequence, SDPA.
    """
    text = body.config.get_text_config()
    kinds = set(getattr(text, "layer_types", None) or ["full_attention"])
    if body.config.model_type not in _KNOWN:
        return f"{body.config.model_type} is none of {', '.join(_KNOWN)}, of which it is known to be exact"
    if kinds != {"full_attention"}:
        return f"not all of its layers see the whole sequence ({', '.join(sorted(kinds - {'full_attention'}))})"
    if text._attn_implementation != "sdpa":
        return f"its attention is {text._attn_implementation}, and only sdpa takes the mask"
    return None


def without_weights(body: PreTrainedModel) -> PreTrainedModel:
    """A backbone that counts positions and does nothing else: small enough to be handed to another process."""
    import torch

    hollow = type(body).__new__(type(body))
    torch.nn.Module.__init__(hollow)
    hollow.config = body.config
    return hollow


@dataclass(frozen=True)
class Tree:
    """Completions of one prompt: `rows` are their places, `prefix` and `tails` token ids with one token per
    picture, `length` the tokens of the whole sequence, pictures at full length."""

    rows: tuple[int, ...]
    prefix: tuple[int, ...]
    tails: tuple[tuple[int, ...], ...]
    images: tuple[bytes, ...]
    length: int

    @classmethod
    def of(
        cls, rows: Sequence[int], tokens: Sequence[list[int]], lengths: Sequence[int], images: tuple[bytes, ...]
    ) -> Tree:
        """The tree of the items at `rows`, from all items' tokens and lengths. One row alone is all prefix."""
        common = common_tokens([tokens[row] for row in rows])
        tails = tuple(tuple(tokens[row][common:]) for row in rows)
        prefix = int(lengths[rows[0]]) - len(tails[0])
        return cls(tuple(rows), tuple(tokens[rows[0]][:common]), tails, images, prefix + sum(map(len, tails)))

    def sound(self, encoder: Encoder) -> bool:
        """Whether the common part is there and holds all pictures: what is after it is counted as text."""
        marks = self.prefix.count(encoder.processor.image_token_id) if encoder.processor else 0
        return bool(self.prefix) and marks == len(self.images)

    def parted(self) -> list[Tree]:
        """Two trees of half the completions; none for a single completion."""
        middle = len(self.rows) // 2
        if not middle:
            return []
        prefix = self.length - sum(map(len, self.tails))
        return [
            Tree(self.rows[part], self.prefix, self.tails[part], self.images,
                 prefix + sum(map(len, self.tails[part])))
            for part in (slice(middle), slice(middle, None))
        ]  # fmt: skip


def common_tokens(texts: Sequence[list[int]]) -> int:
    """How many tokens all begin with."""
    same = takewhile(lambda column: len(set(column)) == 1, zip(*texts, strict=False))
    return sum(1 for _ in same)


def encode(trees: Sequence[Tree], encoder: Encoder, body: PreTrainedModel) -> dict[str, Tensor]:
    """`input_ids` [trees, tokens], `segments` (0 the common part, n the n-th completion, -1 padding),
    `position_ids` [trees, tokens] or [3, trees, tokens], `ends` [rows, 2] (tree and place of each last token, tree
    by tree), and what pictures need."""
    import torch

    pictures, counts = _pictures(trees, encoder)
    prefixes = [_expanded(tree.prefix, counts, encoder) for tree in trees]
    whole = [[*prefix, *_joined(tree.tails)] for prefix, tree in zip(prefixes, trees, strict=True)]
    shape = (len(whole), max(map(len, whole)))
    ids = torch.full(shape, int(encoder.tokenizer.pad_token_id))
    segments, ends = torch.full(shape, -1), []
    for number, (tokens, prefix, tree) in enumerate(zip(whole, prefixes, trees, strict=True)):
        ids[number, : len(tokens)] = torch.tensor(tokens)
        at = len(prefix)
        segments[number, :at] = 0
        for branch, tail in enumerate(tree.tails, 1):
            segments[number, at : at + len(tail)] = branch
            at += len(tail)
            ends.append((number, (at if tail else len(prefix)) - 1))  # without a tail the prefix is all of it
    positions = _positions(ids, segments, pictures, encoder, body)
    return {
        "input_ids": ids, "segments": segments, "position_ids": positions, "ends": torch.tensor(ends), **pictures,
    }  # fmt: skip


def last_states(body: PreTrainedModel, segments: Tensor, ends: Tensor, **inputs: Tensor) -> Tensor:
    """The state at each completion's last token, [rows, width], from what `encode` made."""
    import torch

    places = torch.arange(segments.shape[1], device=segments.device)
    before = places[:, None] >= places[None, :]
    seen = (segments[:, None, :] == 0) | (segments[:, None, :] == segments[:, :, None])
    states = body(attention_mask=(seen & before)[:, None], use_cache=False, **inputs).last_hidden_state
    return states[ends[:, 0], ends[:, 1]]


def _pictures(trees: Sequence[Tree], encoder: Encoder) -> tuple[dict[str, Tensor], Iterator[int]]:
    """The tensors of all pictures, and the tokens of each in order."""
    pictures = [decode_image(data) for tree in trees for data in tree.images]
    if not pictures:
        return {}, iter(())
    image = encoder.processor.image_processor
    made = image(images=pictures, return_tensors="pt", input_data_format="channels_last")
    counts = made["image_grid_thw"].prod(dim=1) // image.merge_size**2
    return {"pixel_values": made["pixel_values"], "image_grid_thw": made["image_grid_thw"]}, iter(counts.tolist())


def _expanded(tokens: Sequence[int], counts: Iterator[int], encoder: Encoder) -> list[int]:
    """Each picture's token as often as the picture has tokens."""
    if encoder.processor is None:
        return list(tokens)
    mark = encoder.processor.image_token_id
    return [token for one in tokens for token in ([one] * next(counts) if one == mark else [one])]


def _positions(
    ids: Tensor, segments: Tensor, pictures: dict[str, Any], encoder: Encoder, body: PreTrainedModel
) -> Tensor:
    """As the model counts for each completion alone. A branch starts after the largest position before it."""
    import torch

    common = segments == 0
    if pictures:
        types = ((ids == encoder.processor.image_token_id) & common).int()
        grid = pictures["image_grid_thw"]
        found, _ = body.get_rope_index(ids, types, image_grid_thw=grid, attention_mask=common.long())
    else:
        found = torch.arange(ids.shape[1]).expand(1, *ids.shape).clone()
    for number, row in enumerate(segments):
        start = int(found[:, number, row == 0].max()) + 1 if bool((row == 0).any()) else 0
        for branch in range(1, int(row.max()) + 1):
            held = row == branch
            found[:, number, held] = torch.arange(start, start + int(held.sum()))
    return found if pictures else found[0]


def _joined(tails: Sequence[Sequence[int]]) -> list[int]:
    return [token for tail in tails for token in tail]
