"""What reward disagreement and length rules are worth on real pairs: `python -m bench.curation`.

Labels of real sources are turned, rules act on the training part, and heads on frozen features are trained on what
is left; accuracy is on held-out pairs of other prompts with the labels as published. Reads PREFMILL_REAL_DATA
(a folder beside the checkout by default); five seeds; minutes on two cores.
"""

from __future__ import annotations

import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl

from bench import _curation_data as data
from bench import _curation_rules as rules
from bench import _measure
from filters.length_bias import report

SEEDS = 5
STUDENT = (12.706, 4.303, 3.182, 2.776)  # 97.5% quantiles for 1 to 4 degrees of freedom
SHOWN = (
    "clean", "nothing", "random", "oracle", "ours", "ours, any length", "cross-fit", "dynamics", "small-loss",
    "confident", "match",
)  # fmt: skip
STRUCTURED = ("length", "ambiguous", "one source")


@dataclass(frozen=True)
class Cell:
    """One set, noise and seed. `accuracy` and `balanced`: (trainer, method); `auroc` by detector; `length_auc` and
    `dropped` by method."""

    name: str
    noise: str
    seed: int
    accuracy: dict[tuple[str, str], float]
    balanced: dict[tuple[str, str], float]
    auroc: dict[str, float]
    length_auc: dict[str, float]
    dropped: dict[str, float]


def cell(store: Path, job: tuple[str, str, int]) -> Cell:
    import torch

    torch.set_num_threads(1)
    name, noise, seed = job
    clean, test = data.split(data.read(store, name), seed)
    flipped = data.flips(clean, noise, seed)
    train = clean.flipped(flipped)
    found = rules.detect(train, seed)
    left = {"clean": np.ones(len(train), bool), "nothing": np.ones(len(train), bool)}
    left |= rules.versions(train, flipped, found, seed)
    accuracy, balanced = {}, {}
    for trainer, found_margins in _trained(train, flipped, left, test, seed).items():
        for method, margins in zip(left, found_margins, strict=True):
            right = margins > 0
            sides = [right[test.difference > 0].mean(), right[test.difference < 0].mean()]
            accuracy[trainer, method], balanced[trainer, method] = float(right.mean()), float(np.mean(sides))
    detectors = {model: first - second for model, (first, second) in found.items()}
    detectors["combined"] = rules.signal(train, found)["reward_margin"].fill_null(0).to_numpy()
    return Cell(
        *job, accuracy, balanced,
        {model: _auroc(-values, flipped) for model, values in detectors.items()} if flipped.any() else {},
        {method: _length_auc(train.difference[rows]) for method, rows in left.items()},
        {method: float(1 - rows.mean()) for method, rows in left.items()},
    )  # fmt: skip


def _trained(
    train: data.Pairs, flipped: np.ndarray, left: dict[str, np.ndarray], test: data.Pairs, seed: int
) -> dict[str, np.ndarray]:
    """Margins `[methods, test pairs]` by trainer."""
    from bench._curation_trainers import margins
    from bench._curation_trainers import train as run

    sign = np.ones((len(left), len(train)))
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


def _length_auc(difference: np.ndarray) -> float:
    frame = pl.DataFrame({"source": "all", "chosen_chars": difference, "rejected_chars": 0 * difference})
    return float(report(frame)["auc"][0])


def _interval(values: list[float]) -> str:
    """Mean and half of a 95% interval."""
    if len(values) == 1:
        return f"{values[0]:.3f}"
    spread = STUDENT[len(values) - 2] * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{np.mean(values):.3f}±{spread:.3f}"


def _tables(cells: list[Cell]) -> list[str]:
    lines = []
    for trainer in ("regularised", "memorising"):
        lines += ["", f"held-out accuracy, {trainer} trainer", " | ".join(["set", "noise", *SHOWN])]
        for (name, noise), rows in _by(cells):
            found = [_interval([one.accuracy[trainer, method] for one in rows]) for method in SHOWN]
            lines.append(" | ".join([name, noise, *found]))
    lines += ["", "finding the flips, AUROC", "set | noise | cross-fit | dynamics | early | combined"]
    for (name, noise), rows in _by(cells):
        if rows[0].auroc:
            found = [_interval([one.auroc[model] for one in rows]) for model in rows[0].auroc]
            lines.append(" | ".join([name, noise, *found]))
    for title, field in (("share dropped", "dropped"), ("AUC of length alone", "length_auc")):
        lines += ["", title, " | ".join(["set", "noise", *SHOWN[1:]])]
        for (name, noise), rows in _by(cells):
            means = [np.mean([getattr(one, field)[method] for one in rows]) for method in SHOWN[1:]]
            lines.append(" | ".join([name, noise, *(f"{mean:.3f}" for mean in means)]))
    lines += ["", "labels as published: accuracy balanced over length", "set | trainer | nothing | match"]
    for (name, noise), rows in _by(cells):
        if noise == "none":
            for trainer in ("regularised", "memorising"):
                pair = [
                    _interval([one.balanced[trainer, method] for one in rows]) for method in ("nothing", "match")
                ]
                lines.append(" | ".join([name, trainer, *pair]))
    return lines


def _by(cells: list[Cell]) -> list[tuple[tuple[str, str], list[Cell]]]:
    groups: dict[tuple[str, str], list[Cell]] = {}
    for one in cells:
        groups.setdefault((one.name, one.noise), []).append(one)
    return list(groups.items())


def _won_back(cells: list[Cell], method: str) -> float:
    """The share of the accuracy lost to noise that a method wins back, over all cells."""
    trainer = "memorising"
    won = sum(one.accuracy[trainer, method] - one.accuracy[trainer, "nothing"] for one in cells)
    lost = sum(one.accuracy[trainer, "clean"] - one.accuracy[trainer, "nothing"] for one in cells)
    return won / lost if lost > 0 else float("nan")


def _result(cells: list[Cell]) -> list[str]:
    uniform = [one for one in cells if one.noise == "uniform 20"]
    noisy = [one for one in cells if one.noise in ("uniform 20", *STRUCTURED)]
    found = {model: np.mean([one.auroc[model] for one in uniform]) for model in uniform[0].auroc}
    best = max(value for model, value in found.items() if model != "combined")
    calm = [(name, noise, rows) for (name, noise), rows in _by(cells) if noise in ("none", "uniform 20")]
    harm = max(
        np.mean([one.accuracy["regularised", "nothing"] - one.accuracy["regularised", "ours"] for one in rows])
        for _, _, rows in calm
    )
    clean = [one for one in cells if one.noise == "none"]
    gain = np.mean(
        [one.balanced["regularised", "match"] - one.balanced["regularised", "nothing"] for one in clean]
    )
    rise = np.mean([one.length_auc["ours"] - one.length_auc["nothing"] for one in uniform])
    shares = [f"{method} {_won_back(noisy, method):.3f}" for method in SHOWN[2:-1]]
    return [
        "",
        f"lost accuracy won back, memorising trainer, uniform 20 and structured noise: {', '.join(shares)}",
        f"RESULT auroc_vs_best={found['combined'] - best:+.3f} "
        f"recovered_minus_cleanlab={_won_back(noisy, 'ours') - _won_back(noisy, 'confident'):+.3f} "
        f"harm={max(0.0, harm):.4f} length_auc_after={np.mean([one.length_auc['match'] for one in clean]):.3f} "
        f"length_auc_rise={rise:+.3f} balanced_gain={gain:+.3f}",
    ]


def main() -> None:
    started = time.perf_counter()
    cells: list[Cell] = []
    with tempfile.TemporaryDirectory() as folder:
        data.ingest_all(Path(folder))
        spawn = get_context("spawn")  # polars does not survive a fork
        with ProcessPoolExecutor(2, mp_context=spawn) as pool:
            for seed in range(SEEDS):
                jobs = [(name, noise, seed) for name in data.SETS for noise in data.planned(name)]
                cells += pool.map(partial(cell, Path(folder)), jobs)
                print(f"seed {seed} done after {time.perf_counter() - started:.0f} s", file=sys.stderr)
                _keep(cells, seed + 1, started)


def _keep(cells: list[Cell], seeds: int, started: float) -> None:
    head = (
        f"{seeds} seeds, at most {data.TRAIN} training and {data.TEST} test pairs, "
        f"{time.perf_counter() - started:.0f} s; mean and 95% interval"
    )
    _measure.keep("curation", [head, *_tables(cells), *_result(cells)])


if __name__ == "__main__":
    main()
