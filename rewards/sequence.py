"""Transformers reward models as judges: sequence classifiers from the hub or a folder, and our own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pairs.errors import PrefmillError
from rewards.collate import Encoder, budget_batches
from rewards.interface import Item

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

TOKEN_BUDGET = 16_384  # tokens of a batch, padding included
_HASHED = (
    "*.safetensors",
    "config.json",
    "tokenizer.json",
    "preprocessor_config.json",
    "model.safetensors.index.json",
)


class TransformersModel:
    """A transformers model as a `RewardModel`.

    `logits` maps an encoded batch to float32 [rows]. Items longer than the encoder's `max_length` tokens, and
    items that the model cannot be shown, do not fit: they are counted, never cut.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        encoder: Encoder,
        logits: Callable[[dict[str, Tensor]], Tensor],
        fingerprint: str,
    ) -> None:
        self.model = model
        self.encoder = encoder
        self.fingerprint = fingerprint
        self._logits = logits

    def fits(self, items: Sequence[Item]) -> np.ndarray:
        lengths = self.encoder.lengths(items)
        return (lengths > 0) & (lengths <= self.encoder.max_length)

    def rewards(self, items: Sequence[Item]) -> np.ndarray:
        import torch

        out = np.zeros(len(items), np.float32)
        self.model.eval()
        with torch.no_grad():
            for rows in budget_batches(self.encoder.lengths(items), TOKEN_BUDGET):
                batch = self.encoder.encode([items[row] for row in rows])
                batch = {name: value.to(self.model.device) for name, value in batch.items()}
                out[rows] = self._logits(batch).float().cpu().numpy()
        return out


def load_classifier(path: str, *, revision: str | None, max_length: int) -> TransformersModel:
    """An `AutoModelForSequenceClassification` with one label, from a folder or the hub.

    Only safetensors, and no code from the model's own repository.
    """
    from transformers import AutoModelForSequenceClassification

    dtype, device = _dtype_and_device()
    model = AutoModelForSequenceClassification.from_pretrained(
        path, revision=revision, dtype=dtype, use_safetensors=True, trust_remote_code=False
    ).to(device)
    if model.config.num_labels != 1:
        raise PrefmillError(f"{path}: has {model.config.num_labels} labels, expected a reward model with one")
    encoder = Encoder.load(path, model.config, revision=revision, max_length=max_length, max_pixels=768 * 28 * 28)

    def logits(batch: dict[str, Tensor]) -> Tensor:
        from torch.nn import functional

        from rewards.vision import last_real

        if not hasattr(model, "score"):
            return model(**batch).logits[:, 0]
        # The library finds the last token by its id and misses it where the pad token is the end token.
        states = last_real(model.base_model(**batch, use_cache=False).last_hidden_state, batch["attention_mask"])
        return functional.linear(states.float(), model.score.weight.float())[:, 0]

    return TransformersModel(model, encoder, logits, _fingerprint(path, model, encoder))


def load_ours(path: str) -> TransformersModel:
    """A trained `PrefmillRewardModel` from its folder."""
    from transformers import AutoModel

    import rewards.vision  # noqa: F401  registers the model with transformers

    dtype, device = _dtype_and_device()
    model = AutoModel.from_pretrained(path, dtype=dtype, use_safetensors=True).to(device)
    model.score.float()
    config = model.config
    encoder = Encoder.load(
        path, config.backbone_config, revision=None, max_length=config.max_tokens, max_pixels=config.max_pixels
    )
    return TransformersModel(
        model, encoder, lambda batch: model(**batch).logits[:, 0], _fingerprint(path, model, encoder)
    )


def _dtype_and_device() -> tuple[Any, str]:
    import torch

    return (torch.bfloat16, "cuda") if torch.cuda.is_available() else (torch.float32, "cpu")


def _fingerprint(path: str, model: PreTrainedModel, encoder: Encoder) -> str:
    """Weights (the files' hash, or the hub's commit), chat template, precision and lengths."""
    digest = hashlib.sha256()
    folder = Path(path)
    if folder.is_dir():
        for file in sorted({file for pattern in _HASHED for file in folder.glob(pattern)}):
            with file.open("rb") as opened:
                digest.update(file.name.encode() + hashlib.file_digest(opened, "sha256").digest())
    else:
        digest.update(f"{path}@{getattr(model.config, '_commit_hash', None)}".encode())
    digest.update(
        f"{encoder.tokenizer.chat_template}{model.dtype}{encoder.max_length} {encoder.max_pixels}".encode()
    )
    return f"{folder.name}-{digest.hexdigest()[:16]}"
