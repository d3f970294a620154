"""Speed of scoring with random weights of Qwen2.5-VL-7B's shape, and what sharing prompts is worth.

`python -m bench.scoring`; nothing is downloaded. On a GPU the whole 7B shape in bfloat16, elsewhere a tiny model
of the same kind in float32 on one thread. Texts: prompts with one pair. Pictures: prompts of one picture with four
completions, taken as two pairs. `full` computes both sequences of each pair from their first token, `shared`
computes what a prompt's completions have in common once. Both run in turn, the fastest of three counts; seconds
are wall time on a GPU and CPU time elsewhere.

A gain is at most the ratio of what is computed in full and shared: two answers of twice a prompt's length
compute 6 of its lengths in full and 5 shared, so texts have 1.2 to win and pictures far more.

Peak is a square matrix product in the model's precision, measured here. The share counts the products of weights
and real tokens (no padding, no attention): 2 x weights x tokens, the vision tower's with its patches.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench._measure import keep
from pairs.media import encode_image
from rewards.collate import Encoder
from rewards.interface import Item
from rewards.prefixes import Forest
from rewards.sequence import TransformersModel, Trunk
from rewards.vision import PrefmillRewardModel

REPEATS = 3
WORDS = 2_000
_SPECIALS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|vision_start|>", "<|vision_end|>",
             "<|image_pad|>", "<|video_pad|>")  # fmt: skip
_TEMPLATE = (
    "{% for m in messages %}<|im_start|> {{ m.role }} {% for p in m.content %}"
    "{% if p.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ p.text }}{% endif %}"
    "{% endfor %}<|im_end|> {% endfor %}"
)


@dataclass(frozen=True)
class Size:
    """A model's shape and how much it is given to do."""

    text: dict[str, Any]
    vision: dict[str, Any]
    text_prompts: int
    picture_prompts: int
    side: int  # of a picture, in pixels
    peak: int  # side of the matrices


LARGE = Size(
    {"hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
     "num_key_value_heads": 4, "vocab_size": 152_064, "max_position_embeddings": 32_768},
    {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": 3584,
     "window_size": 112, "fullatt_block_indexes": [7, 15, 23, 31]},
    512, 128, 896, 16_384,  # three runs of each in full and shared: under ten minutes at a third of the peak
)  # fmt: skip
SMALL = Size(
    {"hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 4, "num_attention_heads": 2,
     "num_key_value_heads": 1, "vocab_size": 4_096, "max_position_embeddings": 32_768},
    {"depth": 4, "hidden_size": 128, "intermediate_size": 384, "num_heads": 4, "out_hidden_size": 256,
     "window_size": 112, "fullatt_block_indexes": [3]},
    8, 2, 896, 1_024,
)  # fmt: skip


def build(size: Size, folder: Path, device: str, dtype: torch.dtype) -> TransformersModel:
    """The model with random weights and a tokenizer of one token per word."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLModel, Qwen2VLImageProcessorPil

    words = _tokenizer()
    words.save_pretrained(folder)
    Qwen2VLImageProcessorPil(min_pixels=56 * 56, max_pixels=size.side**2).save_pretrained(folder)
    half = size.text["hidden_size"] // size.text["num_attention_heads"] // 2
    sections = [half // 4, half * 3 // 8, half * 3 // 8]
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": sections}
    fields = {"image_token_id": "image_pad", "video_token_id": "video_pad",
              "vision_start_token_id": "vision_start", "vision_end_token_id": "vision_end"}  # fmt: skip
    ids = {field: words.convert_tokens_to_ids(f"<|{name}|>") for field, name in fields.items()}
    config = Qwen2_5_VLConfig(
        text_config={**size.text, "rope_parameters": rope, "pad_token_id": words.pad_token_id},
        vision_config={**size.vision, "patch_size": 14, "spatial_merge_size": 2}, **ids,
    )  # fmt: skip
    torch.manual_seed(0)
    torch.set_default_dtype(dtype)
    with torch.device(device):
        backbone = Qwen2_5_VLModel(config)
        torch.set_default_dtype(torch.float32)
        model = PrefmillRewardModel.on_backbone(backbone).eval()
    encoder = Encoder.load(str(folder), config, revision=None, max_length=16_384, max_pixels=size.side**2)
    return TransformersModel(model.to(device), encoder, Trunk(model.backbone, model.score), "bench")


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    names = [*_SPECIALS, "user", "assistant", "?", *(f"w{number}" for number in range(WORDS))]
    made = Tokenizer(models.WordLevel({name: number for number, name in enumerate(names)}, unk_token="?"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.add_special_tokens(list(_SPECIALS))
    words = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    words.chat_template = _TEMPLATE
    return words


def workload(prompts: int, completions: int, length: tuple[int, int], side: int | None) -> list[Item]:
    """Items of prompts in a row; `length` is the mean number of words of prompt and completion, spread by half."""
    draw = np.random.default_rng(7)

    def text(mean: int) -> str:
        return " ".join(f"w{word}" for word in draw.integers(0, WORDS, draw.integers(mean // 2, mean * 3 // 2)))

    items = []
    for prompt in range(prompts):
        pixels = draw.integers(0, 255, (side, side, 3)).astype(np.uint8) if side else None
        images = () if pixels is None else (encode_image(pixels, "JPEG"),)
        turns = [{"role": "user", "content": text(length[0])}]
        for number in range(completions):
            answer = [{"role": "assistant", "content": text(length[1])}]
            items.append(Item(f"{prompt}-{number}", turns, answer, images))
    return items


@dataclass(frozen=True)
class Run:
    """One way of scoring a workload."""

    seconds: float
    tokens: int  # that went through the language model, padding not counted
    flops: float
    rewards: np.ndarray


def measure(model: TransformersModel, items: list[Item], shares: bool, device: str) -> Run:
    model.shares = shares
    started = _now(device)
    rewards = model.rewards(items)
    seconds = _now(device) - started
    tokens = patches = 0
    for batch in model.batches(items):
        if isinstance(batch, Forest):
            tokens += sum(tree.length for tree in batch.trees)
            shown = [image for tree in batch.trees for image in tree.images]
        else:
            tokens += int(model.encoder.lengths(batch.items).sum())
            shown = [image for item in batch.items for image in item.images]
        patches += len(shown) * (_patches(model, items) if shown else 0)
    body = model.logits.body
    flops = 2.0 * (weights(body.language_model.layers) * tokens + weights(body.visual.blocks) * patches)
    return Run(seconds, tokens, flops, rewards)


def _now(device: str) -> float:
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def weights(layers: torch.nn.Module) -> int:
    return sum(part.weight.numel() for part in layers.modules() if isinstance(part, torch.nn.Linear))


def _patches(model: TransformersModel, items: list[Item]) -> int:
    return int(model.encoder.encode(items[:1])["image_grid_thw"].prod())


def peak(side: int, device: str, dtype: torch.dtype) -> float:
    """FLOP per second of a square matrix product, the best of ten."""
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    best = float("inf")
    for _ in range(10):
        started = _now(device)
        a @ b
        best = min(best, _now(device) - started)
    return 2 * side**3 / best


def compare(model: TransformersModel, items: list[Item], device: str) -> tuple[Run, Run]:
    """The fastest run in full and shared."""
    model.rewards(items[:8])
    found: dict[bool, list[Run]] = {False: [], True: []}
    for _ in range(REPEATS):
        for shares in found:
            found[shares].append(measure(model, items, shares, device))
    full, shared = (min(runs, key=lambda run: run.seconds) for runs in found.values())
    return full, shared


def main() -> None:
    device, dtype, size = (
        ("cuda", torch.bfloat16, LARGE) if torch.cuda.is_available() else ("cpu", torch.float32, SMALL)
    )
    name = torch.cuda.get_device_name().replace(" ", "-") if device == "cuda" else "cpu"
    if device == "cpu":
        torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        model = build(size, Path(folder), device, dtype)
    top = peak(size.peak, device, dtype)
    works = {
        "texts": workload(size.text_prompts, 2, (150, 300), None),
        "pictures": workload(size.picture_prompts, 4, (100, 250), size.side),
    }
    lines = [
        f"{'':10}{'pairs':>7}{'tokens full':>13}{'shared':>10}{'pairs/s full':>14}{'shared':>9}{'gain':>7}"
        f"{'of at most':>12}{'tokens/s':>11}{'of peak':>9}{'largest difference':>20}"
    ]
    runs = {kind: compare(model, items, device) for kind, items in works.items()}
    for kind, (full, shared) in runs.items():
        pairs = len(works[kind]) // 2
        off = float(np.abs(full.rewards - shared.rewards).max())
        lines.append(
            f"{kind:10}{pairs:7,}{full.tokens:13,}{shared.tokens:10,}{pairs / full.seconds:14.2f}"
            f"{pairs / shared.seconds:9.2f}{full.seconds / shared.seconds:7.2f}{full.flops / shared.flops:12.2f}"
            f"{shared.tokens / shared.seconds:11,.0f}{shared.flops / shared.seconds / top:9.3f}{off:20.1e}"
        )
    ours = [shared for _, shared in runs.values()]
    seconds = sum(run.seconds for run in ours)
    full, shared = runs["pictures"]
    lines += [
        f"measured peak: {top / 1e12:.3f} TFLOP/s ({str(dtype).removeprefix('torch.')})",
        f"RESULT tokens_per_s={sum(run.tokens for run in ours) / seconds:.0f} "
        f"peak_share={sum(run.flops for run in ours) / seconds / top:.3f} "
        f"prefix_gain={full.seconds / shared.seconds:.2f} device={name}",
    ]
    keep("scoring", lines)


if __name__ == "__main__":
    main()
