"""The reward model that prefmill trains: any backbone of transformers, a head of few layers, the last real token.

BaseReward's form (arXiv 2509.16127, section on the reward head): the backbone's last hidden state at the last
token of prompt and completion goes through Linear, SiLU, Linear to one reward.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import SequenceClassifierOutput

from rewards.head import RewardHead
from rewards.trees import last_states


class PrefmillRewardConfig(PretrainedConfig):
    """`backbone_config` is the backbone's own; `max_tokens` (of an item) and `max_pixels` (of a picture) are what
    the model was trained with and is judged with."""

    model_type = "prefmill_reward"
    sub_configs: ClassVar = {"backbone_config": AutoConfig}
    has_no_defaults_at_init = True

    def __init__(
        self,
        backbone_config: PretrainedConfig | dict[str, Any] | None = None,
        head_hidden: int | None = None,
        head_layers: int = 2,
        head_activation: str = "silu",
        max_tokens: int = 4096,
        max_pixels: int = 768 * 28 * 28,
        **kwargs: Any,
    ) -> None:
        if isinstance(backbone_config, dict):
            backbone_config = AutoConfig.for_model(**backbone_config)
        self.backbone_config = backbone_config
        self.head_hidden = head_hidden
        self.head_layers = head_layers
        self.head_activation = head_activation
        self.max_tokens = max_tokens
        self.max_pixels = max_pixels
        super().__init__(**kwargs)


class PrefmillRewardModel(PreTrainedModel):
    """`forward` gives `logits` float32 [rows, 1]: the rewards. Padding may stand on either side; or completions
    share sequences, as `rewards.trees.encode` makes them."""

    config_class = PrefmillRewardConfig
    base_model_prefix = "backbone"
    supports_gradient_checkpointing = True
    accepts_loss_kwargs = False  # the Trainer shall divide the loss by the number of micro batches
    _supports_sdpa = True
    _supports_flash_attn = True
    _keep_in_fp32_modules_strict: ClassVar = ["score"]  # also where the backbone is loaded in bfloat16

    def __init__(self, config: PrefmillRewardConfig) -> None:
        super().__init__(config)
        self.backbone = AutoModel.from_config(config.backbone_config)
        self.score = _head(config)
        self.post_init()

    @classmethod
    def on_backbone(cls, backbone: PreTrainedModel, **options: Any) -> PrefmillRewardModel:
        """A fresh head on loaded weights. `options` are the fields of the config."""
        config = PrefmillRewardConfig(backbone_config=backbone.config, **options)
        # Built without memory first: making the backbone anew would hold its weights twice.
        with torch.device("meta"):
            model = cls(config)
        model.backbone = backbone
        model.score = _head(config)
        model._init_weights(model.score)
        return model

    def _init_weights(self, module: torch.nn.Module) -> None:
        """The head starts small, std 1/sqrt(width + 1), so that first margins are of the order of one; the
        backbone brings its own weights."""
        if isinstance(module, RewardHead):
            for layer in module.linears():
                init.normal_(layer.weight, mean=0.0, std=1 / math.sqrt(layer.in_features + 1))
                init.zeros_(layer.bias)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **inputs: Any
    ) -> SequenceClassifierOutput:
        if attention_mask is None:
            return SequenceClassifierOutput(
                logits=self.score(last_states(self.backbone, input_ids=input_ids, **inputs))[:, None]
            )
        if "pixel_values" in inputs and "mm_token_type_ids" not in inputs and _needs_types(self.config):
            # Without them Qwen2.5-VL counts picture tokens as text: other rewards, and no error.
            raise ValueError("pixel_values came without mm_token_type_ids")
        states = self.backbone(
            input_ids=input_ids, attention_mask=attention_mask, use_cache=False, **inputs
        ).last_hidden_state
        return SequenceClassifierOutput(logits=self.score(last_real(states, attention_mask))[:, None])


def last_real(states: Tensor, attention_mask: Tensor) -> Tensor:
    """The state of each row's last token that is no padding: [rows, tokens, width] -> [rows, width]."""
    places = torch.arange(1, attention_mask.shape[1] + 1, device=attention_mask.device)
    last = (attention_mask.long() * places).argmax(dim=1)
    return states[torch.arange(len(states), device=states.device), last]


def _head(config: PrefmillRewardConfig) -> RewardHead:
    width = config.backbone_config.get_text_config().hidden_size
    return RewardHead(width, config.head_hidden or width, config.head_layers, config.head_activation)


def _needs_types(config: PrefmillRewardConfig) -> bool:
    return str(config.backbone_config.model_type).startswith("qwen")


AutoConfig.register("prefmill_reward", PrefmillRewardConfig)
AutoModel.register(PrefmillRewardConfig, PrefmillRewardModel)
