"""Attention inside the windows of a picture, all windows of one size at once.

Qwen's vision towers attend within windows of 64 patches in most layers. Where FlashAttention is not installed the
library goes through them one by one: 64 calls per picture of 896 pixels and layer, which a GPU spends waiting for
the next launch. Here windows of one length are a batch of SDPA: the same sums, a call for each length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

# The library hands the bounds of the windows only to what is called flash.
NAME = "prefmill_windows_flash"


def attend(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: None, *, scaling: float,
    cu_seq_lens_q: Tensor, dropout: float = 0.0, **_: Any,
) -> tuple[Tensor, None]:  # fmt: skip
    """Attention of tokens `[1, heads, tokens, width]` within the windows whose bounds are `cu_seq_lens_q`
    `[windows + 1]`. Returns `[1, tokens, heads, width]`, as the library's own functions do."""
    import torch
    from torch.nn import functional

    out = torch.empty_like(query[0])
    starts, lengths = cu_seq_lens_q[:-1], cu_seq_lens_q.diff()
    for length in lengths.unique().tolist():
        within = torch.arange(length, device=query.device)
        places = starts[lengths == length, None] + within  # [windows, length]
        parts = [states[0][:, places].transpose(0, 1) for states in (query, key, value)]
        found = functional.scaled_dot_product_attention(*parts, dropout_p=dropout, scale=scaling)
        out[:, places] = found.transpose(0, 1)
    return out.transpose(0, 1)[None], None


def batch_windows(body: PreTrainedModel) -> None:
    """Let the vision tower of a backbone, if it has one with windows under SDPA, attend so."""
    from transformers import AttentionInterface

    tower = getattr(body, "visual", None)
    if tower is not None and hasattr(tower.config, "window_size") and tower.config._attn_implementation == "sdpa":
        AttentionInterface.register(NAME, attend)
        tower.config._attn_implementation = NAME
