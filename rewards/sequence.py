"""Transformers reward models as judges: sequence classifiers from the hub or a folder, and our own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pairs.errors import PrefmillError
from rewards.batches import judge
from rewards.collate import Encoder, Reading, budget_batches
from rewards.interface import Item
from rewards.prefixes import Forest, forests
from rewards.trees import why_not
from rewards.windows import batch_windows

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

TOKEN_BUDGET = 16_384  # tokens of a batch, padding included
# The chat template is not among them: its text is hashed, wherever it lies.
_HASHED = (
    "*.safetensors", "model.safetensors.index.json", "config.json",
    "processor_config.json", "preprocessor_config.json", "tokenizer_config.json", "tokenizer.json",
    "tokenizer.model", "vocab.*", "merges.txt", "added_tokens.json", "special_tokens_map.json",
)  # fmt: skip


@dataclass(frozen=True)
class Trunk:
    """A model read at its last token: `body` gives the states of tokens, `head` maps states [rows, width] to
    rewards [rows], float32, or to what else is wanted of each row. Called with an encoded batch it gives these."""

    body: PreTrainedModel
    head: Callable[[Tensor], Tensor]

    def __call__(self, batch: dict[str, Tensor]) -> Tensor:
        from rewards.vision import last_real

        # The library's classifiers find the last token by its id and miss it where the pad token is the end token.
        states = self.body(**batch, use_cache=False).last_hidden_state
        return self.head(last_real(states, batch["attention_mask"]))


class TransformersModel:
    """A transformers model as a `RewardModel`.

    `logits` maps an encoded batch to rewards [rows]. Items longer than the encoder's `max_length` tokens, and
    items that the model cannot be shown, do not fit: they are counted, never cut. Where `shares`, items of one
    prompt are judged in one sequence: the same rewards up to rounding, for less work.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        encoder: Encoder,
        logits: Trunk | Callable[[dict[str, Tensor]], Tensor],
        fingerprint: str,
    ) -> None:
        self.model = model
        self.encoder = encoder
        self.logits = logits
        self.fingerprint = fingerprint
        self._read: dict[int, tuple[Item, Reading]] = {}  # by its id, what `fits` was asked for last
        self.shares = isinstance(logits, Trunk) and why_not(logits.body) is None
        if isinstance(logits, Trunk):
            batch_windows(logits.body)

    def fits(self, items: Sequence[Item]) -> np.ndarray:
        readings = self.encoder.read(items)
        self._read = {id(item): (item, reading) for item, reading in zip(items, readings, strict=True)}
        return np.array([not reading.refusal for reading in readings], bool)

    def refusals(self, items: Sequence[Item]) -> list[str]:
        """Why each of some items does not fit; empty where it does."""
        return [reading.refusal for reading in self._readings(items)]

    def rewards(self, items: Sequence[Item]) -> np.ndarray:
        self.model.eval()
        return judge(self.batches(items), np.zeros(len(items), np.float32), self.model.device)

    def batches(self, items: Sequence[Item]) -> list[Forest | Rows]:
        """The items in the batches that `rewards` runs, the longest sequences first. Raises `PrefmillError` for
        one that cannot be shown."""
        readings = self._readings(items)
        for item, reading in zip(items, readings, strict=True):
            if not reading.length:
                raise PrefmillError(f"completion {item.completion_id}: {reading.refusal}; ask `fits` first")
        shared: list[Forest] = []
        alone = np.arange(len(items))
        if self.shares and isinstance(self.logits, Trunk) and len(items) > 1:
            body, head = self.logits.body, self.logits.head
            shared, alone = forests(self.encoder, items, readings, body, head, TOKEN_BUDGET)
        lengths = np.array([readings[place].length for place in alone], np.int64)
        return shared + [
            Rows(rows, [items[row] for row in rows], [readings[row].text for row in rows], self)
            for rows in (alone[batch] for batch in budget_batches(lengths, TOKEN_BUDGET))
        ]

    def _readings(self, items: Sequence[Item]) -> list[Reading]:
        """The items as the encoder reads them; those that `fits` was asked for last are not read again."""
        new = iter(self.encoder.read([item for item in items if id(item) not in self._read]))
        return [self._read[id(item)][1] if id(item) in self._read else next(new) for item in items]


@dataclass(frozen=True)
class Rows:
    """A batch of items that share nothing."""

    rows: np.ndarray
    items: list[Item]
    texts: list[str]
    model: TransformersModel

    def encode(self) -> dict[str, Tensor]:
        return self.model.encoder.encode(self.items, self.texts)

    def judge(self, encoded: dict[str, Tensor]) -> Tensor:
        return self.model.logits(encoded)

    def halves(self) -> list[Rows]:
        middle = len(self.items) // 2
        if not middle:
            return []
        return [
            Rows(self.rows[part], self.items[part], self.texts[part], self.model)
            for part in (slice(middle), slice(middle, None))
        ]


def load_classifier(path: str, *, revision: str | None, max_length: int, max_pixels: int) -> TransformersModel:
    """An `AutoModelForSequenceClassification` with one label, from a folder or the hub.

    Only safetensors, and no code from the model's own repository.
    """
    from transformers import AutoModelForSequenceClassification

    dtype, device = dtype_and_device()
    model, found = AutoModelForSequenceClassification.from_pretrained(
        path, revision=revision, dtype=dtype, use_safetensors=True, trust_remote_code=False,
        output_loading_info=True,
    )  # fmt: skip
    model = model.to(device)
    if found["missing_keys"]:
        # transformers fills them with random numbers and a warning: the rewards would be noise.
        raise PrefmillError(
            f"{path}: no weights for {', '.join(sorted(found['missing_keys']))[:200]}, expected a reward model"
        )
    if model.config.num_labels != 1:
        raise PrefmillError(f"{path}: has {model.config.num_labels} labels, expected a reward model with one")
    encoder = Encoder.load(path, model.config, revision=revision, max_length=max_length, max_pixels=max_pixels)

    fingerprint = fingerprint_of(path, model, encoder, revision)
    if not hasattr(model, "score"):
        return TransformersModel(model, encoder, lambda batch: model(**batch).logits[:, 0], fingerprint)

    def head(states: Tensor) -> Tensor:
        from torch.nn import functional

        return functional.linear(states.float(), model.score.weight.float())[:, 0]

    return TransformersModel(model, encoder, Trunk(model.base_model, head), fingerprint)


def load_ours(path: str, max_length: int | None, max_pixels: int | None) -> TransformersModel:
    """A trained `PrefmillRewardModel` from its folder; without lengths, with those it was trained with."""
    from transformers import AutoModel

    import rewards.vision  # noqa: F401  registers the model with transformers

    dtype, device = dtype_and_device()
    model = AutoModel.from_pretrained(path, dtype=dtype, use_safetensors=True).to(device)
    model.score.float()
    config = model.config
    encoder = Encoder.load(
        path, config.backbone_config, revision=None, max_length=max_length or config.max_tokens,
        max_pixels=max_pixels or config.max_pixels,
    )  # fmt: skip
    return TransformersModel(
        model, encoder, Trunk(model.backbone, model.score), fingerprint_of(path, model, encoder)
    )


def dtype_and_device() -> tuple[Any, str]:
    """bfloat16 on a GPU, float32 on the CPU."""
    import torch

    return (torch.bfloat16, "cuda") if torch.cuda.is_available() else (torch.float32, "cpu")


def fingerprint_of(path: str, model: PreTrainedModel, encoder: Encoder, revision: str | None = None) -> str:
    """Weights (the files' hash, or the hub's commit that `revision` is), chat template, precision and lengths."""
    from huggingface_hub import hf_hub_download

    digest = hashlib.sha256()
    folder = Path(path)
    if folder.is_dir():
        for file in sorted({file for pattern in _HASHED for file in folder.glob(pattern)}):
            with file.open("rb") as opened:
                digest.update(file.name.encode() + hashlib.file_digest(opened, "sha256").digest())
    else:
        snapshot = Path(hf_hub_download(path, "config.json", revision=revision)).parent
        digest.update(f"{path}@{snapshot.name}".encode())
    digest.update(
        f"{encoder.tokenizer.chat_template}{model.dtype}{encoder.max_length} {encoder.max_pixels}".encode()
    )
    return f"{folder.name}-{digest.hexdigest()[:16]}"
