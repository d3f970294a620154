"""The settings of a training as arguments of the Trainer of transformers."""

from __future__ import annotations

import multiprocessing
import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import torch
from transformers import TrainingArguments
from transformers.integrations import get_available_reporting_integrations

from pairs.errors import PrefmillError

if TYPE_CHECKING:
    from rewards.collate import Encoder
    from rewards.train import TrainSettings

_LOGS = 200  # points of the loss curve, at most
_SAVES = 10  # checkpoints of a training, unless the settings say otherwise
_WORKERS = 8  # for one GPU, at most
_IMPORTED = ["rewards.training_rows", "datasets", "transformers.models.auto.processing_auto"]


def check(settings: TrainSettings) -> None:
    """Raise `PrefmillError` for settings that this machine cannot follow."""
    missing = set(settings.report_to) - set(get_available_reporting_integrations())
    if missing:
        raise PrefmillError(
            f"report_to names {', '.join(sorted(missing))}, which is no integration of transformers or not "
            "installed; install the package of that name, or take it out"
        )
    if settings.fsdp and not torch.cuda.is_available():  # accelerate would train without it, and not say so
        raise PrefmillError("fsdp is set, but there is no GPU to spread weights over; take it out")
    if settings.fsdp and settings.lora_rank is not None:
        raise PrefmillError("fsdp and lora_rank are both set: adapters are merged whole; take one of them out")
    if settings.deepspeed is not None:
        _check_deepspeed(settings, settings.deepspeed)


def _check_deepspeed(settings: TrainSettings, path: str) -> None:
    both = [name for name, used in (("fsdp", settings.fsdp), ("lora_rank", settings.lora_rank)) if used]
    if both:
        raise PrefmillError(f"deepspeed and {both[0]} are both set; take one of them out")
    if find_spec("deepspeed") is None:
        raise PrefmillError("deepspeed is set, but not installed; pip install deepspeed, or take it out")
    try:
        zero = orjson.loads(Path(path).read_bytes()).get("zero_optimization", {})
    except (OSError, ValueError, AttributeError) as error:
        raise PrefmillError(
            f"deepspeed = {path!r}: {error}; expected a configuration of DeepSpeed, JSON"
        ) from None
    gathers = "stage3_gather_16bit_weights_on_model_save"
    if zero.get("stage") == 3 and not zero.get(gathers):  # it would be missed when the training is over
        raise PrefmillError(
            f"deepspeed = {path!r}: stage 3 without {gathers}; set it to true, or nothing is saved"
        )


def workers(settings: TrainSettings, encoder: Encoder) -> int:
    """How many processes make batches ready. The Trainer collects all micro batches of a step before the first of
    them is computed, so that without any the GPU waits for each picture."""
    if settings.workers is not None:
        return settings.workers
    if not torch.cuda.is_available() or encoder.processor is None or settings.streaming:
        return 0
    return min(_WORKERS, len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def _context() -> str:
    """How workers begin. They are not forked from this process: a lock that a thread of it holds at that moment
    would be held in the worker for ever. A clean process that has imported what they need is forked instead."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(_IMPORTED)
    return "forkserver"


def arguments(
    folder: Path, settings: TrainSettings, pairs: int, progress: bool, prepared_by: int = 0
) -> TrainingArguments:
    """The Trainer's arguments for so many pairs: checkpoints go into `folder`, `prepared_by` processes make the
    batches (0: this one)."""
    batch = settings.batch_size or 128
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    micro = max(1, min(settings.micro_batch_size, batch // processes))
    epochs = settings.epochs or 1
    steps = max(1, round(epochs * pairs / batch))
    logs = max(1, steps // _LOGS)
    saves = max(1, steps // _SAVES) if settings.save_steps is None else settings.save_steps
    args = TrainingArguments(
        output_dir=str(folder),
        learning_rate=settings.learning_rate or 3e-6,
        weight_decay=settings.weight_decay or 0.0,
        num_train_epochs=epochs,
        max_steps=steps if settings.streaming else -1,
        per_device_train_batch_size=micro,
        per_device_eval_batch_size=micro,
        gradient_accumulation_steps=max(1, batch // (micro * processes)),
        warmup_steps=round(settings.warmup * steps),
        lr_scheduler_type="cosine",
        bf16=settings.precision == "bfloat16" or (settings.precision == "auto" and torch.cuda.is_available()),
        activation_checkpointing=settings.activation_checkpointing,
        # Parts that no row of a batch needs get no gradient: a vision tower by texts, one expert of many.
        ddp_find_unused_parameters=True,
        ddp_backend="gloo" if processes > 1 and not torch.cuda.is_available() else None,
        deepspeed=settings.deepspeed,
        fsdp=settings.fsdp or None,
        fsdp_config={"reshard_after_forward": True} if settings.fsdp else None,
        dataloader_num_workers=prepared_by,
        dataloader_persistent_workers=prepared_by > 0,
        dataloader_multiprocessing_context=_context() if prepared_by else None,
        accelerator_config={"dispatch_batches": False},  # the rows of pixels are not the rows of a batch
        logging_steps=logs,
        save_strategy="steps" if saves else "no",
        save_steps=max(1, -(-saves // logs) * logs),  # with a log, so that a resumed curve is the unbroken one
        save_total_limit=1,
        remove_unused_columns=False,
        label_names=["soft"],
        report_to=settings.report_to,
        disable_tqdm=not progress,
        seed=settings.seed,
        use_cpu=not torch.cuda.is_available(),
    )
    args._n_gpu = min(args.n_gpu, 1)  # else the Trainer cuts batches by rows for all GPUs, pixels too
    return args
