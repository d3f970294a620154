"""A backbone served by vLLM (`--convert embed`): `/pooling` gives the last hidden state, our head is applied here.

vLLM's classifiers know heads of one linear layer only. The server must pool the last token and not normalise:
`--override-pooler-config '{"pooling_type": "LAST", "normalize": false}'`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from pairs.errors import PrefmillError, shown
from rewards.interface import Item
from rewards.remote import RemoteModel, chat, field_of, named
from rewards.served import Server, served_name


def vllm_pooling(server: Server, model: str, *, head: str, revision: str | None = None) -> RemoteModel:
    """The backbone served under the name `model` with the head of the checkpoint folder `head`."""
    import torch

    score, weights = _head(Path(head))
    width = score.linears()[0].in_features

    def ask(item: Item) -> float:
        body = {
            "model": model, "messages": chat(item), "add_generation_prompt": False, "task": "embed",
            "encoding_format": "base64", "use_activation": False,
        }  # fmt: skip
        state = _state(server.url, field_of(server.url, server.post("/pooling", body), "data", 0, "data"))
        if state.shape != (width,):
            raise PrefmillError(f"{server.url}: {model} gave {list(state.shape)} numbers, its head takes {width}")
        if abs(float(np.linalg.norm(state)) - 1) < 1e-3:
            # A state of length one has lost what the head was trained on.
            raise PrefmillError(f'{server.url}: normalises its states; start it with "normalize": false')
        with torch.no_grad():
            return float(score(torch.from_numpy(state)[None])[0])

    return RemoteModel(server, named("vllm-pooling", served_name(server, model), revision, weights), ask)


def _state(where: str, given: Any) -> np.ndarray:
    """A state as float32 [width], from base64 of float32 (little-endian) or from a list of numbers."""
    try:
        if isinstance(given, str):
            return np.frombuffer(base64.b64decode(given, validate=True), "<f4").astype(np.float32)
        return np.asarray(given, np.float32)
    except (binascii.Error, ValueError, TypeError):
        raise PrefmillError(f"{where}: gave the state {shown(given)}, expected base64 of float32") from None


def _head(folder: Path) -> tuple[Any, str]:
    """The head of a checkpoint, float32, without loading its backbone; and what it is: weights and form."""
    from safetensors import safe_open

    from rewards.head import ACTIVATIONS, RewardHead

    config = folder / "config.json"
    given = orjson.loads(config.read_bytes()) if config.is_file() else {}
    # Checkpoints of before a form could be chosen have two layers with SiLU.
    layers, activation = given.get("head_layers", 2), given.get("head_activation", "silu")
    found = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as opened:
            names = [name for name in opened.keys() if name.startswith("score.")]  # noqa: SIM118  no mapping
            found |= {name.removeprefix("score."): opened.get_tensor(name).float() for name in names}
    nearest = found.get("inner.weight" if layers > 1 else "outer.weight")  # to the backbone
    head = None
    if nearest is not None and activation in ACTIVATIONS:
        hidden, width = nearest.shape
        head = RewardHead(width, hidden, layers, activation)
    if head is None or set(head.state_dict()) != set(found):
        raise PrefmillError(
            f"{folder}: no head of {layers} layers with {activation} in it, expected the folder of a model "
            "trained here"
        )
    head.load_state_dict(found)
    digest = hashlib.sha256(b"".join(found[name].numpy().tobytes() for name in sorted(found)))
    return head.eval(), f"{digest.hexdigest()} {layers} {activation}"
