"""The embedded reward model: hashed features, a two-layer head, one CPU core, nothing to download.

`cross_fit` trains it on the very pairs that are to be judged, without any model judging what it was trained
on: each group of pairs that share a prompt belongs to one of a few folds, and a fold is judged by the model
trained on the others.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import orjson
import polars as pl

from pairs.errors import PrefmillError
from rewards.features import VERSION, features
from rewards.fit import HeadSettings, PairRows, fit, one_thread
from rewards.interface import Item
from rewards.score import completions_of, items

if TYPE_CHECKING:
    from rewards.features import Features
    from rewards.head import HashedHead

MediaOf = Callable[[list[str]], dict[str, bytes]]

KIND = "prefmill_embedded"  # model_type in config.json
TRAINED_PAIRS = 60_000  # more add little to hashed features, and memory stays bounded
HELD_OUT = 0.1  # share of the training groups that decides when to stop
_BATCH = 512


class EmbeddedModel:
    """A trained head on hashed features."""

    def __init__(self, head: HashedHead, settings: HeadSettings) -> None:
        self.head = head
        self.settings = settings

    @cached_property
    def fingerprint(self) -> str:
        """The weights and the version of the features."""
        digest = hashlib.blake2b(VERSION.encode(), digest_size=8)
        for name, value in sorted(self.head.state_dict().items()):
            digest.update(name.encode() + value.numpy().tobytes())
        return f"embedded-{digest.hexdigest()}"

    def fits(self, items: Sequence[Item]) -> np.ndarray:
        return np.ones(len(items), bool)

    def rewards(self, items: Sequence[Item]) -> np.ndarray:
        return in_batches(items, self.judge)

    def judge(self, rows: Features) -> np.ndarray:
        """Rewards of rows of features, float32 [rows]."""
        import torch

        with one_thread(), torch.no_grad():
            return self._exact(rows).numpy().astype(np.float32)

    @cached_property
    def _exact(self) -> HashedHead:
        """The head in float64: rounded from there, a reward does not depend on the rows beside it."""
        return copy.deepcopy(self.head).double()

    def save(self, folder: Path) -> None:
        """Write `model.safetensors` and `config.json` into an existing folder."""
        from safetensors.torch import save_file

        save_file(dict(self.head.state_dict()), folder / "model.safetensors")
        config = {
            "model_type": KIND,
            "features": VERSION,
            "hidden": self.settings.hidden,
            "seed": self.settings.seed,
        }
        (folder / "config.json").write_bytes(orjson.dumps(config, option=orjson.OPT_INDENT_2))

    @classmethod
    def load(cls, folder: Path) -> EmbeddedModel:
        from safetensors.torch import load_file

        from rewards.head import HashedHead

        config = orjson.loads((folder / "config.json").read_bytes())
        if config["features"] != VERSION:
            raise PrefmillError(
                f"{folder}: trained on {config['features']}, this code computes {VERSION}; train it again"
            )
        settings = HeadSettings(hidden=config["hidden"], seed=config["seed"])
        head = HashedHead(settings.hidden, settings.seed)
        head.load_state_dict(load_file(folder / "model.safetensors"))
        return cls(head, settings)


def in_batches(items: Sequence[Item], judge: Callable[[Features], np.ndarray]) -> np.ndarray:
    """Rewards of items, float32 [items], with the features of few of them in memory at a time."""
    parts = [judge(features(items[start : start + _BATCH])) for start in range(0, len(items), _BATCH)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


@dataclass(frozen=True)
class CrossFit:
    """Judges each completion by a model that saw no pair of its group. Trains on first use.

    `keys` holds `pair_id, chosen_id, rejected_id, group_id, fold` of the training pairs, `fold_of` the fold of
    each completion (`completion_id, fold`, sorted).
    """

    fingerprint: str
    pairs: pl.LazyFrame
    media: MediaOf
    keys: pl.DataFrame
    fold_of: pl.DataFrame
    settings: HeadSettings

    def fits(self, items: Sequence[Item]) -> np.ndarray:
        return np.ones(len(items), bool)

    def rewards(self, items: Sequence[Item]) -> np.ndarray:
        asked = pl.DataFrame({"completion_id": [item.completion_id for item in items]})
        fold = asked.join(self.fold_of, on="completion_id", how="left", maintain_order="left")["fold"]
        if fold.null_count():
            lost = asked["completion_id"][int(fold.is_null().arg_max() or 0)]
            raise PrefmillError(f"completion {lost} is in none of the pairs that were cross-fitted; fit again")
        out = np.zeros(len(items), np.float32)
        for start in range(0, len(items), _BATCH):
            rows = features(items[start : start + _BATCH])
            part = fold[start : start + _BATCH].to_numpy()
            for number in np.unique(part):
                where = np.flatnonzero(part == number)
                out[start + where] = self.models[number].judge(rows.take(where))
        return out

    @cached_property
    def models(self) -> dict[int, EmbeddedModel]:
        """One model per fold that holds completions, trained on the pairs of all other folds."""
        rows = training_rows(self.pairs, self.media, self.keys)
        fold = self.keys["fold"].to_numpy()
        held = np.array([_share(f"held-out {self.settings.seed}", group) for group in self.keys["group_id"]])
        models = {}
        for number in self.fold_of["fold"].unique().sort().to_list():
            seen = np.flatnonzero((fold != number) & (held >= HELD_OUT))
            stop = np.flatnonzero((fold != number) & (held < HELD_OUT))
            if not len(seen):  # of one or two groups
                seen, stop = stop, seen
            settings = replace(self.settings, seed=self.settings.seed + number)
            models[number] = EmbeddedModel(fit(rows.take(seen), rows.take(stop), settings).head, settings)
        return models


def cross_fit(
    pairs: pl.LazyFrame,
    media: MediaOf,
    *,
    folds: int = 5,
    seed: int = 17,
    settings: HeadSettings | None = None,
    trained_pairs: int = TRAINED_PAIRS,
) -> CrossFit:
    """A judge for the completions of `pairs` (the columns of the pairs table and `group_id`).

    A group's fold is a keyed hash of its id. A pair counts once however many sources hold it; beyond
    `trained_pairs`, those with the smallest keyed hash are trained on. The fingerprint comes from the
    features, the settings and the training pairs, before any training. Few groups may leave folds empty; raises
    `PrefmillError` when not even two hold pairs.
    """
    settings = replace(settings or HeadSettings(), seed=seed)
    keys = pair_keys(pairs)
    if keys["group_id"].null_count():
        raise PrefmillError(
            "pairs without group_id cannot be cross-fitted; compute the groups of these sources first"
        )
    keys = _with_folds(keys, folds, seed)
    fold_of = _fold_of(keys)
    keys = capped(keys, trained_pairs, seed)
    if keys["fold"].n_unique() < 2:
        raise PrefmillError(
            f"{len(keys)} pairs in {keys['group_id'].n_unique()} groups fill only one of {folds} folds, "
            "expected two at least; add pairs of other prompts"
        )
    text = [f"{VERSION} {settings.key()} folds={folds} held_out={HELD_OUT}"]
    fingerprint = digest_of([*text, *(keys["pair_id"] + " " + keys["group_id"])])
    return CrossFit(f"cross-fit-{fingerprint}", pairs, media, keys, fold_of, settings)


def pair_keys(pairs: pl.LazyFrame) -> pl.DataFrame:
    """`pair_id, chosen_id, rejected_id, group_id`, each pair once, sorted; of several groups the smallest id."""
    return (
        pairs.select("pair_id", "chosen_id", "rejected_id", "group_id")
        .collect()
        .group_by("pair_id", "chosen_id", "rejected_id")
        .agg(pl.col("group_id").min())
        .sort("pair_id")
    )


def _with_folds(keys: pl.DataFrame, folds: int, seed: int) -> pl.DataFrame:
    groups = keys["group_id"].unique().sort().to_list()
    fold = pl.DataFrame(
        {"group_id": groups, "fold": [int(_share(f"fold {seed}", group) * folds) for group in groups]},
        schema={"group_id": pl.String, "fold": pl.Int32},
    )
    return keys.join(fold, on="group_id", how="left", maintain_order="left")


def _fold_of(keys: pl.DataFrame) -> pl.DataFrame:
    """The fold of each completion; of several groups the smallest id decides."""
    sides = [
        keys.select(pl.col(side).alias("completion_id"), "group_id", "fold")
        for side in ("chosen_id", "rejected_id")
    ]
    return (
        pl.concat(sides)
        .sort("completion_id", "group_id")
        .unique("completion_id", keep="first", maintain_order=True)
        .select("completion_id", "fold")
    )


def capped(keys: pl.DataFrame, most: int, seed: int) -> pl.DataFrame:
    """At most so many rows of `pair_keys`, those with the smallest keyed hash of the pair's id."""
    if len(keys) <= most:
        return keys
    rank = pl.Series("rank", [_share(f"train {seed}", pair) for pair in keys["pair_id"]])
    return keys.with_columns(rank).sort("rank", "pair_id").head(most).drop("rank").sort("pair_id")


def training_rows(pairs: pl.LazyFrame, media: MediaOf, keys: pl.DataFrame) -> PairRows:
    """Features of the pairs of `keys`, in its order."""
    ids = pl.concat([keys["chosen_id"], keys["rejected_id"]]).unique().sort()
    wanted = completions_of(pairs.filter(pl.col("pair_id").is_in(keys["pair_id"].implode())))
    rows = wanted.filter(pl.col("completion_id").is_in(ids.implode())).collect()
    parts = []
    for batch in rows.iter_slices(_BATCH):
        columns = ("media_ids", "completion_media_ids")
        found = media([media_id for name in columns for row in batch[name].to_list() for media_id in row])
        parts.append(features(items(batch, found)))
    place = {completion: row for row, completion in enumerate(rows["completion_id"])}
    every = type(parts[0]).joined(parts)
    sides = [
        every.take(np.array([place[completion] for completion in keys[side]]))
        for side in ("chosen_id", "rejected_id")
    ]
    ones = np.ones(len(keys), np.float32)
    return PairRows(sides[0], sides[1], ones, ones)


def _share(salt: str, key: str) -> float:
    """A number in [0, 1) that only salt and key decide."""
    digest = hashlib.blake2b(f"{salt}\0{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def digest_of(lines: Iterable[str]) -> str:
    """Hash of lines, hex."""
    digest = hashlib.blake2b(digest_size=8)
    for line in lines:
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()
