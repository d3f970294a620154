"""What reward disagreement and length rules are worth on real pairs: `python -m bench.curation [seed ...]`.

Labels of real sources are turned, rules act on the training part, and heads on frozen features are trained on what
is left; accuracy is on held-out pairs of other prompts with the labels as published. Reads PREFMILL_REAL_DATA
(a folder beside the checkout by default). Five seeds take eleven minutes on two cores, five of them for texts;
embeddings and seeds that are done are kept in `_curation_data.home()`. Writes bench/results/curation.txt and
docs/curation.md.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from bench import _curation_cells as kept
from bench import _curation_data as data
from bench import _curation_page, _measure
from bench._curation_cells import Cell
from bench._curation_runs import cell, lengths

SEEDS = (0, 1, 2, 3, 4)
STUDENT = (12.706, 4.303, 3.182, 2.776)  # 97.5% quantiles for 1 to 4 degrees of freedom
SHOWN = (
    "clean", "nothing", "random", "oracle", "ours", "any length", "judged equal", "careful", "flip", "soften",
    "weight", "scaled", "keep if agree", "matched", "cross-fit", "dynamics", "small-loss", "confident",
)  # fmt: skip
# Detectors; `dynamics` is early and late, `default` what the default rule makes of it and of `cross-fit`.
SINGLE = ("cross-fit", "early", "late", "area", "independent")
LEANING = (data.TOGETHER, "HH", "P")  # sets in which the longer one wins more often, the largest first
TRAINERS = ("regularised", "memorising")
MEASURES = {
    "as found": "accuracy", "balanced": "balanced", "balanced within": "within", "correlation": "correlation",
}  # fmt: skip
STRUCTURED = ("length", "ambiguous", "one source")
COUNTED = (
    ("share dropped", "dropped"),
    ("AUC of length alone", "length_auc"),
    ("share of longer winners", "longer"),
)


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
    for title, field in COUNTED:
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
            for title, field in MEASURES.items():
                found = [_interval([getattr(one, field)[trainer, method] for one in rows]) for method in methods]
                lines.append(" | ".join([name, f"{trainer}, {title}", *found]))
        for title, field in COUNTED:
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
            for title, what in (("balanced accuracy", "balanced"), ("balanced accuracy within sets", "within")):
                found = [
                    f"{rule} {_interval(_gains(at, rule, trainer, what))}" for rule in list(at[0].dropped)[1:]
                ]
                lines.append(f"gain of {title} on {name}, {trainer}: {'; '.join(found)}")
    follow = [one for one in cells if one.noise == "length"]
    for trainer in TRAINERS:
        found = [
            f"{rule} {_interval(_gains(follow, rule, trainer, 'accuracy'))} as found, "
            f"{_interval(_gains(follow, rule, trainer))} balanced"
            for rule in ("oracle", "ours", "matched", "confident", "small-loss")
        ]
        lines.append(f"gain where labels follow length, {trainer}: {'; '.join(found)}")
    return lines


def _won_lines(noisy: list[Cell]) -> list[str]:
    lines = ["", "lost accuracy won back, uniform 20 and structured noise"]
    for trainer in TRAINERS:
        for what in ("accuracy", "balanced"):
            shares = [f"{method} {_won_back(noisy, method, trainer, what):.3f}" for method in SHOWN[2:]]
            lines.append(f"{trainer}, {what}: {', '.join(shares)}")
    lines += ["", "points won by noise, mean over sets", "trainer | noise | lost | " + " | ".join(SHOWN[2:])]
    for trainer in TRAINERS:
        for noise in ("uniform 20", *STRUCTURED):
            at = [one for one in noisy if one.noise == noise]
            points = [100 * np.mean(_gains(at, rule, trainer, "accuracy")) for rule in ("clean", *SHOWN[2:])]
            lines.append(" | ".join([trainer, noise, *(f"{point:+.1f}" for point in points)]))
    return lines


def _result(cells: list[Cell], long: list[Cell]) -> list[str]:
    uniform = [one for one in cells if one.noise == "uniform 20"]
    noisy = [one for one in cells if one.noise in ("uniform 20", *STRUCTURED)]
    found = {model: np.mean([one.auroc[model] for one in uniform]) for model in uniform[0].auroc}
    best = max(SINGLE, key=lambda model: found[model])
    harm = {
        where: np.mean(
            [one.accuracy["regularised", "nothing"] - one.accuracy["regularised", "ours"] for one in rows]
        )
        for where, rows in _by(cells)
        if where[1] == "none" or where[1].startswith("uniform")
    }
    # A model of length alone finds its direction: what counts is how far its AUC is from one half.
    rise = {
        where: np.mean([abs(one.length_auc["ours"] - 0.5) - abs(one.length_auc["nothing"] - 0.5) for one in rows])
        for where, rows in _by(cells)
    }
    seeds = sorted({one.seed for one in cells})
    by_seed = [[one for one in noisy if one.seed == seed] for seed in seeds]
    better = [np.mean([one.auroc["default"] - one.auroc[best] for one in uniform if one.seed == s]) for s in seeds]
    ahead = {
        rival: _interval([_won_back(part, "ours") - _won_back(part, rival) for part in by_seed])
        for rival in ("confident", "small-loss")
    }
    gain = np.mean(_gains([one for one in long if one.name == data.TOGETHER], "match over all"))
    worst, most = (max(found, key=lambda where: found[where]) for found in (harm, rise))
    return [
        *_won_lines(noisy),
        "",
        f"by seed: ours less confident {ahead['confident']}; ours less small-loss {ahead['small-loss']}; "
        f"default detector less {best} {_interval(better)}",
        f"worst: harm {harm[worst]:+.4f} on {' '.join(worst)}; "
        f"rise of length's AUC {rise[most]:+.4f} on {' '.join(most)}",
        *_length_lines(cells, long),
        f"RESULT auroc_vs_best={found['default'] - found[best]:+.3f} "
        f"recovered_minus_cleanlab={_won_back(noisy, 'ours') - _won_back(noisy, 'confident'):+.3f} "
        f"harm={max(0.0, harm[worst]):.4f} "
        f"length_auc_after={np.mean([one.length_auc['match'] for one in long]):.3f} "
        f"length_auc_rise={np.mean([value for (_, noise), value in rise.items() if noise == 'uniform 20']):+.3f} "
        f"balanced_gain={gain:+.3f}",
    ]  # fmt: skip


def _seed(folder: Path, seed: int, pool: Executor) -> dict[str, list[Cell]]:
    """All cells of a seed, computed unless the same code has done so before."""
    file = kept.place(folder, seed)
    if not file.exists():
        jobs = [(name, noise, seed) for name in data.SETS for noise in data.planned(name)]
        long = pool.map(partial(lengths, folder), [(name, seed) for name in LEANING])
        cells = list(pool.map(partial(cell, folder), jobs))
        kept.write(file, {"cells": cells, "long": list(long)})
    return kept.read(file)


def main() -> None:
    started = time.perf_counter()
    seeds = [int(seed) for seed in sys.argv[1:]] or SEEDS
    folder = data.home()
    data.ingest_all(folder)
    print(f"read and embedded after {time.perf_counter() - started:.0f} s", file=sys.stderr)
    cells: list[Cell] = []
    long: list[Cell] = []
    # Polars does not survive a fork.
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for seed in seeds:
            found = _seed(folder, seed, pool)
            cells, long = [*cells, *found["cells"]], [*long, *found["long"]]
            print(f"seed {seed} done after {time.perf_counter() - started:.0f} s", file=sys.stderr)
    seen = "dense measures and MiniLM" if data.MINILM else "dense measures and a random projection of words"
    head = (
        f"seeds {' '.join(map(str, seeds))}; trainers see {seen}; at most {data.TRAIN} training and {data.TEST} "
        "test pairs; mean and 95% interval"
    )
    _measure.keep("curation", [head, *_tables(cells, long), *_result(cells, long)])
    _curation_page.main()


if __name__ == "__main__":
    main()
