"""Training of a reward model on a published dataset, read with `datasets.load_dataset` like any other user."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydantic
from pydantic import Field

from pairs.errors import PrefmillError
from rewards.fit import HeadSettings, PairRows, fit

if TYPE_CHECKING:
    from datasets import Dataset

EMBEDDED = "embedded"
_BATCH = 512


class TrainSettings(pydantic.BaseModel, extra="forbid"):
    """How a reward model is trained. A value left out takes the default of its kind of backbone."""

    backbone: str = Field(EMBEDDED, description='"embedded", or a path or hub id of a transformers model')
    revision: str | None = Field(None, description="hub revision of the backbone; pin a commit")
    learning_rate: float | None = Field(None, gt=0, description="default: 1e-3 embedded, 3e-6 a backbone")
    batch_size: int | None = Field(None, gt=0, description="pairs per step; default: 128")
    micro_batch_size: int = Field(4, gt=0, description="pairs per device and forward; the rest is accumulated")
    epochs: float | None = Field(None, gt=0, description="default: at most 20 embedded, 1 a backbone")
    head_hidden: int | None = Field(None, gt=0, description="default: 32 embedded, the backbone's width otherwise")
    weight_decay: float | None = Field(None, ge=0, description="default: 1 embedded, 0 a backbone")
    warmup: float = Field(0.05, ge=0, lt=1, description="share of the steps in which the rate rises")
    max_length: int = Field(4096, gt=0, description="tokens; a longer pair is left out and counted")
    max_pairs: int = Field(
        200_000, gt=0, description="embedded: pairs held in memory (some 7 KB each), spread evenly"
    )
    max_pixels: int = Field(768 * 28 * 28, gt=0, description="of one picture; larger ones are scaled down")
    precision: str = Field("auto", pattern="^(auto|bfloat16|float32)$", description="auto: bfloat16 on a GPU")
    activation_checkpointing: bool = Field(False, description="trade a third more time for memory")
    seed: int = 17


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a training did. `curve` holds (step, loss, accuracy) on the training batches."""

    path: Path
    rows: int  # trained on
    left_out: int  # longer than `max_length`, or beyond `max_pairs`
    seconds: float
    curve: list[tuple[int, float, float]]
    held_out: list[float]  # validation loss per epoch, where there is a validation split

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {**asdict(self), "path": str(self.path)}


def train(dataset: str, config: str, out: Path, settings: TrainSettings, *, progress: bool = True) -> TrainResult:
    """Train on the split "train" of a published dataset and put the model at `out`, whole or not at all.

    Honours the columns `soft_label` and `weight` where they are published. A split "validation" stops the
    embedded head early. A model already at `out` is replaced once the new one is complete.
    """
    from rewards.published import load_pairs, splits

    begun = time.perf_counter()
    names = splits(dataset, config)
    if "train" not in names:
        raise PrefmillError(f"{dataset} ({config}): splits are {', '.join(names)}, expected one named train")
    rows = load_pairs(dataset, config, "train")
    held = load_pairs(dataset, config, "validation") if "validation" in names else None
    if not len(rows):
        raise PrefmillError(f"{dataset} ({config}): no pair to train on; check the ledger for what dropped them")
    out = Path(out).absolute()
    work = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        one = _train_embedded if settings.backbone == EMBEDDED else _train_backbone
        curve, held_out, left_out = one(rows, held, work, settings, progress)
        _put(work, out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return TrainResult(out, len(rows) - left_out, left_out, time.perf_counter() - begun, curve, held_out)


Trained = tuple[list[tuple[int, float, float]], list[float], int]


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
    return done.curve, done.held_out, len(rows) - len(kept)


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


def _train_backbone(
    rows: Dataset, held: Dataset | None, work: Path, settings: TrainSettings, progress: bool
) -> Trained:
    from rewards.finetune import finetune

    return finetune(rows, held, work, settings, progress)
