"""What finds wrong labels, and what is then done with them: the project's rules beside those of others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from bench._curation_data import Pairs, rewards
from filters import _apply
from filters import length_bias as lengths
from filters import reward_disagreement as disagreement
from rewards.dynamics import EVERY, SETTINGS, TRAININGS
from rewards.fit import HeadSettings, fit

FOLDS = 5


def detect(train: Pairs, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Rewards of chosen and rejected, `[pairs]` each, by the two models of the default recipe, and by `early`, the
    first heads of the second one: what small-loss methods go by."""
    chance = np.random.default_rng(seed)
    groups = train.table["group_id"].unique().sort().to_list()
    drawn = dict(zip(groups, chance.random((len(groups), 2)), strict=True))
    fold, held = np.array([drawn[group] for group in train.table["group_id"]]).T
    crossed = np.zeros((2, len(train)))
    for number in range(FOLDS):
        away = (fold * FOLDS).astype(int) == number
        seen, stop = np.flatnonzero(~away & (held >= 0.1)), np.flatnonzero(~away & (held < 0.1))
        settings = HeadSettings(seed=seed + number)
        head = fit(train.rows.take(seen), train.rows.take(stop), settings).head
        crossed[:, away] = rewards(head, train.rows.take(np.flatnonzero(away)))
    heads: list[tuple[int, np.ndarray]] = []
    for number in range(TRAININGS):
        fit(
            train.rows,
            None,
            replace(SETTINGS, seed=seed + number),
            lambda epoch, head: heads.append((epoch, np.stack(rewards(head, train.rows)))),
        )
    along = np.mean([found for epoch, found in heads if epoch % EVERY == 0], axis=0)
    early = np.mean([found for epoch, found in heads if epoch <= EVERY], axis=0)
    return {"cross-fit": (crossed[0], crossed[1]), "dynamics": (along[0], along[1]), "early": (early[0], early[1])}


def signal(train: Pairs, found: dict[str, tuple[np.ndarray, np.ndarray]]) -> pl.DataFrame:
    """The project's signal of reward disagreement on the two models, in the order of the pairs."""
    parts = [
        pl.DataFrame({"model": [model] * len(train), "completion_id": train.table[f"{side}_id"], "reward": values})
        for model in ("cross-fit", "dynamics")
        for side, values in zip(("chosen", "rejected"), found[model], strict=True)
    ]
    rows = pl.concat(parts).unique(["model", "completion_id"], keep="first", maintain_order=True)
    made = pl.from_arrow(
        _apply.run_signal("reward_disagreement", {"pairs": train.table.lazy(), "rewards": rows.lazy()})
    )
    assert isinstance(made, pl.DataFrame)
    return train.table.select("pair_id").join(made, on="pair_id", how="left", maintain_order="left")


def survivors(train: Pairs) -> pl.DataFrame:
    """The pairs as rules take them."""
    return train.table.select("source", "pair_id", source_order=pl.lit(0), criterion=pl.lit("overall"))


def kept(train: Pairs, name: str, rows: pl.DataFrame, params: object) -> np.ndarray:
    """Bool `[pairs]`: what a rule of the project leaves."""
    made = _apply.decide(name, survivors(train), rows, params)  # type: ignore[arg-type]
    gone = made.filter(pl.col("action") == "drop")["pair_id"]
    return ~train.table["pair_id"].is_in(gone.implode()).to_numpy()


def matched(train: Pairs) -> np.ndarray:
    """Bool `[pairs]`: what the length rule leaves."""
    made = pl.from_arrow(_apply.run_signal("length_bias", {"pairs": train.table.lazy()}))
    assert isinstance(made, pl.DataFrame)
    return kept(train, "length_bias", made, lengths.Rule())


def versions(train: Pairs, flipped: np.ndarray, found: dict[str, tuple[np.ndarray, np.ndarray]], seed: int
) -> dict[str, np.ndarray]:  # fmt: skip
    """Bool `[pairs]` by method: what it leaves. Small-loss and the two single detectors are told the true number
    of flips, which nobody knows; the project's rule and confident learning are not.
    """
    margin = {name: first - second for name, (first, second) in found.items()}
    rows = signal(train, found)
    ours = kept(train, "reward_disagreement", rows, disagreement.Rule())
    random = np.ones(len(train), bool)
    random[np.random.default_rng(seed).permutation(len(train))[: int((~ours).sum())]] = False

    def without(values: np.ndarray, count: int) -> np.ndarray:
        left = np.ones(len(train), bool)
        left[np.argsort(values, kind="stable")[:count]] = False
        return left

    count = int(flipped.sum())
    return {
        "random": random,
        "oracle": ~flipped,
        "ours": ours,
        "ours, any length": kept(train, "reward_disagreement", rows, disagreement.Rule(at_equal_length=False)),
        "cross-fit": without(margin["cross-fit"], count),
        "dynamics": without(margin["dynamics"], count),
        "small-loss": without(margin["early"], count),
        "confident": without(margin["cross-fit"], confident(margin["cross-fit"])),
        "match": matched(train),
    }


def confident(margins: np.ndarray) -> int:
    """How many labels confident learning (Northcutt et al. 2021) holds to be wrong, when each pair is shown both
    ways round: of the labels whose own or whose opposite's probability reaches the mean probability of given
    labels, the share of the latter, times all.
    """
    given = 1 / (1 + np.exp(-margins))
    limit = given.mean()
    agree = (given >= limit) & (given >= 0.5)
    against = (1 - given >= limit) & (given < 0.5)
    return int(len(margins) * against.sum() / max(1, int(against.sum() + agree.sum())))
