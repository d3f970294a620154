"""Speed of training on image pairs: `python -m bench.training`.

The product's Trainer on one made batch, over a Qwen2.5-VL with random weights: the 7B's shape on a GPU (weights in
bfloat16, activation checkpointing), a tiny one in float32 on the CPU, where the figures say that the path runs and
no more. Tokens are those of the language model, pictures' included, padding not. The share is of the best matrix
product measured here; the work of a step is three forward passes, what checkpointing repeats is not counted.
Chosen and rejected are two sequences each with its own copy of prompt and picture.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import PrinterCallback, Qwen2_5_VLConfig, Qwen2_5_VLModel, TrainerCallback, TrainingArguments

from bench import _measure
from rewards.finetune import RewardTrainer
from rewards.vision import PrefmillRewardModel

IMAGE, VIDEO, START, END = 1, 2, 3, 4
WARM, STEPS = 3, 10
PATCH = 14 * 14 * 3 * 2


@dataclass(frozen=True)
class Size:
    text: dict[str, Any]
    vision: dict[str, Any]
    pairs: int
    side: int  # of a picture, in merged patches of 28 pixels
    words: int  # of prompt and completion


LARGE = Size(
    {"vocab_size": 152_064, "hidden_size": 3584, "intermediate_size": 18_944, "num_hidden_layers": 28,
     "num_attention_heads": 28, "num_key_value_heads": 4, "mrope": [16, 24, 24]},
    {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": 3584,
     "window_size": 112, "fullatt_block_indexes": [7, 15, 23, 31]},
    pairs=4, side=32, words=350,
)  # fmt: skip
TINY = Size(
    {"vocab_size": 1000, "hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 4,
     "num_attention_heads": 4, "num_key_value_heads": 2, "mrope": [8, 12, 12]},
    {"depth": 2, "hidden_size": 64, "intermediate_size": 256, "num_heads": 2, "out_hidden_size": 256,
     "window_size": 112, "fullatt_block_indexes": [1]},
    pairs=2, side=8, words=64,
)  # fmt: skip


def model_of(size: Size, device: str) -> PrefmillRewardModel:
    text = dict(size.text)
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": text.pop("mrope")}
    config = Qwen2_5_VLConfig(
        text_config={**text, "rope_parameters": rope, "max_position_embeddings": 32_768,
                     "bos_token_id": None, "eos_token_id": None},
        vision_config={**size.vision, "patch_size": 14, "spatial_merge_size": 2}, image_token_id=IMAGE,
        video_token_id=VIDEO, vision_start_token_id=START, vision_end_token_id=END,
    )  # fmt: skip
    torch.manual_seed(17)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16 if device == "cuda" else torch.float32)
    with torch.device(device):
        backbone = Qwen2_5_VLModel(config)
        model = PrefmillRewardModel.on_backbone(backbone)
    torch.set_default_dtype(before)
    model.score.float()
    return model


def batch_of(size: Size) -> dict[str, torch.Tensor]:
    """Chosen rows, then rejected rows; row lengths differ by up to a quarter of the words."""
    tokens, rows = size.side**2, 2 * size.pairs
    draw = torch.Generator().manual_seed(17)
    words = torch.randint(10, 900, (rows, size.words), generator=draw)
    picture = torch.tensor([START, *[IMAGE] * tokens, END]).expand(rows, -1)
    ids = torch.cat([picture, words], dim=1)
    lengths = ids.shape[1] - torch.randint(0, size.words // 4, (rows,), generator=draw)
    patches = rows * 4 * tokens
    return {
        "soft": torch.ones(size.pairs), "weight": torch.ones(size.pairs), "input_ids": ids,
        "attention_mask": (torch.arange(ids.shape[1])[None] < lengths[:, None]).long(),
        "mm_token_type_ids": (ids == IMAGE).int(), "pixel_values": torch.randn(patches, PATCH, generator=draw),
        "image_grid_thw": torch.tensor([[1, 2 * size.side, 2 * size.side]]).expand(rows, -1),
    }  # fmt: skip


class Clock(TrainerCallback):
    """Seconds of each step."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        _settle()
        self._begun = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        _settle()
        self.seconds.append(time.perf_counter() - self._begun)


def _settle() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def step_seconds(model: PrefmillRewardModel, batch: dict[str, torch.Tensor], pairs: int, cuda: bool) -> float:
    """Median seconds of a step of the Trainer."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        args = TrainingArguments(
            folder, max_steps=WARM + STEPS, per_device_train_batch_size=pairs, bf16=cuda, use_cpu=not cuda,
            activation_checkpointing=cuda, save_strategy="no", report_to=[], remove_unused_columns=False,
            disable_tqdm=True, learning_rate=1e-6, optim="adamw_torch_fused" if cuda else "adamw_torch",
            logging_strategy="no", dataloader_pin_memory=False,
        )  # fmt: skip
        rows = list(range(pairs * (WARM + STEPS)))
        trainer = RewardTrainer(model=model, args=args, train_dataset=rows, data_collator=lambda _: dict(batch),
                                centre=0.0, callbacks=[clock])  # fmt: skip
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return sorted(clock.seconds[WARM:])[STEPS // 2]


def forward_flops(model: PrefmillRewardModel, batch: dict[str, torch.Tensor], device: str) -> int:
    """Floating point operations of one forward pass, counted as they run."""
    given = {name: value.to(device) for name, value in batch.items() if name not in ("soft", "weight")}
    count = FlopCounterMode(display=False)
    with count, torch.no_grad(), torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
        model(**given)
    return int(count.get_total_flops())


def peak(dtype: torch.dtype, device: str) -> float:
    """Operations per second of the best of some square matrix products."""
    best = 0.0
    for width in (4096, 8192) if device == "cuda" else (512, 1024):
        left, right = (torch.randn(width, width, device=device, dtype=dtype) for _ in range(2))
        for _ in range(8):
            _settle()
            begun = time.perf_counter()
            left @ right
            _settle()
            best = max(best, 2 * width**3 / (time.perf_counter() - begun))
    return best


def main() -> None:
    cuda = torch.cuda.is_available()
    if not cuda:
        torch.set_num_threads(1)  # small products wait longer for a second thread than it helps
    device, size = ("cuda", LARGE) if cuda else ("cpu", TINY)
    name = torch.cuda.get_device_name() if cuda else "cpu_one_thread"
    peaks = {str(dtype).split(".")[1]: peak(dtype, device) for dtype in (torch.bfloat16, torch.float32)}
    model, batch = model_of(size, device), batch_of(size)
    flops = forward_flops(model, batch, device)
    seconds = step_seconds(model, batch, size.pairs, cuda)
    tokens = int(batch["attention_mask"].sum())
    used = 3 * flops / seconds
    weights = sum(weight.numel() for weight in model.parameters())
    _measure.keep("training", [
        f"Qwen2.5-VL of {weights / 1e6:,.1f} M random weights on {name}, torch {torch.__version__}",
        f"batch                {size.pairs} pairs, {tokens:,} tokens of {batch['input_ids'].numel():,} computed, "
        f"{size.side**2} of a picture",
        f"step                 {seconds:.3f} s, median of {STEPS}",
        f"forward pass         {flops / 1e12:.4f} TFLOP",
        f"in a step            {used / 1e12:.3f} TFLOP/s",
        *(f"matrix product       {value / 1e12:.3f} TFLOP/s in {kind}" for kind, value in peaks.items()),
        "shared prefix        not used in training: chosen and rejected are two sequences",
        f"RESULT tokens_per_s={tokens / seconds:.0f} peak_share={used / max(peaks.values()):.3f} "
        f"device={name.replace(' ', '_')}",
    ])  # fmt: skip


if __name__ == "__main__":
    main()
