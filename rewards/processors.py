"""Processors of pictures alone: those of the library want a video processor too, and that one torchvision."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pairs.errors import PrefmillError

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase, ProcessorMixin

_QWEN = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")


def load_processor(
    path: str, config: PretrainedConfig, *, revision: str | None, tokenizer: PreTrainedTokenizerBase
) -> ProcessorMixin:
    """What puts pictures into the text of a backbone with `config`, from a folder or the hub.

    Raises `PrefmillError` where the library's own processor is needed and cannot be loaded.
    """
    from transformers import AutoProcessor

    if str(config.model_type).startswith(_QWEN):
        from transformers.models.qwen2_5_vl import Qwen2_5_VLProcessor

        tokens = {"image": "<|image_pad|>", "video": "<|video_pad|>"}
        return _without_video(Qwen2_5_VLProcessor, path, revision, tokenizer, tokens)
    if config.model_type == "internvl":
        from transformers.models.internvl import InternVLProcessor

        tokens = {"image": "<IMG_CONTEXT>", "video": "<video>", "start_image": "<img>", "end_image": "</img>"}
        pattern = re.compile(f"(?P<image>{tokens['image']})|(?P<video>{tokens['video']})")
        more = {"image_seq_length": config.image_seq_length, "multimodal_pattern": pattern}
        return _without_video(InternVLProcessor, path, revision, tokenizer, tokens, **more)
    try:
        processor = AutoProcessor.from_pretrained(path, revision=revision, trust_remote_code=False)
    except ImportError:
        processor = None
    if not hasattr(processor, "image_processor"):
        # transformers hands back the bare tokenizer for a processor it does not know: pictures would be lost.
        raise PrefmillError(f"{path}: sees pictures, but its processor could not be loaded; install torchvision")
    return processor


def _without_video(
    kind: type,
    path: str,
    revision: str | None,
    tokenizer: PreTrainedTokenizerBase,
    tokens: dict[str, str],
    **more: Any,
) -> ProcessorMixin:
    """A processor of `kind` with its special `tokens` and their ids, and no video processor."""
    from transformers import AutoImageProcessor, ProcessorMixin

    class PictureProcessor(kind):
        def __init__(self, image_processor: Any = None, tokenizer: Any = None, chat_template: Any = None) -> None:
            ids = {f"{name}_token_id": tokenizer.convert_tokens_to_ids(token) for name, token in tokens.items()}
            vars(self).update({f"{name}_token": token for name, token in tokens.items()}, **ids, **more)
            ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

    image = AutoImageProcessor.from_pretrained(path, revision=revision, backend="pil")
    return PictureProcessor(image, tokenizer, chat_template=tokenizer.chat_template)
