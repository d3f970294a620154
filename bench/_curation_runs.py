"""One set, noise and seed of `bench.curation`: noise planted, rules applied, heads trained and tested."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from bench import _curation_data as data
from bench import _curation_rules as rules
from bench._curation_cells import Cell
from bench._curation_rules import Curated
from filters.length_bias import report


def cell(store: Path, job: tuple[str, str, int]) -> Cell:
    import torch

    torch.set_num_threads(1)
    name, noise, seed = job
    clean, test = data.split(data.read(store, name), seed)
    flipped = data.flips(clean, noise, seed)
    train = clean.flipped(flipped)
    found = rules.detect(train, seed)
    found["independent"] = data.rewards(data.independent(store, name), train.rows)
    left = rules.versions(train, flipped, found, seed)
    detectors = {model: first - second for model, (first, second) in found.items()}
    detectors["default"] = rules.probabilities(train, rules.signal(train, found))
    detectors["surplus"] = rules.surplus(train, found)
    auroc = {model: _auroc(-values, flipped) for model, values in detectors.items()} if flipped.any() else {}
    return Cell(*job, *_scores(train, left, test, seed), auroc, *_facts(train, left))


def lengths(store: Path, job: tuple[str, int]) -> Cell:
    """The length rules on all training pairs of a set, labels as published."""
    import torch

    torch.set_num_threads(1)
    name, seed = job
    pairs = data.read(store, name)
    train, test = data.split(pairs, seed, most=len(pairs), tested=len(pairs))
    found = rules.detect(train, seed)
    left = {
        "nothing": rules.Curated.weighed(np.ones(len(train))),
        "match": rules.balanced(train, found, policy="match"),
        "match drawn": rules.balanced(train, policy="match"),
        "match over all": rules.balanced(train, found, policy="match", per_source=False),
        "drawn over all": rules.balanced(train, policy="match", per_source=False),
        "weight": rules.balanced(train, policy="weight"),
        "weight over all": rules.balanced(train, policy="weight", per_source=False),
        "cap": rules.balanced(train, policy="cap", ratio=2.0),
    }
    drawn = np.random.default_rng(seed).permutation(len(train)) < (left["match"].weight > 0).sum()
    left["random"] = rules.Curated.weighed(drawn.astype(float))
    return Cell(name, "none", seed, *_scores(train, left, test, seed), {}, *_facts(train, left))


def _facts(train: data.Pairs, left: dict[str, Curated]) -> tuple[dict[str, float], ...]:
    """`length_auc`, `longer` and `dropped` of a `Cell`, for a trainer that honours weights and soft labels."""
    auc, longer, dropped = {}, {}, {}
    for method, one in left.items():
        turned = one.soft < 0.5
        sides = {
            "chosen_chars": np.where(turned, -1, 1) * train.difference,
            "rejected_chars": 0 * train.difference,
            "weight": one.weight * np.abs(2 * one.soft - 1),
        }
        told = report(pl.DataFrame({"source": "all", **sides}).filter(pl.col("weight") > 0)).row(0, named=True)
        auc[method], longer[method] = told["auc"], told["longer_share"]
        dropped[method] = float((one.weight == 0).mean())
    return auc, longer, dropped


def _scores(
    train: data.Pairs, left: dict[str, Curated], test: data.Pairs, seed: int
) -> tuple[dict[tuple[str, str], float], ...]:
    """`accuracy`, `balanced`, `within` and `correlation` of a `Cell`."""
    accuracy, balanced, within, correlation = {}, {}, {}, {}
    parts = [(test.table["part"] == part).to_numpy() for part in test.table["part"].unique().sort()]
    for trainer, found in _trained(train, left, test, seed).items():
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


def _trained(train: data.Pairs, left: dict[str, Curated], test: data.Pairs, seed: int) -> dict[str, np.ndarray]:
    """Margins `[methods, test pairs]` by trainer."""
    from bench._curation_trainers import margins
    from bench._curation_trainers import train as run

    soft = np.stack([one.soft for one in left.values()])
    weight = np.stack([one.weight for one in left.values()])
    chance = np.random.default_rng(seed)
    groups = train.table["group_id"].unique().sort().to_list()
    share = dict(zip(groups, chance.random(len(groups)), strict=True))
    held = np.array([share[group] for group in train.table["group_id"]]) < 0.15
    return {
        "regularised": margins(run(train.inputs, soft, weight, held, seed, 12), test.inputs),
        "memorising": margins(run(train.inputs, soft, weight, None, seed, 25), test.inputs),
    }


def _auroc(score: np.ndarray, wrong: np.ndarray) -> float:
    ranks = np.argsort(np.argsort(score, kind="stable"), kind="stable")
    found = wrong.sum()
    return float((ranks[wrong].sum() - found * (found - 1) / 2) / (found * (len(wrong) - found)))
