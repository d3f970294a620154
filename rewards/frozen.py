"""Frozen features: the state of each completion under a fixed extractor, computed once and kept in the store.

A head that trains on them takes seconds, so that many mixtures can be tried. The CPU default is made of the
features of the embedded reward model; a small sentence encoder adds what texts are about (`rewards.sentences`); a
backbone gives its last hidden state at the last real token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import polars as pl
import pyarrow as pa

from pairs.errors import PrefmillError
from pairs.store import Store
from pairs.tables import FEATURES
from rewards.features import DENSE_WIDTH, VERSION, features
from rewards.interface import Item
from rewards.score import ScoreBooks, chunk_items
from rewards.sentences import MINILM, minilm

EMBEDDED = "embedded"
_CHUNK = 1 << 23  # numbers per commit, 32 MB: what an interrupted run loses at most


class Extractor(Protocol):
    """Turns completions into states. `fingerprint` names all that a state depends on; `width` is its length."""

    @property
    def fingerprint(self) -> str: ...

    @property
    def width(self) -> int: ...

    def fits(self, items: Sequence[Item]) -> np.ndarray:
        """Which items can be read whole, bool [items]."""
        ...

    def states(self, items: Sequence[Item]) -> np.ndarray:
        """float32 [items, width]."""
        ...


class EmbeddedStates:
    """The dense measures of the embedded features. Their hashed words need a first layer of their own; under a
    random projection to 16, 32 or 256 numbers they cost one to five points of accuracy on real pairs."""

    fingerprint = f"frozen-{VERSION}"
    width = DENSE_WIDTH

    def fits(self, items: Sequence[Item]) -> np.ndarray:
        return np.ones(len(items), bool)

    def states(self, items: Sequence[Item]) -> np.ndarray:
        return features(items).dense


class BackboneStates:
    """The last hidden state of a transformers backbone, or of the backbone of a model trained here."""

    def __init__(self, path: str, max_length: int = 4096) -> None:
        import torch
        from transformers import AutoModel

        import rewards.vision  # noqa: F401  registers our model with transformers
        from rewards.collate import Encoder
        from rewards.sequence import dtype_and_device, fingerprint_of

        dtype, device = dtype_and_device()
        model = AutoModel.from_pretrained(path, dtype=dtype, use_safetensors=True, trust_remote_code=False)
        backbone = getattr(model, "backbone", model).to(device).eval()
        self.encoder = Encoder.load(
            path, backbone.config, revision=None, max_length=max_length, max_pixels=768 * 28 * 28
        )
        self.fingerprint = f"frozen-{fingerprint_of(path, model, self.encoder)}"
        self.width = int(backbone.config.get_text_config().hidden_size)
        self._backbone, self._no_grad = backbone, torch.no_grad

    def fits(self, items: Sequence[Item]) -> np.ndarray:
        lengths = self.encoder.lengths(items)
        return (lengths > 0) & (lengths <= self.encoder.max_length)

    def states(self, items: Sequence[Item]) -> np.ndarray:
        from rewards.collate import budget_batches
        from rewards.sequence import TOKEN_BUDGET
        from rewards.vision import last_real

        out = np.zeros((len(items), self.width), np.float32)
        with self._no_grad():
            for rows in budget_batches(self.encoder.lengths(items), TOKEN_BUDGET):
                batch: dict[str, Any] = self.encoder.encode([items[row] for row in rows])
                batch = {name: value.to(self._backbone.device) for name, value in batch.items()}
                states = self._backbone(**batch, use_cache=False).last_hidden_state
                out[rows] = last_real(states, batch["attention_mask"]).float().cpu().numpy()
        return out


def load_extractor(name: str) -> Extractor:
    """The extractor "embedded" or "minilm", or the backbone in a folder or of the hub by id."""
    if name == MINILM:
        return minilm()
    return EmbeddedStates() if name == EMBEDDED else BackboneStates(name)


def extract(store: Store, extractor: Extractor, wanted: pl.LazyFrame, *, progress: bool = True) -> ScoreBooks:
    """Compute the states of completions (`wanted`: as from `score.completions_of`) that the table lacks.

    Appends to the table `features` chunk by chunk, so that a run that was stopped goes on where it stood.
    Raises `PrefmillError` for a state that holds no finite number, naming the completion.
    """
    from tqdm import tqdm

    ids = wanted.select("prompt_id", "completion_id").collect()
    have = store.scan("features", [extractor.fingerprint]).select("completion_id").collect()
    todo = ids.join(have, on="completion_id", how="anti").sort("prompt_id", "completion_id")
    size, done = max(1, _CHUNK // extractor.width), 0
    with tqdm(total=len(todo), desc="features", unit=" completions", disable=not progress or not len(todo)) as bar:
        for start in range(0, len(todo), size):
            kept: list[str] = []
            parts = [np.zeros((0, extractor.width), np.float32)]
            for items in chunk_items(store, wanted, todo.slice(start, size)):
                fitting = [item for item, fit in zip(items, extractor.fits(items), strict=True) if fit]
                kept += [item.completion_id for item in fitting]
                parts += [extractor.states(fitting)] if fitting else []
                bar.update(len(items))
            _append(store, extractor.fingerprint, kept, np.concatenate(parts))
            done += len(kept)
    return ScoreBooks(extractor.fingerprint, len(ids) - len(todo), done, len(todo) - done)


def _append(store: Store, fingerprint: str, ids: list[str], states: np.ndarray) -> None:
    if not ids:
        return
    wrong = np.flatnonzero(~np.isfinite(states).all(axis=1))
    if len(wrong):
        raise PrefmillError(
            f"extractor {fingerprint}: the state of completion {ids[wrong[0]]} is not finite; check its precision"
        )
    starts = pa.array(np.arange(len(ids) + 1, dtype=np.int32) * states.shape[1])
    column = pa.ListArray.from_arrays(starts, pa.array(states.ravel()))
    table = pa.table([pa.array([fingerprint] * len(ids)), pa.array(ids), column], schema=FEATURES)
    store.append("features", fingerprint, table, {"completions": str(len(ids))})


def states_of(store: Store, fingerprint: str, ids: pl.Series) -> tuple[pl.DataFrame, np.ndarray]:
    """The kept states of some completions: `completion_id, row` and float32 [rows, width].

    Completions that the extractor could not read whole have no row. All that is asked for is held in memory.
    """
    asked = store.scan("features", [fingerprint]).filter(pl.col("completion_id").is_in(ids.implode()))
    found = asked.select("completion_id", "state").collect().unique("completion_id").sort("completion_id")
    if not len(found):
        raise PrefmillError(f"features of {fingerprint}: none of {len(ids)} completions; run the asset `features`")
    states = found["state"].explode().to_numpy().reshape(len(found), -1)
    return found.select("completion_id").with_row_index("row"), states
