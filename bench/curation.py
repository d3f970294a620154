"""What reward disagreement and length rules are worth on real pairs: `python -m bench.curation [seed ...]`.

Labels of real sources are turned, rules act on the training part, and heads on frozen features are trained on what
is left; accuracy is on held-out pairs of other prompts with the labels as published. Reads PREFMILL_REAL_DATA
(a folder beside the checkout by default); five seeds; minutes on two cores.
"""

from __future__ import annotations

import sys
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

SEEDS = (0, 1, 2, 3, 4)
STUDENT = (12.706, 4.303, 3.182, 2.776)  # 97.5% quantiles for 1 to 4 degrees of freedom
SHOWN = (
    "clean", "nothing", "random", "oracle", "ours", "any length", "judged equal", "careful", "matched",
    "cross-fit", "dynamics", "small-loss", "confident",
)  # fmt: skip
SINGLE = ("cross-fit", "early", "late", "area")  # detectors; `dynamics` is early and late, `default` all
LEANING = (data.TOGETHER, "HH", "P")  # sets in which the longer one wins more often, the largest first
TRAINERS = ("regularised", "memorising")
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
    left = {"clean": np.ones(len(train)), "nothing": np.ones(len(train))}
    left |= rules.versions(train, flipped, found, seed)
    accuracy, balanced = _scores(train, flipped, left, test, seed)
    detectors = {model: first - second for model, (first, second) in found.items()}
    detectors["default"] = rules.probabilities(train, rules.signal(train, found))
    detectors["surplus"] = rules.surplus(train, found)
    return Cell(
        *job, accuracy, balanced,
        {model: _auroc(-values, flipped) for model, values in detectors.items()} if flipped.any() else {},
        {method: _length_auc(train.difference, weights) for method, weights in left.items()},
        {method: float((weights == 0).mean()) for method, weights in left.items()},
    )  # fmt: skip


def lengths(store: Path, job: tuple[str, int]) -> Cell:
    """The length rules on all training pairs of a set, labels as published."""
    import torch

    torch.set_num_threads(1)
    name, seed = job
    train, test = data.split(data.read(store, name), seed, most=len(data.read(store, name)))
    left = {"nothing": np.ones(len(train)), "match": rules.balanced(train, "match", rules.detect(train, seed))}
    left |= {"match, drawn": rules.balanced(train, "match"), "weight": rules.balanced(train, "weight")}
    left["random"] = np.zeros(len(train))
    count = int((left["match"] > 0).sum())
    left["random"][np.random.default_rng(seed).permutation(len(train))[:count]] = 1
    accuracy, balanced = _scores(train, np.zeros(len(train), bool), left, test, seed)
    return Cell(
        name, "none", seed, accuracy, balanced, {},
        {method: _length_auc(train.difference, weights) for method, weights in left.items()},
        {method: float((weights == 0).mean()) for method, weights in left.items()},
    )  # fmt: skip


def _scores(
    train: data.Pairs, flipped: np.ndarray, left: dict[str, np.ndarray], test: data.Pairs, seed: int
) -> tuple[dict[tuple[str, str], float], dict[tuple[str, str], float]]:
    """Accuracy as found and balanced over length, by trainer and method."""
    accuracy, balanced = {}, {}
    for trainer, found in _trained(train, flipped, left, test, seed).items():
        for method, margins in zip(left, found, strict=True):
            right = margins > 0
            sides = [right[test.difference > 0].mean(), right[test.difference < 0].mean()]
            accuracy[trainer, method], balanced[trainer, method] = float(right.mean()), float(np.mean(sides))
    return accuracy, balanced


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


def _interval(values: list[float]) -> str:
    """Mean and half of a 95% interval."""
    if len(values) == 1:
        return f"{values[0]:.3f}"
    spread = STUDENT[len(values) - 2] * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{np.mean(values):.3f}±{spread:.3f}"


def _tables(cells: list[Cell], long: list[Cell]) -> list[str]:
    lines = []
    for what in ("accuracy", "balanced"):
        title = "held-out accuracy" + ("" if what == "accuracy" else " balanced over length")
        for trainer in TRAINERS:
            lines += ["", f"{title}, {trainer} trainer", " | ".join(["set", "noise", *SHOWN])]
            for (name, noise), rows in _by(cells):
                found = [_interval([getattr(one, what)[trainer, method] for one in rows]) for method in SHOWN]
                lines.append(" | ".join([name, noise, *found]))
    models = list(next(one for one in cells if one.auroc).auroc)
    lines += ["", "finding the flips, AUROC", " | ".join(["set", "noise", *models])]
    for (name, noise), rows in _by(cells):
        if rows[0].auroc:
            lines.append(" | ".join([name, noise, *(_interval([one.auroc[m] for one in rows]) for m in models)]))
    for title, field in (("share dropped", "dropped"), ("AUC of length alone", "length_auc")):
        lines += ["", title, " | ".join(["set", "noise", *SHOWN[1:]])]
        for (name, noise), rows in _by(cells):
            means = [np.mean([getattr(one, field)[method] for one in rows]) for method in SHOWN[1:]]
            lines.append(" | ".join([name, noise, *(f"{mean:.3f}" for mean in means)]))
    methods = list(long[0].dropped)
    lines += [
        "",
        "length rules, labels as published, all training pairs",
        "set | measure | " + " | ".join(methods),
    ]
    for (name, _), rows in _by(long):
        for trainer in TRAINERS:
            for title, field in (("as found", "accuracy"), ("balanced", "balanced")):
                found = [_interval([getattr(one, field)[trainer, method] for one in rows]) for method in methods]
                lines.append(" | ".join([name, f"{trainer}, {title}", *found]))
        for title, field in (("share dropped", "dropped"), ("AUC of length alone", "length_auc")):
            means = [f"{np.mean([getattr(one, field)[method] for one in rows]):.3f}" for method in methods]
            lines.append(" | ".join([name, title, *means]))
    return lines


def _by(cells: list[Cell]) -> list[tuple[tuple[str, str], list[Cell]]]:
    groups: dict[tuple[str, str], list[Cell]] = {}
    for one in cells:
        groups.setdefault((one.name, one.noise), []).append(one)
    return list(groups.items())


def _won_back(cells: list[Cell], method: str, trainer: str = "memorising", what: str = "accuracy") -> float:
    """The share of the accuracy lost to noise that a method wins back, over all cells."""
    found = [getattr(one, what) for one in cells]
    won = sum(one[trainer, method] - one[trainer, "nothing"] for one in found)
    lost = sum(one[trainer, "clean"] - one[trainer, "nothing"] for one in found)
    return won / lost if lost > 0 else float("nan")


def _gains(cells: list[Cell], rule: str, trainer: str = "regularised", what: str = "balanced") -> list[float]:
    """By seed: what a rule adds to the accuracy, or to the balanced accuracy, mean over cells."""
    gains: dict[int, list[float]] = {}
    for one in cells:
        scores = getattr(one, what)
        gains.setdefault(one.seed, []).append(scores[trainer, rule] - scores[trainer, "nothing"])
    return [float(np.mean(of_seed)) for of_seed in gains.values()]


def _length_lines(cells: list[Cell], long: list[Cell]) -> list[str]:
    """What the length rules add to balanced accuracy: labels as published, and those that follow length."""
    lines = []
    for name in LEANING:
        at = [one for one in long if one.name == name]
        for trainer in TRAINERS:
            found = [f"{rule} {_interval(_gains(at, rule, trainer))}" for rule in list(at[0].dropped)[1:]]
            lines.append(f"gain of balanced accuracy on {name}, {trainer}: {'; '.join(found)}")
    follow = [one for one in cells if one.noise == "length"]
    for trainer in TRAINERS:
        found = [
            f"{rule} {_interval(_gains(follow, rule, trainer, 'accuracy'))} as found, "
            f"{_interval(_gains(follow, rule, trainer))} balanced"
            for rule in ("oracle", "ours", "matched", "confident", "small-loss")
        ]
        lines.append(f"gain where labels follow length, {trainer}: {'; '.join(found)}")
    return lines


def _result(cells: list[Cell], long: list[Cell]) -> list[str]:
    uniform = [one for one in cells if one.noise == "uniform 20"]
    noisy = [one for one in cells if one.noise in ("uniform 20", *STRUCTURED)]
    found = {model: np.mean([one.auroc[model] for one in uniform]) for model in uniform[0].auroc}
    best = max(SINGLE, key=lambda model: found[model])
    calm = [rows for (_, noise), rows in _by(cells) if noise in ("none", "uniform 20")]
    harm = max(
        np.mean([one.accuracy["regularised", "nothing"] - one.accuracy["regularised", "ours"] for one in rows])
        for rows in calm
    )
    rise = np.mean([one.length_auc["ours"] - one.length_auc["nothing"] for one in uniform])
    seeds = sorted({one.seed for one in cells})
    by_seed = [[one for one in noisy if one.seed == seed] for seed in seeds]
    ahead = [_won_back(part, "ours") - _won_back(part, "confident") for part in by_seed]
    better = [np.mean([one.auroc["default"] - one.auroc[best] for one in uniform if one.seed == s]) for s in seeds]
    lines = ["", "lost accuracy won back, uniform 20 and structured noise"]
    for trainer in TRAINERS:
        for what in ("accuracy", "balanced"):
            shares = [f"{method} {_won_back(noisy, method, trainer, what):.3f}" for method in SHOWN[2:]]
            lines.append(f"{trainer}, {what}: {', '.join(shares)}")
    gain = np.mean(_gains([one for one in long if one.name == data.TOGETHER], "match"))
    return [
        *lines,
        f"by seed: ours less confident {_interval(ahead)}; default detector less {best} {_interval(better)}",
        *_length_lines(cells, long),
        f"RESULT auroc_vs_best={found['default'] - found[best]:+.3f} "
        f"recovered_minus_cleanlab={_won_back(noisy, 'ours') - _won_back(noisy, 'confident'):+.3f} "
        f"harm={max(0.0, harm):.4f} length_auc_after={np.mean([one.length_auc['match'] for one in long]):.3f} "
        f"length_auc_rise={rise:+.3f} balanced_gain={gain:+.3f}",
    ]  # fmt: skip


def main() -> None:
    started = time.perf_counter()
    seeds = [int(seed) for seed in sys.argv[1:]] or SEEDS
    cells: list[Cell] = []
    long: list[Cell] = []
    folder = data.home()
    data.ingest_all(folder)
    seen = "dense measures and MiniLM" if data.MINILM else "dense measures and a random projection of words"
    spawn = get_context("spawn")  # polars does not survive a fork
    with ProcessPoolExecutor(2, mp_context=spawn) as pool:
        for number, seed in enumerate(seeds, 1):
            jobs = [(name, noise, seed) for name in data.SETS for noise in data.planned(name)]
            later = pool.map(partial(lengths, folder), [(name, seed) for name in LEANING])
            cells += pool.map(partial(cell, folder), jobs)
            long += later
            print(f"seed {seed} done after {time.perf_counter() - started:.0f} s", file=sys.stderr)
            head = (
                f"seeds {' '.join(map(str, seeds[:number]))}; trainers see {seen}; at most {data.TRAIN} training "
                f"and {data.TEST} test pairs; {time.perf_counter() - started:.0f} s; mean and 95% interval"
            )
            _measure.keep("curation", [head, *_tables(cells, long), *_result(cells, long)])


if __name__ == "__main__":
    main()
