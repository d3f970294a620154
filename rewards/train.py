"""Training of a reward model on a published dataset, read with `datasets.load_dataset` like any other user."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import pydantic
from pydantic import Field

from pairs.errors import PrefmillError
from rewards import checkpoints, trained_on
from rewards.fit import HeadSettings, PairRows, fit

if TYPE_CHECKING:
    from datasets import Dataset

    from pairs.store import Store
    from rewards.score import ScoreBooks

EMBEDDED = "embedded"
_BATCH = 512
_OF_BACKBONES = (
    "lora_rank", "streaming", "workers", "processes", "fsdp", "deepspeed", "activation_checkpointing",
    "save_steps",
)  # fmt: skip


class TrainSettings(pydantic.BaseModel, extra="forbid"):
    """How a reward model is trained. A value left out takes the default of its kind of backbone."""

    backbone: str = Field(EMBEDDED, description='"embedded", or a path or hub id of a transformers model')
    revision: str | None = Field(None, description="hub revision of the backbone; pin a commit")
    learning_rate: float | None = Field(None, gt=0, description="default: 3e-6 a backbone, 1e-3 a head alone")
    batch_size: int | None = Field(None, gt=0, description="pairs per step; default: 128")
    micro_batch_size: int = Field(4, gt=0, description="pairs per device and forward; the rest is accumulated")
    epochs: float | None = Field(None, gt=0, description="default: 1 a backbone, at most 20 a head alone")
    head_hidden: int | None = Field(None, gt=0, description="default: 32 embedded, the backbone's width otherwise")
    head_layers: int = Field(2, ge=1, le=8, description="of a head on a backbone")
    head_activation: str = Field("silu", pattern="^(silu|tanh|relu|gelu|none)$", description="between its layers")
    weight_decay: float | None = Field(None, ge=0, description="default: 0 a backbone, 1 a head alone")
    warmup: float = Field(0.05, ge=0, lt=1, description="share of the steps in which the rate rises")
    max_length: int = Field(4096, gt=0, description="tokens; a longer pair is left out and counted")
    max_pairs: int = Field(
        200_000, gt=0, description="embedded: pairs held in memory (some 7 KB each), spread evenly"
    )
    max_pixels: int = Field(768 * 28 * 28, gt=0, description="of one picture; larger ones are scaled down")
    precision: str = Field("auto", pattern="^(auto|bfloat16|float32)$", description="auto: bfloat16 on a GPU")
    activation_checkpointing: bool = Field(False, description="trade a third more time for memory")
    share_prompts: bool | None = Field(
        None,
        description="chosen and rejected in one sequence, their prompt and its pictures computed once; default: "
        "where the backbone gives the same gradients that way",
    )
    adaptive_margin: float = Field(
        0,
        ge=0,
        description="what a pair of its source's mean `source_margin` must be won by, others in ratio",
    )
    centre: float = Field(0, ge=0, description="times (reward of chosen + of rejected) squared, added to the loss")
    length_normalised: bool = Field(False, description="the loss sees reward / log(tokens of the completion + 1)")
    lora_rank: int | None = Field(None, gt=0, description="train adapters of this rank (peft) and merge them")
    lora_alpha: float = Field(32, gt=0, description="adapters count by lora_alpha / lora_rank")
    freeze_backbone: bool = Field(
        False, description="train the head alone, on the backbone's last hidden states, computed once and kept"
    )
    freeze_vision: bool = Field(False, description="leave the vision tower and its projector as they are")
    streaming: bool = Field(
        False,
        description="read rows while training: saves the copy of the mixture that `datasets` writes to its cache",
    )
    save_steps: int | None = Field(
        None, ge=0, description="steps between checkpoints; default: a tenth of the training; 0: none"
    )
    workers: int | None = Field(
        None,
        ge=0,
        description="processes that make batches ready, pictures above all; default: none on a CPU or where the "
        "backbone sees no pictures, on a GPU as many as it has cores, 8 at most",
    )
    processes: int = Field(1, gt=0, description="on this machine, by torchrun; one per GPU")
    fsdp: bool = Field(False, description="spread weights and optimizer over the GPUs")
    deepspeed: str | None = Field(
        None, description="path of a DeepSpeed configuration (JSON), instead of fsdp; needs the package"
    )
    report_to: list[str] = Field([], description='e.g. ["tensorboard"], ["wandb"]: integrations of transformers')
    seed: int = 17

    @pydantic.model_validator(mode="after")
    def _sound(self) -> Self:
        if self.freeze_backbone and self.backbone == EMBEDDED:
            raise ValueError(
                "freeze_backbone needs a transformers backbone; the embedded model trains a head alone"
            )
        if self.streaming and self.workers:
            raise ValueError("streaming reads rows in the training's own process: take out workers")
        fields = type(self).model_fields
        moot = [name for name in _OF_BACKBONES if getattr(self, name) != fields[name].default]
        if self.freeze_backbone and moot:
            raise ValueError(
                f"freeze_backbone trains a head in one process, without the backbone: take out {', '.join(moot)}"
            )
        return self


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a training did. `curve` holds (step, loss, accuracy) on the training batches."""

    path: Path
    rows: int  # trained on
    left_out: int
    seconds: float
    curve: list[tuple[int, float, float]]
    held_out: list[float]  # validation loss per epoch, where there is a validation split
    resumed: int = 0  # the step of the checkpoint that it went on from; 0 when from the start
    apart: str = ""  # why the two sides of a pair were two sequences; empty where they shared one
    features: ScoreBooks | None = (
        None  # of a frozen backbone: completions whose states were kept, computed, too long
    )
    reasons: dict[str, int] = field(default_factory=dict)  # `left_out` by why
    scaled: int = 0  # pictures of the pairs trained on that are larger than `max_pixels`

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {**asdict(self), "path": str(self.path)}


class Trained(NamedTuple):
    """What one kind of training hands back, the model being in the folder it was given."""

    curve: list[tuple[int, float, float]]
    held_out: list[float]
    resumed: int = 0
    apart: str = ""
    features: ScoreBooks | None = None
    reasons: Mapping[str, int] = {}
    scaled: int = 0


def train(
    dataset: str,
    config: str,
    out: Path,
    settings: TrainSettings,
    *,
    store: Store | None = None,
    progress: bool = True,
) -> TrainResult:
    """Train on the split "train" of a published dataset and put the model at `out`, whole or not at all.

    Honours the columns `soft_label` and `weight` where they are published. A split "validation" stops the
    training of a head alone early. A model already at `out` is replaced once the new one is complete. A backbone's
    training leaves checkpoints beside `out` until it is complete: one that was killed goes on from the newest of
    them when it is called again with the same rows and settings. The states of a frozen backbone are kept in
    `store`, by default `.features` beside `out`, for all trainings on that backbone.
    """
    from rewards import launch

    begun = time.perf_counter()
    out = Path(out).absolute()
    spread = settings.processes > 1 or settings.deepspeed is not None
    if spread and settings.backbone != EMBEDDED and not launch.launched():
        return launch.train(dataset, config, out, settings, progress)
    rows, columns, held = _read(dataset, config, settings)
    work = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    if launch.first():
        _sweep(out)
        work.mkdir(parents=True)
    try:
        if settings.backbone == EMBEDDED:
            done, count = _train_embedded(rows, held, work, settings, progress), len(rows)
        elif settings.freeze_backbone:
            from pairs.store import Store
            from rewards.frozen_training import train_frozen

            kept = store or Store(out.parent / ".features")
            done, count = train_frozen(rows, held, work, out, settings, kept, progress)
        else:
            from rewards.finetune import finetune

            done, count = finetune(rows, columns, held, work, out, settings, progress)
        if launch.first():
            trained_on.write(dataset, config, work)
            _put(work, out)
            checkpoints.clear(out)
        launch.wait()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    seconds = time.perf_counter() - begun
    left_out = sum(done.reasons.values())
    return TrainResult(
        out, count - left_out, left_out, seconds, done.curve, done.held_out, done.resumed, done.apart,
        done.features, dict(done.reasons), done.scaled,
    )  # fmt: skip


def _read(dataset: str, config: str, settings: TrainSettings) -> tuple[Any, Any, Dataset | None]:
    """The rows to train on (a stream where the settings say so), their columns of the loss, the held-out rows."""
    from rewards.published import load_pairs, splits, stream_columns

    names = splits(dataset, config)
    if "train" not in names:
        raise PrefmillError(f"{dataset} ({config}): splits are {', '.join(names)}, expected one named train")
    streaming = settings.streaming and settings.backbone != EMBEDDED
    rows = columns = load_pairs(dataset, config, "train", streaming=streaming)
    if streaming:
        told = [name for name in checkpoints.LEARNED_FROM if name in rows.column_names]
        columns = stream_columns(dataset, config, "train", told)
    elif not len(rows):
        raise PrefmillError(f"{dataset} ({config}): no pair to train on; check the ledger for what dropped them")
    return rows, columns, load_pairs(dataset, config, "validation") if "validation" in names else None


def _sweep(out: Path) -> None:
    """Remove what trainings of this model that were killed while they wrote it left behind."""
    import psutil

    for stale in out.parent.glob(f".{out.name}.*.tmp"):
        number = stale.name.split(".")[-2]
        if number == str(os.getpid()) or (number.isdecimal() and not psutil.pid_exists(int(number))):
            shutil.rmtree(stale, ignore_errors=True)


def _put(work: Path, out: Path) -> None:
    """Give a finished folder its name. A folder cannot be replaced in one step, so the old one moves aside."""
    old = out.with_name(f".{out.name}.{os.getpid()}.old")
    if out.exists():
        os.replace(out, old)
    os.replace(work, out)
    shutil.rmtree(old, ignore_errors=True)


def head_settings(settings: TrainSettings) -> HeadSettings:
    """The embedded head's settings: what the recipe leaves out keeps its default."""
    default = HeadSettings(seed=settings.seed)
    return replace(
        default,
        hidden=settings.head_hidden or default.hidden,
        learning_rate=settings.learning_rate or default.learning_rate,
        weight_decay=default.weight_decay if settings.weight_decay is None else settings.weight_decay,
        batch_size=settings.batch_size or default.batch_size,
        epochs=max(1, round(settings.epochs or default.epochs)),
    )


def _train_embedded(
    rows: Dataset, held: Dataset | None, work: Path, settings: TrainSettings, progress: bool
) -> Trained:
    from rewards.embedded import EmbeddedModel

    options = head_settings(settings)
    of_held = _features(held, progress) if held is not None and len(held) else None
    kept = rows
    if len(rows) > settings.max_pairs:
        kept = rows.select(np.linspace(0, len(rows) - 1, settings.max_pairs).round().astype(np.int64))
    done = fit(_features(kept, progress), of_held, options)
    EmbeddedModel(done.head, options).save(work)
    beyond = len(rows) - len(kept)
    reasons = {f"beyond max_pairs ({settings.max_pairs})": beyond} if beyond else {}
    return Trained(done.curve, done.held_out, reasons=reasons)


def _features(rows: Dataset, progress: bool) -> PairRows:
    from tqdm import tqdm

    from rewards.features import features
    from rewards.published import column, items, row_batches

    soft, weight = column(rows, "soft_label"), column(rows, "weight")
    parts: list[PairRows] = []
    done = 0
    with tqdm(total=len(rows), desc="features", unit=" pairs", disable=not progress) as bar:
        for batch in row_batches(rows, _BATCH):
            chosen, rejected = items(batch)
            span = slice(done, done + len(batch))
            parts.append(PairRows(features(chosen), features(rejected), soft[span], weight[span]))
            done += len(batch)
            bar.update(len(batch))
    return PairRows.joined(parts)
