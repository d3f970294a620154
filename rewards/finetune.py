"""Training of a reward head and its backbone with the Trainer of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModel, PrinterCallback, Trainer, TrainerCallback, set_seed
from transformers.integrations import TensorBoardCallback
from transformers.utils import logging

from pairs.errors import PrefmillError
from rewards import checkpoints
from rewards.arguments import arguments, check, workers
from rewards.collate import Encoder
from rewards.head import bradley_terry
from rewards.train import Trained
from rewards.training_rows import PER_PAIR, Collator, Rows, Scales, Stream, fitting, scales
from rewards.trees import why_not
from rewards.vision import PrefmillRewardModel

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset
    from transformers import PreTrainedModel

    from rewards.train import TrainSettings


class _Start(TrainerCallback):
    """The step that training went on from: 0, or that of the checkpoint which the Trainer has read."""

    step = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.step = state.global_step


class RewardTrainer(Trainer):
    """The Trainer with the Bradley-Terry loss on the batches of a `Collator`."""

    def __init__(self, *args: Any, centre: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.centre = centre
        self._right = torch.zeros(2)  # pairs won since the last log, and pairs

    @property
    def curve(self) -> list[tuple[int, float, float]]:
        """(step, loss, accuracy) on the training batches, those before a resumption included."""
        logs = self.state.log_history
        return [(log["step"], log["loss"], log["accuracy"]) for log in logs if "accuracy" in log]

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        given = dict(inputs)
        told = {name: given.pop(name) for name in PER_PAIR if name in given}
        logits = model(**given).logits[:, 0]
        rewards = logits[: 2 * len(told["soft"])]  # a row beyond them is the collator's witness
        if "lengths" in told:  # reward / log(length + 1): arXiv 2509.16127, section on regularisation
            rewards = rewards / torch.log(told["lengths"] + 1)
        chosen, rejected = rewards.chunk(2)
        margin = chosen - rejected
        loss = bradley_terry(margin, told["soft"], told["weight"], told.get("ahead"))
        if self.centre:
            loss = loss + self.centre * (told["weight"] * (chosen + rejected) ** 2).mean()
        if len(logits) > len(rewards):
            loss = loss + 0 * logits.sum()
        if model.training:
            won = (margin.detach() > 0).sum()
            self._right = self._right.to(won.device) + torch.stack([won, torch.full_like(won, len(margin))])
        return (loss, {"margin": margin}) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs:
            won, pairs = self.accelerator.reduce(self._right.to(self.args.device)).tolist()
            logs = {**logs, "accuracy": won / pairs}
            self._right = torch.zeros(2)
        super().log(logs, start_time)


def finetune(
    rows: Dataset | IterableDataset,
    columns: Dataset | IterableDataset,
    held: Dataset | None,
    work: Path,
    out: Path,
    settings: TrainSettings,
    progress: bool,
) -> tuple[Trained, int]:
    """Train on the pairs that fit, save model, tokenizer and picture processor into `work`.

    `columns` are those of `rows` that enter the loss. Checkpoints towards the model at `out` lie beside it, and
    training goes on from the newest one. Left out are the pairs of which one side does not fit into `max_length`
    tokens. Returns what was done and the number of published pairs.
    """
    check(settings)
    if not progress:
        logging.disable_progress_bar()  # of reading and writing weights
    set_seed(settings.seed)
    model, encoder = _fresh(settings)
    why = apart(model.backbone, settings)
    shown: Any = Stream(rows, encoder, settings.seed) if settings.streaming else Rows(*fitting(rows, encoder))
    ids, count = checkpoints.content(columns)
    fits = count if settings.streaming else len(shown)
    if not fits:
        raise no_pair_fits(count, settings)
    made_from = {"rows": ids, **settings.model_dump(mode="json", exclude={"save_steps", "report_to", "workers"})}
    folder = checkpoints.folder(out, made_from)
    args = arguments(folder, settings, fits, progress, workers(settings, encoder))
    scale = scales(columns if settings.streaming else shown.rows)
    trainer = RewardTrainer(
        model=_adapted(model, settings), args=args, train_dataset=shown, centre=settings.centre,
        data_collator=_collator(encoder, scale, settings, args.world_size, None if why else model.backbone),
    )  # fmt: skip
    keep_events(trainer, out)
    done = _run(trainer, Rows(*fitting(held, encoder)) if held is not None and len(held) else None)
    _save(trainer, encoder, work)
    return done._replace(reasons=shown.fit.refused, scaled=shown.fit.scaled, apart=why), count


def no_pair_fits(count: int, settings: TrainSettings) -> PrefmillError:
    """The error of a training in which no pair can be shown to the backbone."""
    return PrefmillError(
        f"none of {count} pairs fits {settings.backbone}: raise max_length ({settings.max_length}), "
        "or train on the config `text` if the backbone sees no pictures"
    )


def keep_events(trainer: RewardTrainer, out: Path) -> None:
    """TensorBoard's files would go with the checkpoints that they lie among."""
    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, TensorBoardCallback) and callback.logging_dir is None:
            callback.logging_dir = str(checkpoints.logs(Path(trainer.args.output_dir), out))


def _run(trainer: RewardTrainer, held: Rows | None) -> Trained:
    """Train to the end, from the newest checkpoint if there is one; then the loss on the held-out pairs."""
    trainer.remove_callback(PrinterCallback)  # the curve comes back with the result
    start = _Start()
    trainer.add_callback(start)
    begun = checkpoints.newest(Path(trainer.args.output_dir))
    trainer.train(resume_from_checkpoint=str(begun) if begun else None)
    held_out = [float(trainer.evaluate(held)["eval_loss"])] if held is not None and len(held) else []
    return Trained(trainer.curve, held_out, resumed=start.step)


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
    model = headed(backbone, settings)
    if settings.freeze_vision:
        language = {id(weight) for weight in backbone.get_decoder().parameters()}
        for weight in backbone.parameters():
            weight.requires_grad_(id(weight) in language)
    return model, encoder


def headed(backbone: PreTrainedModel, settings: TrainSettings) -> PrefmillRewardModel:
    """A backbone under a head not yet trained."""
    return PrefmillRewardModel.on_backbone(
        backbone, head_hidden=settings.head_hidden, head_layers=settings.head_layers,
        head_activation=settings.head_activation, max_tokens=settings.max_length, max_pixels=settings.max_pixels,
    )  # fmt: skip


def apart(backbone: PreTrainedModel, settings: TrainSettings) -> str:
    """Why the two sides of a pair do not share a sequence; empty where they do."""
    if settings.share_prompts is False:
        return "share_prompts is false"
    reason = why_not(backbone)
    if reason and settings.share_prompts:
        raise PrefmillError(f"share_prompts is true, but {settings.backbone} cannot: {reason}; take it out")
    return reason or ""


def _adapted(model: PrefmillRewardModel, settings: TrainSettings) -> Any:
    if settings.lora_rank is None:
        return model
    from rewards.lora import with_adapters

    return with_adapters(model, settings.lora_rank, settings.lora_alpha)


def _collator(
    encoder: Encoder, scale: Scales, settings: TrainSettings, processes: int, shares: PreTrainedModel | None
) -> Collator:
    return Collator(
        encoder, scale, ahead=settings.adaptive_margin, lengths=settings.length_normalised,
        witness=processes > 1 and not settings.freeze_vision, shares=shares,
    )  # fmt: skip


def _save(trainer: RewardTrainer, encoder: Encoder, work: Path) -> None:
    """The model whole, wherever its weights lie, with its adapters merged in."""
    state = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    model = trainer.accelerator.unwrap_model(trainer.model)
    if not trainer.is_world_process_zero():
        return
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
        state = model.state_dict()
    model.save_pretrained(work, state_dict=state)
    encoder.save(work)
