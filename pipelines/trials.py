"""Pairs with frozen features, cut into parts by group: what trial heads are trained, stopped and judged on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from mixtures._sample import uniform
from pairs.errors import PrefmillError
from pairs.store import Store
from rewards.bilevel import Labelled
from rewards.compare import Outcomes, won
from rewards.frozen import states_of
from rewards.heads import FrozenPairs, HeadsSettings, TrainingSet, fit_heads, margins, standardised

SIDES = ["chosen_id", "rejected_id"]


@dataclass(frozen=True)
class Pool:
    """`table` has a row per pair: `source, pair_id, group_id, held_out` (its source never trains), `soft_label`
    and `weight` (null: certain, and one). `pairs` are their frozen features, in the same order."""

    table: pl.DataFrame
    pairs: FrozenPairs

    def sources(self, held_out: bool) -> list[str]:
        """The sources that train, or those that never do, sorted."""
        return self.table.filter(pl.col("held_out") == held_out)["source"].unique().sort().to_list()


def gather(store: Store, fingerprint: str, table: pl.DataFrame) -> Pool:
    """The pairs of `table` (the columns of a pool, `chosen_id, rejected_id, flipped`) with their states from the
    store. A pair with a completion that the extractor could not read whole is left out."""
    ids = pl.concat([table[side] for side in SIDES]).unique()
    rows, states = states_of(store, fingerprint, ids)
    for side in SIDES:
        row = rows.rename({"completion_id": side, "row": f"{side[:-3]}_row"})
        table = table.join(row, on=side, how="inner", maintain_order="left")
    turned = pl.col("flipped")
    sides = table.select(
        chosen=pl.when(turned).then("rejected_row").otherwise("chosen_row").cast(pl.Int64),
        rejected=pl.when(turned).then("chosen_row").otherwise("rejected_row").cast(pl.Int64),
    )
    pairs = FrozenPairs(standardised(states), sides["chosen"].to_numpy(), sides["rejected"].to_numpy())
    return Pool(table.drop("chosen_row", "rejected_row"), pairs)


@dataclass(frozen=True)
class Parts:
    """Places of pairs, int64: `train` by source; `stop` decides when a head stops; mixtures are compared on
    `measure` and the proposal is confirmed on `confirm`. No group is in two of them."""

    train: dict[str, np.ndarray]
    stop: np.ndarray
    measure: np.ndarray
    confirm: np.ndarray


def cut(pool: Pool, seed: int) -> Parts:
    """Cut by a keyed hash of the group: 50 % of a training source's groups train, 10 % stop, 20 % measure and 20 %
    confirm; a held-out source's are halved. A group that a held-out source holds too never trains.

    Raises `PrefmillError` when a source has nothing left to train on.
    """
    table, u = pool.table, uniform(seed, "trials", pool.table["group_id"])
    held = table["held_out"].to_numpy()
    shared = table["group_id"].is_in(table.filter("held_out")["group_id"].unique().implode()).to_numpy()
    own = ~held & ~shared
    names = table["source"].to_numpy()
    train = {name: np.flatnonzero(own & (u >= 0.5) & (names == name)) for name in pool.sources(False)}
    for name, places in train.items():
        if not len(places):
            raise PrefmillError(
                f"source {name}: none of its {int((names == name).sum())} pairs is left to train on; "
                "its prompts are in held-out sets, or it is too small: take it out of the search"
            )
    return Parts(
        train,
        np.flatnonzero(own & (u >= 0.4) & (u < 0.5)),
        np.flatnonzero((own & (u < 0.2)) | (held & (u < 0.5))),
        np.flatnonzero((own & (u >= 0.2) & (u < 0.4)) | (held & (u >= 0.5))),
    )


def mixed(pool: Pool, parts: Parts, proportions: Sequence[float], size: int, seed: int) -> TrainingSet:
    """`size` pairs in these proportions of the sources of `parts.train`, in their order: a source with too few
    gives each of its pairs as often as the others, one more at most, as in a published mixture."""
    chance, rows = np.random.default_rng(seed), []
    for places, share in zip(parts.train.values(), proportions, strict=True):
        order, count = chance.permutation(places), round(share * size)
        rows += [np.tile(order, count // len(order)), order[: count % len(order)]]
    return learned(pool, np.concatenate(rows), parts.stop, dict(zip(parts.train, proportions, strict=True)))


def labelled(pool: Pool, rows: np.ndarray) -> Labelled:
    """The pairs at `rows` with their labels and weights."""
    soft = pool.table["soft_label"].fill_null(1.0).to_numpy().astype(np.float32)
    weight = pool.table["weight"].fill_null(1.0).to_numpy().astype(np.float32)
    return Labelled(rows, soft[rows], weight[rows])


def learned(pool: Pool, rows: np.ndarray, stop: np.ndarray, shares: Mapping[str, float]) -> TrainingSet:
    """The pairs at `rows` as a training set; stopping pairs count by the share of their source."""
    known = labelled(pool, rows)
    names, source = np.unique(pool.table["source"].to_numpy()[stop], return_inverse=True)
    counts = np.bincount(source, minlength=len(names))
    heavy = np.array([shares.get(str(name), 0.0) for name in names]) / np.maximum(counts, 1)
    return TrainingSet(rows, known.soft, known.weight, heavy[source].astype(np.float32))


def judge(
    pool: Pool, parts: Parts, sets: Sequence[TrainingSet], rows: np.ndarray, settings: HeadsSettings
) -> np.ndarray:
    """Train a head on each set and judge the pairs at `rows`: 1 right, 0 wrong, a half for a tie, [sets, rows]."""
    heads = fit_heads(pool.pairs, sets, parts.stop, settings)
    return won(margins(pool.pairs, heads, rows))


def outcomes(pool: Pool, right: np.ndarray, rows: np.ndarray, names: Sequence[str]) -> Outcomes:
    """`right` [seeds, rows] as outcomes on the sets of the given names."""
    sets = _set_of(pool, rows, names)
    groups = pool.table["group_id"].rank("dense").cast(pl.Int64).to_numpy()[rows]
    kept = sets >= 0
    return Outcomes(right[:, kept], sets[kept], groups[kept])


def by_set(pool: Pool, right: np.ndarray, rows: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Accuracy of each mixture on each named set, [mixtures, names]; NaN where a set has no pair. `right` is
    [mixtures, rows]."""
    sets = _set_of(pool, rows, names)
    parts = [right[:, sets == number] for number in range(len(names))]
    return np.stack([part.mean(axis=1) if part.size else np.full(len(right), np.nan) for part in parts], axis=1)


def _set_of(pool: Pool, rows: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """The place of the set of each pair among `names`, int64 [rows]; -1 for another set."""
    numbers = pool.table["source"].replace_strict(
        list(names), range(len(names)), default=-1, return_dtype=pl.Int64
    )
    return numbers.to_numpy()[rows]
