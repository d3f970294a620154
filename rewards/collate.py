"""Items -> the tensors of a transformers model. Text and pictures are put together here and nowhere else,
because a model matches pictures to marks by order alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2.exceptions import TemplateError

from pairs.errors import PrefmillError
from pairs.media import decode_image, image_size
from pairs.schema import IMAGE_MARK
from rewards.interface import Item
from rewards.processors import load_processor
from rewards.tokenizing import OneAtATime

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase, ProcessorMixin

MAX_RATIO = 200  # of a picture's sides: Qwen's resizing refuses more


@dataclass(frozen=True, slots=True)
class Reading:
    """An item as a model reads it: its text, and the ids of its tokens with one for each picture.

    `length` is their number with pictures at full length, 0 where the item cannot be shown at all: pictures for a
    model of texts, a picture too long and thin, a text that spells a token of pictures, turns that the chat
    template refuses. `refusal` says why it cannot be shown, or not whole; empty where it can.
    """

    text: str
    tokens: list[int]
    length: int
    refusal: str


class Encoder:
    """A tokenizer, with a processor where the model sees pictures."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        processor: ProcessorMixin | None,
        max_length: int,
        max_pixels: int,
        context: int | None = None,
    ) -> None:
        """`context`: tokens that the model has places for, where it says so; beyond it nobody trained it."""
        self.tokenizer = tokenizer
        self.processor = processor
        self.max_length = min(max_length, context or max_length)
        limit = "max_length" if self.max_length == max_length else "the model's context"
        self._types = False  # whether the model is told which tokens are a picture's by token_type_ids
        self._too_long = f"longer than {limit} ({self.max_length})"
        self.max_pixels = max_pixels
        if not tokenizer.chat_template:
            raise PrefmillError(
                f"{tokenizer.name_or_path}: the tokenizer has no chat template, so it is not known how "
                "a completion is put to this model; add one to tokenizer_config.json"
            )
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token  # rewards are read by the mask, never by the pad id
        self._words = OneAtATime(tokenizer)
        if processor is not None:
            processor.tokenizer = self._words
            _limit(processor.image_processor, max_pixels)

    @classmethod
    def load(
        cls, path: str, config: PretrainedConfig, *, revision: str | None, max_length: int, max_pixels: int
    ) -> Encoder:
        """From a folder or the hub; `config` (the backbone's) says whether the model sees pictures."""
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(path, revision=revision, trust_remote_code=False)
        processor = None
        if hasattr(config, "vision_config"):
            processor = load_processor(path, config, revision=revision, tokenizer=tokenizer)
        context = getattr(config.get_text_config(), "max_position_embeddings", None)
        made = cls(tokenizer, processor, max_length, max_pixels, context)
        made._types = processor is not None and _takes_types(config)
        made._loaded = partial(
            cls.load, path, config, revision=revision, max_length=max_length, max_pixels=max_pixels
        )
        return made

    def __reduce__(self) -> tuple[Callable[[], Encoder], tuple[()]]:
        """Another process loads it anew: the processor is of a class made here."""
        return self._loaded, ()

    def save(self, folder: Path) -> None:
        self.tokenizer.save_pretrained(folder)
        if self.processor is not None:
            self.processor.image_processor.save_pretrained(folder)

    def read(self, items: Sequence[Item]) -> list[Reading]:
        """Each item as the model reads it."""
        if not items:
            return []
        texts, refusals = zip(*map(self._written, items), strict=True)
        tokens = self._words(list(texts), add_special_tokens=False)["input_ids"]
        return list(map(self._reading, items, texts, tokens, refusals))

    def lengths(self, items: Sequence[Item]) -> np.ndarray:
        """Tokens of each item, pictures at full length, int64 [items]; 0 where it cannot be shown."""
        return np.array([reading.length for reading in self.read(items)], np.int64)

    def scaled(self, pictures: Sequence[bytes]) -> int:
        """How many of some pictures have more than `max_pixels`: the model sees them smaller than they are."""
        return sum(high * wide > self.max_pixels for high, wide in map(image_size, pictures))

    def _written(self, item: Item) -> tuple[str, str]:
        """The text of an item; or none, and why it cannot be shown to the model."""
        refusal = self._unshown(item)
        if refusal:
            return "", refusal
        try:
            return self.text(item), ""
        except TemplateError as error:
            if type(error) is not TemplateError:  # a template that is broken, not one that speaks
                raise
            return "", f"its chat template says: {error}"

    def _unshown(self, item: Item) -> str:
        pictures = item.images + item.completion_images
        if self.processor is None:
            return "pictures for a backbone of texts" if pictures else ""
        marks = {self.processor.image_token, getattr(self.processor, "video_token", self.processor.image_token)}
        if any(mark in turn["content"] for mark in marks for turn in [*item.prompt, *item.completion]):
            return "a text that spells a token of pictures"
        if any(max(size) > MAX_RATIO * min(size) for size in map(image_size, pictures)):
            return f"a picture more than {MAX_RATIO} times as long as wide"
        return ""

    def _reading(self, item: Item, text: str, tokens: list[int], refusal: str) -> Reading:
        if refusal or not tokens:
            return Reading(text, tokens, 0, refusal or "no text")
        length = len(tokens) + self._more_tokens(item, text, len(tokens))
        return Reading(text, tokens, length, self._too_long if length > self.max_length else "")

    def _more_tokens(self, item: Item, text: str, tokens: int) -> int:
        """How many tokens the pictures of an item have beyond one each, of an item whose text has `tokens`."""
        pictures = item.images + item.completion_images
        if self.processor is None or not pictures:
            return 0
        image = self.processor.image_processor
        if not hasattr(image, "merge_size"):  # cannot say a picture's tokens without making them
            return int(self.encode([item], [text])["input_ids"].shape[1]) - tokens
        patches = (image.get_number_of_image_patches(high, wide, {}) for high, wide in map(image_size, pictures))
        return sum(int(count // image.merge_size**2) - 1 for count in patches)

    def text(self, item: Item) -> str:
        """Prompt and completion through the chat template."""
        messages = [*item.prompt, *item.completion]
        if self.processor is not None:
            messages = [
                *_marked(item.prompt, len(item.images)),
                *_marked(item.completion, len(item.completion_images)),
            ]
        return str(self.tokenizer.apply_chat_template(messages, tokenize=False))

    def encode(self, items: Sequence[Item], texts: Sequence[str] | None = None) -> dict[str, Any]:
        """Tensors of a batch: `input_ids`, `attention_mask` [items, tokens] and what pictures need. `texts` where
        they are known from `read`. Threads may call it together."""
        texts = [self.text(item) for item in items] if texts is None else list(texts)
        pictures = [[decode_image(data) for data in item.images + item.completion_images] for item in items]
        if self.processor is None or not any(pictures):
            batch = self._words(texts, add_special_tokens=False, padding=True, return_tensors="pt")
        else:
            batch = self.processor(
                text=texts,
                images=pictures,
                padding=True,
                return_tensors="pt",
                add_special_tokens=False,
                input_data_format="channels_last",
            )
        kept = self._types and any(pictures)
        return {name: value for name, value in batch.items() if name != "token_type_ids" or kept}


def _takes_types(config: PretrainedConfig) -> bool:
    """Whether a backbone reads `token_type_ids`: Gemma 3 attends both ways inside a picture by them. Tokenizers
    make them for other models too, which know no such input."""
    from transformers import MODEL_MAPPING

    model = MODEL_MAPPING.get(type(config), None)
    return model is not None and "token_type_ids" in inspect.signature(model.forward).parameters


def _limit(image_processor: Any, max_pixels: int) -> None:
    size = dict(image_processor.size)
    if "longest_edge" in size and "shortest_edge" in size:  # Qwen's names for most and fewest pixels
        image_processor.size = {
            "shortest_edge": min(size["shortest_edge"], max_pixels),
            "longest_edge": max_pixels,
        }
    elif hasattr(image_processor, "max_patches"):  # InternVL cuts a picture into tiles
        tile = size["height"] * size["width"]
        image_processor.max_patches = max(1, min(image_processor.max_patches, max_pixels // tile))


def _marked(messages: list[dict[str, str]], pictures: int) -> list[dict[str, Any]]:
    """Messages with content in parts: pictures at their marks, or before the first user turn without marks."""
    if not pictures:
        return [{"role": turn["role"], "content": [_part(turn["content"])]} for turn in messages]
    marks = sum(turn["content"].count(IMAGE_MARK) for turn in messages)
    if marks not in (0, pictures):
        raise PrefmillError(f"{marks} {IMAGE_MARK} marks for {pictures} pictures; publish the mixture again")
    users = [place for place, turn in enumerate(messages) if turn["role"] == "user"] or [0]
    out = []
    for place, turn in enumerate(messages):
        parts: list[dict[str, str]] = [{"type": "image"}] * pictures if not marks and place == users[0] else []
        for index, text in enumerate(turn["content"].split(IMAGE_MARK)):
            if index:  # a line end after a mark belongs to the mark: publication removes both
                parts, text = [*parts, {"type": "image"}], text.removeprefix("\n")
            parts = [*parts, *([_part(text)] if text else [])]
        out.append({"role": turn["role"], "content": parts})
    return out


def _part(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def budget_batches(lengths: np.ndarray, budget: int) -> Iterator[np.ndarray]:
    """Places of items in batches of like length, the longest first, each at most `budget` tokens with its
    padding: on real pairs 99 % of the computed tokens are real ones, against 25 % in random order."""
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        rows = max(1, budget // max(1, int(lengths[order[start]])))
        yield order[start : start + rows]
        start += rows
