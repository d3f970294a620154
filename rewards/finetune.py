"""Training of a two-layer head and its backbone with the Trainer of transformers."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import AutoModel, PrinterCallback, Trainer, TrainingArguments, set_seed

from pairs.errors import PrefmillError
from rewards.collate import Encoder
from rewards.head import bradley_terry
from rewards.published import column, items, row_batches
from rewards.vision import PrefmillRewardModel

if TYPE_CHECKING:
    from datasets import Dataset

    from rewards.train import Trained, TrainSettings

_BATCH = 256
_LOGS = 200  # points of the loss curve, at most


class RewardTrainer(Trainer):
    """The Trainer with the Bradley-Terry loss on batches of [chosen rows; rejected rows]."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.curve: list[tuple[int, float, float]] = []
        self._right: list[float] = []

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        given = dict(inputs)
        soft, weight = given.pop("soft"), given.pop("weight")
        outputs = model(**given)
        chosen, rejected = outputs.logits[:, 0].chunk(2)
        margin = chosen - rejected
        if model.training:
            self._right.append(float((margin.detach() > 0).float().mean()))
        loss = bradley_terry(margin, soft, weight)
        return (loss, {"margin": margin}) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs:
            self.curve.append((self.state.global_step, float(logs["loss"]), float(np.mean(self._right))))
            self._right = []
        super().log(logs, start_time)


def finetune(rows: Dataset, held: Dataset | None, work: Path, settings: TrainSettings, progress: bool) -> Trained:
    """Train on the pairs that fit, save model, tokenizer and picture processor into `work`.

    Returns the curve, the validation loss at the end (if there is a validation split) and the number of
    pairs left out because one side does not fit into `max_length` tokens.
    """
    set_seed(settings.seed)
    model, encoder = _fresh(settings)
    kept = _fitting(rows, encoder)
    if not len(kept):
        raise PrefmillError(
            f"none of {len(rows)} pairs fits {settings.backbone}: raise max_length ({settings.max_length}), "
            "or train on the config `text` if the backbone sees no pictures"
        )
    trainer = RewardTrainer(
        model=model,
        args=_arguments(work, settings, len(kept), progress),
        train_dataset=_Rows(kept),
        data_collator=_Collator(encoder, float(column(kept, "weight").mean())),
    )
    trainer.remove_callback(PrinterCallback)  # the curve comes back with the result
    trainer.train()
    held_out = []
    if held is not None and len(of_held := _fitting(held, encoder)):
        held_out = [float(trainer.evaluate(_Rows(of_held))["eval_loss"])]
    model.save_pretrained(work)
    encoder.save(work)
    shutil.rmtree(work / "trainer", ignore_errors=True)
    return trainer.curve, held_out, len(rows) - len(kept)


def _fresh(settings: TrainSettings) -> tuple[PrefmillRewardModel, Encoder]:
    """The backbone under a head not yet trained, and what encodes for it."""
    backbone = AutoModel.from_pretrained(
        settings.backbone, revision=settings.revision, dtype=torch.float32, use_safetensors=True,
        trust_remote_code=False,
    )  # fmt: skip
    encoder = Encoder.load(
        settings.backbone, backbone.config, revision=settings.revision, max_length=settings.max_length,
        max_pixels=settings.max_pixels,
    )  # fmt: skip
    model = PrefmillRewardModel.on_backbone(
        backbone, head_hidden=settings.head_hidden, max_tokens=settings.max_length, max_pixels=settings.max_pixels
    )
    return model, encoder


class _Rows(torch.utils.data.Dataset):
    """Published rows one by one, as plain values."""

    def __init__(self, rows: Dataset) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return self.rows[place].to_pylist()[0]


class _Collator:
    """Published rows to one batch: chosen rows, then rejected rows, then soft labels and weights per pair."""

    def __init__(self, encoder: Encoder, mean_weight: float) -> None:
        self.encoder = encoder
        self.mean_weight = mean_weight

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        chosen, rejected = items(rows)
        soft, weight = (
            torch.tensor([1.0 if row.get(name) is None else row[name] for row in rows], dtype=torch.float32)
            for name in ("soft_label", "weight")
        )
        return {**self.encoder.encode(chosen + rejected), "soft": soft, "weight": weight / self.mean_weight}


def _fitting(rows: Dataset, encoder: Encoder) -> Dataset:
    """The pairs of which both sides can be shown to the model whole."""
    kept = []
    for batch in row_batches(rows, _BATCH):
        lengths = np.stack([encoder.lengths(side) for side in items(batch)])
        kept.append(((lengths > 0) & (lengths <= encoder.max_length)).all(axis=0))
    return rows.select(np.flatnonzero(np.concatenate(kept)))


def _arguments(work: Path, settings: TrainSettings, pairs: int, progress: bool) -> TrainingArguments:
    batch = settings.batch_size or 128
    micro = min(settings.micro_batch_size, batch)
    epochs = settings.epochs or 1
    steps = max(1, round(epochs * pairs / batch))
    return TrainingArguments(
        output_dir=str(work / "trainer"),
        learning_rate=settings.learning_rate or 3e-6,
        weight_decay=settings.weight_decay or 0.0,
        num_train_epochs=epochs,
        per_device_train_batch_size=micro,
        per_device_eval_batch_size=micro,
        gradient_accumulation_steps=max(1, batch // micro),
        warmup_steps=round(settings.warmup * steps),
        lr_scheduler_type="cosine",
        bf16=settings.precision == "bfloat16" or (settings.precision == "auto" and torch.cuda.is_available()),
        activation_checkpointing=settings.activation_checkpointing,
        # A batch of texts alone gives the vision tower no gradient.
        ddp_find_unused_parameters=True,
        logging_steps=max(1, steps // _LOGS),
        save_strategy="no",
        remove_unused_columns=False,
        label_names=["soft"],
        report_to=[],
        disable_tqdm=not progress,
        seed=settings.seed,
        use_cpu=not torch.cuda.is_available(),
    )
