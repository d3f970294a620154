"""Speed of training, and what computing a pair's prompt once is worth: `python -m bench.training`.

The product's Trainer on batches by its own collator, over a Qwen2.5-VL with random weights: the 7B's shape on a
GPU (weights in bfloat16, activation checkpointing), a tiny one in float32 on one thread of the CPU, where the
figures say that the path runs and what sharing is worth at that size. Pairs have a picture of 1,024 tokens, or
none. `apart` gives chosen and rejected a sequence each, `shared` one sequence to both. Both train in turn; seconds
are the median step.

Tokens are those that go through the language model, pictures' included, padding not. The share is of the best
square matrix product measured here; the work of a step is three forward passes of 2 x weights x tokens (the vision
tower's with its patches; no attention, nothing that checkpointing repeats).

A last line says what a head alone costs on states that are kept, beside computing them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from transformers import PrinterCallback, TrainerCallback, TrainingArguments

from bench import scoring
from bench._measure import keep
from rewards.finetune import RewardTrainer
from rewards.sequence import TransformersModel
from rewards.train import TrainSettings, train
from rewards.training_rows import Collator, Scales

ROUNDS, WARM, STEPS = 3, 1, 2
FORMS = ("apart", "shared")


@dataclass(frozen=True)
class Step:
    """A training step in one form: median seconds of wall and of CPU, and what goes through the model."""

    wall: float
    cpu: float
    tokens: int
    padded: int
    flops: float


class Clock(TrainerCallback):
    """Seconds of each step, of wall and of CPU."""

    def __init__(self) -> None:
        self.seconds: list[tuple[float, float]] = []

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._begun = _now()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.seconds.append(tuple(np.subtract(_now(), self._begun).tolist()))


def _now() -> tuple[float, float]:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter(), time.process_time()


def rows_of(pairs: int, side: int | None) -> list[dict[str, Any]]:
    """Published rows of 100 words of prompt and 250 of each completion, spread by half; pictures by `side`."""
    found = scoring.workload(pairs, 2, (100, 250), side)
    return [
        {"prompt": one.prompt, "chosen": one.completion, "rejected": other.completion, "chosen_id": "",
         "rejected_id": "", "images": [{"bytes": data} for data in one.images]}
        for one, other in zip(found[::2], found[1::2], strict=True)
    ]  # fmt: skip


def step_seconds(model: Any, batch: dict[str, torch.Tensor], cuda: bool) -> list[tuple[float, float]]:
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        args = TrainingArguments(
            folder, max_steps=WARM + STEPS, per_device_train_batch_size=1, bf16=cuda, use_cpu=not cuda,
            activation_checkpointing=cuda, save_strategy="no", report_to=[], remove_unused_columns=False,
            disable_tqdm=True, learning_rate=1e-6, optim="adamw_torch_fused" if cuda else "adamw_torch",
            logging_strategy="no", dataloader_pin_memory=False,
        )  # fmt: skip
        trainer = RewardTrainer(model=model, args=args, train_dataset=list(range(WARM + STEPS)), centre=0.0,
                                data_collator=lambda _: dict(batch), callbacks=[clock])  # fmt: skip
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return clock.seconds[WARM:]


def measure(model: TransformersModel, rows: list[dict[str, Any]], cuda: bool) -> dict[str, Step]:
    """A step on these rows in both forms, which take turns."""
    options = {"ahead": 0, "lengths": False, "witness": False}
    bodies = dict(zip(FORMS, (None, model.model.backbone), strict=True))
    batches = {
        form: Collator(model.encoder, Scales(1.0, {}), **options, shares=bodies[form])(rows) for form in FORMS
    }
    seconds: dict[str, list[tuple[float, float]]] = {form: [] for form in FORMS}
    for _ in range(ROUNDS):
        for form in FORMS:
            seconds[form] += step_seconds(model.model, batches[form], cuda)
    return {form: _step(model, batches[form], seconds[form]) for form in FORMS}


def _step(model: TransformersModel, batch: dict[str, torch.Tensor], seconds: list[tuple[float, float]]) -> Step:
    real = batch["attention_mask"] > 0 if "attention_mask" in batch else batch["segments"] >= 0
    body, tokens, patches = model.model.backbone, int(real.sum()), len(batch.get("pixel_values", ()))
    flops = 6.0 * (
        scoring.weights(body.language_model.layers) * tokens + scoring.weights(body.visual.blocks) * patches
    )
    wall, cpu = np.median(seconds, axis=0).tolist()
    return Step(wall, cpu, tokens, real.numel(), flops)


def table(found: dict[str, dict[str, Step]], pairs: int) -> list[str]:
    """A line for each kind of pairs and form, and the gain of each kind."""
    lines = [
        f"{'':18}{'s/step':>9}{'CPU s':>8}{'pairs/s':>9}{'tokens':>9}{'padded':>9}{'tokens/s':>11}{'TFLOP/s':>9}"
    ]
    for kind, steps in found.items():
        lines += [
            f"{kind:10}{form:8}{step.wall:9.3f}{step.cpu:8.3f}{pairs / step.wall:9.2f}{step.tokens:9,}"
            f"{step.padded:9,}{step.tokens / step.wall:11,.0f}{step.flops / step.wall / 1e12:9.3f}"
            for form, step in steps.items()
        ]
    return lines + [
        f"gain {kind:13}{steps['apart'].wall / steps['shared'].wall:9.2f}"
        f"{steps['apart'].cpu / steps['shared'].cpu:8.2f}"
        for kind, steps in found.items()
    ]


def head_alone(model: TransformersModel, pairs: int, folder: Path) -> str:
    """A frozen backbone: what the states of pairs of short texts cost, and what a head on them costs."""
    backbone = str(folder / "backbone")
    model.model.backbone.save_pretrained(backbone)
    model.encoder.save(Path(backbone))
    (folder / "data").mkdir()
    pq.write_table(pa.Table.from_pylist(list(_published(pairs))), folder / "data" / f"train-{pairs}.parquet")
    settings = TrainSettings(backbone=backbone, freeze_backbone=True, epochs=1)
    cpu, found = [], []
    for _ in range(2):
        begun = time.process_time()
        found.append(train(str(folder / "data"), "default", folder / "model", settings, progress=False))
        cpu.append(time.process_time() - begun)
    states = sum(one.features.scored for one in found)
    wall = [one.seconds for one in found]
    return (
        f"head alone, {pairs:,} pairs, an epoch: {wall[1]:.1f} s ({cpu[1]:.1f} CPU) on kept states, model "
        f"loaded and saved; the {states:,} states: {wall[0] - wall[1]:.1f} s ({cpu[0] - cpu[1]:.1f} CPU)"
    )


def _published(pairs: int) -> Iterator[dict[str, Any]]:
    """Pairs of 30 words of prompt and 40 of each completion, as they are published."""
    found = scoring.workload(pairs, 2, (30, 40), None)
    for number, (one, other) in enumerate(zip(found[::2], found[1::2], strict=True)):
        yield {
            "prompt": one.prompt, "chosen": one.completion, "rejected": other.completion, "pair_id": f"p{number}",
            "prompt_id": f"{number}", "chosen_id": f"c{number}", "rejected_id": f"r{number}",
            "group_id": f"{number}", "source": "made",
        }  # fmt: skip


def main() -> None:
    cuda = torch.cuda.is_available()
    if not cuda:
        torch.set_num_threads(1)  # small products wait longer for a second thread than it helps
    device, size, dtype = (
        ("cuda", scoring.LARGE, torch.bfloat16) if cuda else ("cpu", scoring.SMALL, torch.float32)
    )
    name = torch.cuda.get_device_name().replace(" ", "_") if cuda else "cpu_one_thread"
    peaks = {kind: scoring.peak(size.peak, device, kind) for kind in (torch.bfloat16, torch.float32)}
    with tempfile.TemporaryDirectory() as folder:
        model = scoring.build(size, Path(folder), device, dtype)
        alone = head_alone(model, 20_000 if cuda else 1_000, Path(folder))
    pairs = 4 if cuda else 1
    found = {
        kind: measure(model, rows_of(pairs, side), cuda)
        for kind, side in (("texts", None), ("pictures", size.side))
    }
    weights = sum(weight.numel() for weight in model.model.parameters())
    told = f"torch {torch.__version__}, {pairs} pair{'s' * (pairs > 1)} a step"
    step = found["pictures"]["shared"]
    share = step.flops / step.wall / max(peaks.values())
    lines = [
        f"Qwen2.5-VL of {weights / 1e6:,.1f} M random weights on {name}, {told}",
        *table(found, pairs),
        *(f"matrix product    {value / 1e12:.3f} TFLOP/s in {str(kind).removeprefix('torch.')}; pictures, shared: "
          f"{step.flops / step.wall / value:.3f} of it" for kind, value in peaks.items()),
        alone,
        f"RESULT tokens_per_s={step.tokens / step.wall:.0f} peak_share={share:.3f} "
        f"prefix_gain={found['pictures']['apart'].wall / step.wall:.2f} device={name}",
    ]  # fmt: skip
    keep("training", lines)


if __name__ == "__main__":
    main()
