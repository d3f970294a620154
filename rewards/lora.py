"""Low-rank adapters (LoRA, arXiv 2106.09685) by peft: on the language model's linear maps; the head whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from pairs.errors import PrefmillError

if TYPE_CHECKING:
    from rewards.vision import PrefmillRewardModel


def with_adapters(model: PrefmillRewardModel, rank: int, alpha: float) -> Any:
    """`model` as a `PeftModel` in which only adapters of that rank and the head learn.

    Raises `PrefmillError` when peft is not installed.
    """
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError:
        raise PrefmillError("lora_rank needs the package peft; run `pip install peft`") from None
    # Named by hand: "all-linear" would take the vision tower and the head too, and a plain name like gate_proj the
    # tower's. The head learns whole: peft freezes what it is not told of, without a word.
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=_targets(model), modules_to_save=["score"])
    return get_peft_model(model, config)


def _targets(model: PrefmillRewardModel) -> list[str]:
    """Full names of the linear maps of the language model."""
    language = model.backbone.get_decoder()
    inside = {id(module) for module in language.modules()}
    return [
        name for name, module in model.named_modules() if isinstance(module, nn.Linear) and id(module) in inside
    ]
