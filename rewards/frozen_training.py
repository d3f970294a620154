"""Training of a reward head on a backbone that stays as it is.

The states of all completions are computed once and kept (`rewards.frozen`); then the head alone trains on them,
with the loss and the Trainer of the whole training, in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PrinterCallback, TrainerCallback, set_seed
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.utils import logging

from rewards import checkpoints
from rewards.arguments import arguments, check
from rewards.backbone_states import BackboneStates
from rewards.finetune import RewardTrainer, apart, headed, keep_events, no_pair_fits
from rewards.fit import one_thread
from rewards.frozen import keep
from rewards.published import row_batches
from rewards.score import BATCH
from rewards.state_rows import SIDES, StatePairs, States, completions, read
from rewards.train import Trained
from rewards.training_rows import Collator, fitting, larger, scales

if TYPE_CHECKING:
    from datasets import Dataset

    from pairs.store import Store
    from rewards.collate import Encoder
    from rewards.head import RewardHead
    from rewards.train import TrainSettings

LEARNING_RATE, WEIGHT_DECAY, EPOCHS = 1e-3, 1.0, 20
_PATIENCE = 3  # epochs without a lower held-out loss until training stops
_TOLD = ("pair_id", "source", "soft_label", "weight", "source_margin")


def train_frozen(
    rows: Dataset,
    held: Dataset | None,
    work: Path,
    out: Path,
    settings: TrainSettings,
    store: Store,
    progress: bool,
) -> tuple[Trained, int]:
    """Train a head, save the whole model with tokenizer and picture processor into `work`.

    States lie in the table `features` of `store`. While the head trains, those that it needs lie in one file
    below `work`, which is mapped, not read: 4 bytes a number. Of the epochs the one with the lowest loss on
    `held` counts. Returns what was done and the number of published pairs.
    """
    from datasets import concatenate_datasets

    check(settings)
    if not progress:
        logging.disable_progress_bar()
    extractor = _extractor(settings)
    why = apart(extractor.backbone, settings)
    extractor.model.shares = not why
    every = concatenate_datasets([rows, held]) if held is not None and len(held) else rows
    wanted = completions(every)
    books = keep(store, extractor, wanted, lambda todo: read(every, todo), progress=progress)
    states = States.gathered(store, extractor, wanted, work / "states.npy")
    pairs = StatePairs.of(every, states, len(rows))
    if not pairs.train:
        raise no_pair_fits(len(rows), settings)
    set_seed(settings.seed)
    model = headed(extractor.backbone, settings)
    collator = Collator(
        extractor.encoder, scales(rows.select(pairs.rows[: pairs.train])), ahead=settings.adaptive_margin,
        lengths=settings.length_normalised, witness=False,
    )  # fmt: skip
    batches = _Batches(states, pairs, _told(every.select(pairs.rows), collator))
    done = _fit(model.score, batches, out, {"rows": checkpoints.content(rows)[0]}, settings, progress)
    states.file.unlink()
    model.save_pretrained(work)
    extractor.encoder.save(work)
    reasons, scaled = _unshown(rows, pairs.rows[: pairs.train], extractor.encoder)
    return done._replace(reasons=reasons, scaled=scaled, apart=why, features=books), len(rows)


def _unshown(rows: Dataset, kept: np.ndarray, encoder: Encoder) -> tuple[Mapping[str, int], int]:
    """Why the pairs that are not kept are left out, and how many pictures of those that are kept are scaled."""
    lost = np.setdiff1d(np.arange(len(rows)), kept)
    return fitting(rows.select(lost), encoder)[1].refused if len(lost) else {}, larger(rows.select(kept), encoder)


def _extractor(settings: TrainSettings) -> BackboneStates:
    dtype = None if settings.precision == "auto" else getattr(torch, settings.precision)
    return BackboneStates(
        settings.backbone, revision=settings.revision, max_length=settings.max_length,
        max_pixels=settings.max_pixels, dtype=dtype,
    )  # fmt: skip


def _told(rows: Dataset, collator: Collator) -> dict[str, Tensor]:
    """What enters the loss beside the states, by pair: `Collator.told`, `lengths` as [pairs, 2]."""
    names = [*_TOLD, *(SIDES if collator.lengths else ())]
    narrow = rows.select_columns([name for name in names if name in rows.column_names])
    parts = [collator.told(batch) for batch in row_batches(narrow, BATCH)]
    for part in parts:
        if "lengths" in part:
            part["lengths"] = part["lengths"].reshape(2, -1).T
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


@dataclass(frozen=True)
class _Batches:
    """Places of pairs to one batch, as `Collator` makes it, with `states` [2 * pairs, width] for the model."""

    states: States
    pairs: StatePairs
    told: dict[str, Tensor]

    def __call__(self, places: list[int]) -> dict[str, Tensor]:
        batch = {name: values[places] for name, values in self.told.items()}
        if "lengths" in batch:
            batch["lengths"] = batch["lengths"].T.flatten()
        return {**batch, "states": torch.from_numpy(self.states.values[self.pairs.sides[:, places].ravel()])}


class _OnStates(nn.Module):
    """A head on states with centre 0 and spread 1 in each column: one learning rate suits all backbones."""

    accepts_loss_kwargs = False

    def __init__(self, score: RewardHead, centre: Tensor, spread: Tensor) -> None:
        super().__init__()
        self.score = score
        self.register_buffer("centre", centre)
        self.register_buffer("spread", spread)

    def forward(self, states: Tensor) -> SequenceClassifierOutput:
        return SequenceClassifierOutput(logits=self.score((states - self.centre) / self.spread)[:, None])

    @torch.no_grad()
    def fold(self) -> None:
        """Put centre and spread into the first layer: the head then gives the same rewards for plain states."""
        first = self.score.linears()[0]
        scaled = first.weight.double() / self.spread
        first.bias.copy_(first.bias.double() - scaled @ self.centre.double())
        first.weight.copy_(scaled)


class _Best(TrainerCallback):
    """Keeps the head of the epoch with the lowest held-out loss; ends a training that finds no lower one."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.kept: dict[str, Tensor] = {}

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        control.should_evaluate = True

    def on_evaluate(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        self.losses.append(float(given["metrics"]["eval_loss"]))
        best = int(np.argmin(self.losses))
        if best == len(self.losses) - 1:
            self.kept = {name: value.clone() for name, value in given["model"].state_dict().items()}
        elif len(self.losses) - 1 - best >= _PATIENCE:
            control.should_training_stop = True


def _fit(
    score: RewardHead,
    batches: _Batches,
    out: Path,
    made_from: dict[str, Any],
    settings: TrainSettings,
    progress: bool,
) -> Trained:
    """Train the head in place."""
    told = settings.model_copy(
        update={
            "learning_rate": settings.learning_rate or LEARNING_RATE,
            "weight_decay": WEIGHT_DECAY if settings.weight_decay is None else settings.weight_decay,
            "epochs": settings.epochs or EPOCHS,
            "micro_batch_size": settings.batch_size or 128,
            "precision": "float32",
            "save_steps": 0,
        }
    )
    pairs = batches.pairs
    made_from = {**made_from, **settings.model_dump(mode="json", exclude={"report_to"})}
    args = arguments(checkpoints.folder(out, made_from), told, pairs.train, progress)
    model = _OnStates(score.float(), *batches.states.standard(pairs.sides[:, : pairs.train]))
    trainer = RewardTrainer(
        model=model, args=args, train_dataset=range(pairs.train), data_collator=batches, centre=settings.centre,
        eval_dataset=range(pairs.train, len(pairs.rows)),
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    keep_events(trainer, out)
    best = _Best()
    if len(pairs.rows) > pairs.train:
        trainer.add_callback(best)
    with one_thread():
        trainer.train()
    if best.kept:
        model.load_state_dict(best.kept)
    model.fold()
    return Trained(trainer.curve, best.losses)
