"""What finds wrong labels, and what is then done with them: the project's rules beside those of others."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from bench._curation_data import Pairs, rewards
from filters import _apply
from filters import length_bias as lengths
from filters import reward_disagreement as disagreement
from filters._calibration import length_share
from rewards.dynamics import LOOKS, SETTINGS, TRAININGS
from rewards.fit import HeadSettings, fit

Found = dict[str, tuple[np.ndarray, np.ndarray]]  # model -> rewards of chosen and of rejected, `[pairs]` each
FOLDS = 5
EVERY = 3  # epochs between the heads that the area under the margin averages
# The default rule's own probabilities, for all pairs.
ALL = disagreement.Rule(policy="soften", below=1, quantile=1, floor=0, at_equal_length="no")


@dataclass(frozen=True)
class Curated:
    """Training pairs after a method, `[pairs]` each: `weight`, 0 where dropped, and `soft`, how probably the label
    is right (0: turned)."""

    weight: np.ndarray
    soft: np.ndarray

    @staticmethod
    def weighed(weight: np.ndarray) -> Curated:
        return Curated(weight, np.ones(len(weight)))


def detect(train: Pairs, seed: int) -> Found:
    """Rewards of chosen and rejected, `[pairs]` each: by the two models of the default recipe, and by single
    moments of the second one's trainings: `early` (what small-loss methods go by), `late`, and their `area`."""
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

    def look(epoch: int, head: object) -> None:
        if epoch <= EVERY or epoch % EVERY == 0 or epoch in LOOKS:
            heads.append((epoch, np.stack(rewards(head, train.rows))))

    for number in range(TRAININGS):
        fit(train.rows, None, replace(SETTINGS, seed=seed + number), look)
    looks = [found / np.abs(found[0] - found[1]).mean() for epoch, found in heads if epoch in LOOKS]
    moments = {
        "early": [found for epoch, found in heads if epoch <= EVERY],
        "late": [found for epoch, found in heads if epoch == SETTINGS.epochs],
        "area": [found for epoch, found in heads if epoch % EVERY == 0],
    }
    both = {"cross-fit": crossed, "dynamics": np.mean(looks, axis=0)}
    both |= {name: np.mean(found, axis=0) for name, found in moments.items()}
    return {name: (found[0], found[1]) for name, found in both.items()}


def signal(train: Pairs, found: Found) -> pl.DataFrame:
    """The project's signal of reward disagreement on the two models, in the order of the pairs."""
    tables = {"pairs": train.table.lazy(), "rewards": _table(train, found)}
    made = pl.from_arrow(_apply.run_signal("reward_disagreement", tables))
    assert isinstance(made, pl.DataFrame)
    return train.table.select("pair_id").join(made, on="pair_id", how="left", maintain_order="left")


def _table(train: Pairs, found: Found) -> pl.LazyFrame:
    """The rewards of the default recipe's two models."""
    parts = [
        pl.DataFrame({"model": [model] * len(train), "completion_id": train.table[f"{side}_id"], "reward": values})
        for model in ("cross-fit", "dynamics")
        for side, values in zip(("chosen", "rejected"), found[model], strict=True)
    ]
    return pl.concat(parts).unique(["model", "completion_id"], keep="first", maintain_order=True).lazy()


def survivors(train: Pairs) -> pl.DataFrame:
    """The pairs as rules take them."""
    ids = ("source", "pair_id", "criterion", "chosen_id", "rejected_id")
    facts = {"source_order": pl.lit(0), "modality": pl.lit("text")}
    facts |= {"flipped": pl.lit(False), "weight": pl.lit(None, pl.Float64)}
    return train.table.select(*ids, **facts)


def curated(train: Pairs, name: str, rows: pl.DataFrame, params: object) -> Curated:
    """What a rule of the project makes of the pairs."""
    made = _apply.decide(name, survivors(train), rows, params)  # type: ignore[arg-type]
    action, value = pl.col("action"), pl.col("value")
    told = train.table.select("source", "pair_id").join(
        made.select(
            "source",
            "pair_id",
            weight=pl.when(action == "drop").then(0.0).when(action == "weight").then(value),
            soft=pl.when(action == "flip").then(0.0).when(action == "soften").then(value),
        ),
        on=["source", "pair_id"],
        how="left",
        maintain_order="left",
    )
    return Curated(told["weight"].fill_null(1.0).to_numpy(), told["soft"].fill_null(1.0).to_numpy())


def probabilities(train: Pairs, rows: pl.DataFrame) -> np.ndarray:
    """What the default recipe holds each label's probability to be, `[pairs]`; 1 where it abstains."""
    return curated(train, "reward_disagreement", rows, ALL).soft


def balanced(train: Pairs, found: Found | None = None, **params: object) -> Curated:
    """After the length rule, with the default recipe's two models or without any."""
    tables = {"pairs": train.table.lazy(), **({} if found is None else {"rewards": _table(train, found)})}
    made = pl.from_arrow(_apply.run_signal("length_bias", tables))
    assert isinstance(made, pl.DataFrame)
    return curated(train, "length_bias", made, lengths.Rule.model_validate(params))


def surplus(train: Pairs, found: Found) -> np.ndarray:
    """How right each label looks to whoever expects labels to follow length, `[pairs]`: the mean margin of the two
    models less what length predicts of it, and two units less where the longer one won."""
    each = [first - second for first, second in (found["cross-fit"], found["dynamics"])]
    mean = np.mean([margin / np.abs(margin).mean() for margin in each], axis=0)
    share = length_share(mean, train.difference)
    return mean - (0 if share is None else share) - 2 * (train.difference > 0)


def versions(train: Pairs, flipped: np.ndarray, found: Found, seed: int) -> dict[str, Curated]:
    """The training pairs by method. Small-loss and the single detectors are told the true number of flips, which
    nobody knows; the project's rule and confident learning are not.
    """
    margin = {name: first - second for name, (first, second) in found.items()}
    rows, count = signal(train, found), int(flipped.sum())

    def without(values: np.ndarray, count: int) -> Curated:
        left = np.ones(len(train))
        left[np.argsort(values, kind="stable")[:count]] = 0
        return Curated.weighed(left)

    def ruled(**params: object) -> Curated:
        return curated(train, "reward_disagreement", rows, disagreement.Rule.model_validate(params))

    ours, whole = ruled(), np.ones(len(train))
    drawn = np.random.default_rng(seed).permutation(len(train)).astype(float)
    return {
        "clean": Curated(whole, (~flipped).astype(float)),
        "nothing": Curated.weighed(whole),
        "random": without(drawn, int((ours.weight == 0).sum())),
        "oracle": Curated.weighed((~flipped).astype(float)),
        "ours": ours,
        "any length": ruled(at_equal_length="no"),
        "judged equal": ruled(at_equal_length="judge"),
        "careful": ruled(prior="estimated", at_equal_length="judge", below=0.4, min_agreement=0.55),
        "flip": ruled(policy="flip"),
        "soften": ruled(policy="soften"),
        "weight": ruled(policy="weight"),
        "scaled": ruled(policy="weight", scaling="margin"),
        "keep if agree": ruled(policy="keep_if_agree", gold="cross-fit", others=["dynamics"], min_agreement=0.5),
        "cross-fit": without(margin["cross-fit"], count),
        "dynamics": without(margin["dynamics"], count),
        "small-loss": without(margin["early"], count),
        "matched": balanced(train, found, policy="match"),
        "confident": without(margin["cross-fit"], confident(margin["cross-fit"])),
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
