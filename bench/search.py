"""What a search for weights is worth: `python -m bench.search`.

Eight real sources, of which one has nothing to do with the others, and one with planted flips. Each seed cuts the
groups anew, searches, and confirms its proposal with heads of new seeds on pairs that decided nothing. Reads
PREFMILL_REAL_DATA (a folder beside the checkout by default).
"""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from bench import _measure
from bench import _search_data as data
from mixtures._recipe import SearchRecipe
from pipelines.search import Found, search

SEEDS = 5
SETTINGS = SearchRecipe(trusted=data.HUMAN, seeds=2, trials=64, trial_pairs=6_000)
STUDENT = 2.776  # 97.5% quantile for 4 degrees of freedom


def one(folder: Path, seed: int) -> Found:
    return search(data.pool(folder), SETTINGS, seed)


def shown(values: list[float] | np.ndarray, signed: bool = False) -> str:
    values = np.asarray(values)
    half = STUDENT * values.std(ddof=1) / len(values) ** 0.5
    return f"{values.mean():{'+' if signed else ''}.3f} ± {half:.3f}"


def rival(found: Found, kind: str) -> str:
    """The name of the uniform or proportional mixture, or of the best single source, in one search."""
    return next(name for name in found.confirmed if name.startswith(kind))


def source_table(searches: list[Found], sizes: dict[str, int]) -> list[str]:
    """A row per source: what a head makes of it alone, and of the others without it, and the weight proposed."""
    rows = ["| source | pairs | alone | without it | weight | of uniform |", "|---|---|---|---|---|---|"]
    uniform = 1 / len(searches[0].sources)
    for place, name in enumerate(searches[0].sources):
        alone, without = (
            [found.measured[found.tried.index(f"{kind} {name}")] for found in searches]
            for kind in ("only", "without")
        )
        weight = [found.proposal[place] for found in searches]
        rows.append(
            f"| {name} | {sizes[name]:,} | {shown(alone)} | {shown(without)} | {shown(weight)} "
            f"| {np.mean(weight) / uniform:.2f} |"
        )
    return rows


def main() -> None:
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        data.prepare(folder)
        sizes = data.counts(data.pool(folder))
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as workers:
            searches = list(workers.map(partial(one, folder), range(SEEDS)))
    first = searches[0]
    lines = [
        f"{len(first.tried)} mixtures of {len(first.sources)} sources, {SETTINGS.seeds} heads each, {SEEDS} seeds "
        f"accuracy: mean over {', '.join(data.HUMAN)}; ± is the 95% interval over seeds",
        *source_table(searches, sizes),
        "",
        "| on pairs that decided nothing | accuracy | gain of the proposal |",
        "|---|---|---|",
    ]
    gains = {}
    kinds = {"uniform": "uniform", "proportional": "proportional", "only ": "best single source"}
    for kind, name in kinds.items():
        gains[kind] = [found.confirmed[rival(found, kind)][0] for found in searches]
        reached = [found.accuracy[rival(found, kind)] for found in searches]
        lines.append(f"| {name} | {shown(reached)} | {shown(gains[kind], signed=True)} |")
    reached = [found.accuracy["proposal"] for found in searches]
    fit = [float(np.corrcoef(found.predicted, found.measured)[0, 1]) for found in searches]
    bad = [found.proposal[found.sources.index(data.FLIPPED)] * len(found.sources) for found in searches]
    lines += [
        f"| the proposal | {shown(reached)} | |",
        "",
        f"correlation of predicted and measured results of mixtures left out of the fit: {shown(fit)}",
        f"{time.perf_counter() - begun:.0f} s",
        f"RESULT bad_weight_vs_uniform={np.mean(bad):.2f} gain_vs_uniform={np.mean(gains['uniform']):.4f} "
        f"gain_vs_proportional={np.mean(gains['proportional']):.4f} "
        f"gain_vs_best_single={np.mean(gains['only ']):.4f}",
    ]
    _measure.keep("search", lines)


if __name__ == "__main__":
    main()
