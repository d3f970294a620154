"""The last hidden states of a transformers backbone, as frozen features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rewards.batches import judge
from rewards.collate import Encoder
from rewards.interface import Item
from rewards.sequence import TransformersModel, Trunk, dtype_and_device, fingerprint_of

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

MAX_LENGTH = 4096
MAX_PIXELS = 768 * 28 * 28


class BackboneStates:
    """`rewards.frozen.Extractor` on a transformers backbone, or on the backbone of a model trained here: the last
    hidden state at the last real token. Completions of a prompt share a sequence where the backbone allows it."""

    def __init__(
        self,
        path: str,
        *,
        revision: str | None = None,
        max_length: int = MAX_LENGTH,
        max_pixels: int = MAX_PIXELS,
        dtype: Any = None,
    ) -> None:
        """`max_length` in tokens of an item, `max_pixels` of a picture; `dtype` is torch's, by default bfloat16
        on a GPU and float32 elsewhere."""
        from transformers import AutoModel

        import rewards.vision  # noqa: F401  registers our model with transformers

        default, device = dtype_and_device()
        model = AutoModel.from_pretrained(
            path, revision=revision, dtype=dtype or default, use_safetensors=True, trust_remote_code=False
        )
        backbone = getattr(model, "backbone", model).to(device).eval()
        encoder = Encoder.load(
            path, backbone.config, revision=revision, max_length=max_length, max_pixels=max_pixels
        )
        fingerprint = fingerprint_of(path, model, encoder, revision)
        self.model = TransformersModel(backbone, encoder, Trunk(backbone, _as_it_is), fingerprint)
        self.fingerprint = f"frozen-{fingerprint}"
        self.width = int(backbone.config.get_text_config().hidden_size)

    @property
    def backbone(self) -> PreTrainedModel:
        return self.model.model

    @property
    def encoder(self) -> Encoder:
        return self.model.encoder

    def fits(self, items: Sequence[Item]) -> np.ndarray:
        return self.model.fits(items)

    def states(self, items: Sequence[Item]) -> np.ndarray:
        """float32 [items, width]."""
        out = np.zeros((len(items), self.width), np.float32)
        return judge(self.model.batches(items), out, self.backbone.device)


def _as_it_is(states: Tensor) -> Tensor:
    return states
