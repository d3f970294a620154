"""Value-head checkpoints, as Skywork-VL-Reward: a model's weights, and a linear layer in `value_head.safetensors`.

The layout is that of TRL's value heads (`v_head.summary.weight` and `.bias`), read at the last token. TRL itself
no longer has the class.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pairs.errors import PrefmillError
from rewards.collate import Encoder
from rewards.sequence import TransformersModel, Trunk, dtype_and_device, fingerprint_of

if TYPE_CHECKING:
    from torch import Tensor

FILE = "value_head.safetensors"


def find_value_head(path: str, revision: str | None) -> Path | None:
    """The file of the head in a folder or a repository of the hub; None where there is none."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HFValidationError, RepositoryNotFoundError

    if Path(path).is_dir():
        file = Path(path) / FILE
        return file if file.is_file() else None
    try:
        return Path(hf_hub_download(path, FILE, revision=revision))
    except (EntryNotFoundError, RepositoryNotFoundError, HFValidationError):
        return None  # what else is wrong with the path is said where its weights are loaded


def load_value_head(
    path: str, head: Path, *, revision: str | None, max_length: int, max_pixels: int
) -> TransformersModel:
    """The backbone of `path` under the head in the file `head`. Only safetensors, and no code from the hub."""
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModel

    dtype, device = dtype_and_device()
    model = AutoModel.from_pretrained(
        path, revision=revision, dtype=dtype, use_safetensors=True, trust_remote_code=False
    ).to(device)
    given = {
        name.removeprefix("v_head.").removeprefix("summary."): value for name, value in load_file(head).items()
    }
    width = model.config.get_text_config().hidden_size
    shapes = {name: list(value.shape) for name, value in given.items()}
    if shapes != {"weight": [1, width], "bias": [1]}:
        raise PrefmillError(
            f"{head}: holds {shapes}, expected v_head.summary.weight [1, {width}] and v_head.summary.bias [1]"
        )
    # Float32 whatever the backbone's precision: rewards of order 10 in bfloat16 come in steps of 1/16.
    weight, bias = (given[name].float().to(device) for name in ("weight", "bias"))

    def score(states: Tensor) -> Tensor:
        return torch.nn.functional.linear(states.float(), weight, bias)[:, 0]

    encoder = Encoder.load(path, model.config, revision=revision, max_length=max_length, max_pixels=max_pixels)
    return TransformersModel(model, encoder, Trunk(model, score), fingerprint_of(path, model, encoder, revision))
