"""One set, noise and seed of `bench.curation`: noise planted, rules applied, heads trained and tested."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from bench import _curation_data as data
from bench import _curation_rules as rules
from bench._curation_cells import Cell
from filters.length_bias import report


def cell(store: Path, job: tuple[str, str, int]) -> Cell:
    import torch

    torch.set_num_threads(1)
    name, noise, seed = job
    clean, test = data.split(data.read(store, name), seed)
    flipped = data.flips(clean, noise, seed)
    train = clean.flipped(flipped)
    found = rules.detect(train, seed)
    left = {"clean": np.ones(len(train)), "nothing": np.ones(len(train))}
    left |= rules.versions(train, flipped, found, seed)
    scores = _scores(train, flipped, left, test, seed)
    detectors = {model: first - second for model, (first, second) in found.items()}
    detectors["default"] = rules.probabilities(train, rules.signal(train, found))
    detectors["surplus"] = rules.surplus(train, found)
    return Cell(
        *job, *scores,
        {model: _auroc(-values, flipped) for model, values in detectors.items()} if flipped.any() else {},
        {method: _length_auc(train.difference, weights) for method, weights in left.items()},
        {method: float((weights == 0).mean()) for method, weights in left.items()},
    )  # fmt: skip


def lengths(store: Path, job: tuple[str, int]) -> Cell:
    """The length rules on all training pairs of a set, labels as published."""
    import torch

    torch.set_num_threads(1)
    name, seed = job
    pairs = data.read(store, name)
    train, test = data.split(pairs, seed, most=len(pairs), tested=len(pairs))
    found = rules.detect(train, seed)
    left = {"nothing": np.ones(len(train)), "match": rules.balanced(train, found, policy="match")}
    left["match drawn"] = rules.balanced(train, policy="match")
    left["match over all"] = rules.balanced(train, found, policy="match", per_source=False)
    left["drawn over all"] = rules.balanced(train, policy="match", per_source=False)
    left["weight"] = rules.balanced(train, policy="weight")
    left["weight over all"] = rules.balanced(train, policy="weight", per_source=False)
    left["random"] = np.zeros(len(train))
    count = int((left["match"] > 0).sum())
    left["random"][np.random.default_rng(seed).permutation(len(train))[:count]] = 1
    return Cell(
        name, "none", seed, *_scores(train, np.zeros(len(train), bool), left, test, seed), {},
        {method: _length_auc(train.difference, weights) for method, weights in left.items()},
        {method: float((weights == 0).mean()) for method, weights in left.items()},
    )  # fmt: skip


def _scores(
    train: data.Pairs, flipped: np.ndarray, left: dict[str, np.ndarray], test: data.Pairs, seed: int
) -> tuple[dict[tuple[str, str], float], ...]:
    """`accuracy`, `balanced`, `within` and `correlation` of a `Cell`."""
    accuracy, balanced, within, correlation = {}, {}, {}, {}
    parts = [(test.table["part"] == part).to_numpy() for part in test.table["part"].unique().sort()]
    for trainer, found in _trained(train, flipped, left, test, seed).items():
        for method, margins in zip(left, found, strict=True):
            key, right = (trainer, method), margins > 0
            accuracy[key], balanced[key] = float(right.mean()), _balanced(right, test.difference)
            each = [_balanced(right[part], test.difference[part]) for part in parts]
            within[key] = float(np.average(each, weights=[part.sum() for part in parts]))
            correlation[key] = float(np.corrcoef(margins, test.difference)[0, 1])
    return accuracy, balanced, within, correlation


def _balanced(right: np.ndarray, difference: np.ndarray) -> float:
    """Accuracy where the longer and where the shorter one was preferred, alike."""
    return float(np.mean([right[difference > 0].mean(), right[difference < 0].mean()]))


def _trained(
    train: data.Pairs, flipped: np.ndarray, left: dict[str, np.ndarray], test: data.Pairs, seed: int
) -> dict[str, np.ndarray]:
    """Margins `[methods, test pairs]` by trainer."""
    from bench._curation_trainers import margins
    from bench._curation_trainers import train as run

    sign = np.ones((len(left), len(train)))
    if "clean" in left:
        sign[list(left).index("clean")] = np.where(flipped, -1, 1)
    weight = np.stack(list(left.values()))
    chance = np.random.default_rng(seed)
    groups = train.table["group_id"].unique().sort().to_list()
    share = dict(zip(groups, chance.random(len(groups)), strict=True))
    held = np.array([share[group] for group in train.table["group_id"]]) < 0.15
    return {
        "regularised": margins(run(train.inputs, sign, weight, held, seed, 12), test.inputs),
        "memorising": margins(run(train.inputs, sign, weight, None, seed, 25), test.inputs),
    }


def _auroc(score: np.ndarray, wrong: np.ndarray) -> float:
    ranks = np.argsort(np.argsort(score, kind="stable"), kind="stable")
    found = wrong.sum()
    return float((ranks[wrong].sum() - found * (found - 1) / 2) / (found * (len(wrong) - found)))


def _length_auc(difference: np.ndarray, weights: np.ndarray) -> float:
    sides = {"chosen_chars": difference, "rejected_chars": 0 * difference, "weight": weights}
    frame = pl.DataFrame({"source": "all", **sides}).filter(pl.col("weight") > 0)
    return float(report(frame)["auc"][0])
