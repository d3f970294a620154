"""What a search for weights is worth: `python -m bench.search`.

Eight real sources, of which one has nothing to do with the others, and one with planted flips. Each seed plants
anew, cuts the groups anew, searches by both methods, and confirms both proposals with heads of new seeds on pairs
that decided nothing. What is planted was chosen looking at seeds 0 to 4, the methods looking at those, at 50 to
59, and at two former runs, on 200 to 204 and 300 to 304, in which the surrogate left the planted source half its
uniform weight and all of it; nothing has seen the seeds used here. Reads PREFMILL_REAL_DATA (a folder beside the
checkout by default).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from bench import _measure
from bench import _search_data as data
from mixtures._recipe import SearchRecipe
from pipelines.search import Found, Ground

SEEDS = range(400, 405)
METHODS = ("surrogate", "bilevel")
KINDS = {"uniform": "uniform", "proportional": "proportional", "only ": "best single source"}
SETTINGS = SearchRecipe(trusted=data.HUMAN, seeds=2, trials=64, trial_pairs=6_000)
STUDENT = 2.776  # 97.5% quantile for 4 degrees of freedom


def one(folder: Path, seed: int) -> tuple[dict[str, int], dict[str, Found]]:
    """Pairs by source, and what each method finds."""
    pool = data.pool(folder, seed)
    ground = Ground(pool, SETTINGS, seed)
    tried = ground.tried(SETTINGS.trials)
    return data.counts(pool), {method: ground.found(tried, method) for method in METHODS}


def shown(values: Sequence[float] | np.ndarray, signed: bool = False) -> str:
    values = np.asarray(values)
    half = STUDENT * values.std(ddof=1) / len(values) ** 0.5
    return f"{values.mean():{'+' if signed else ''}.3f} ± {half:.3f}"


def rival(found: Found, kind: str) -> str:
    """The name of the uniform or proportional mixture, or of the best single source, in one search."""
    return next(name for name in found.confirmed if name.startswith(kind))


def source_table(sizes: dict[str, float], searches: list[dict[str, Found]]) -> list[str]:
    """A row per source: what a head makes of it alone, and of the others without it, and the weights proposed."""
    head = [f"weight by {method} | of uniform" for method in METHODS]
    rows = [f"| source | pairs | alone | without it | {' | '.join(head)} |", "|---|---|---|---|---|---|---|---|"]
    first = searches[0][METHODS[0]]
    for place, name in enumerate(first.sources):
        alone, without = (
            [found["surrogate"].measured[first.tried.index(f"{kind} {name}")] for found in searches]
            for kind in ("only", "without")
        )
        cells = [f"{sizes[name]:,.0f}", shown(alone), shown(without)]
        for method in METHODS:
            weight = [found[method].proposal[place] for found in searches]
            cells += [shown(weight), f"{np.mean(weight) * len(first.sources):.2f}"]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return rows


def gain_table(searches: list[dict[str, Found]]) -> tuple[list[str], dict[tuple[str, str], float]]:
    """Accuracy on pairs that decided nothing, of the rivals and of each method's proposal; mean gains."""
    lines = [
        f"| on pairs that decided nothing | accuracy | {' | '.join(f'gain of {method}' for method in METHODS)} |",
        "|---|---|---|---|",
    ]
    gains = {}
    for kind, name in KINDS.items():
        cells = [shown([found["surrogate"].accuracy[rival(found["surrogate"], kind)] for found in searches])]
        for method in METHODS:
            gain = [found[method].confirmed[rival(found[method], kind)][0] for found in searches]
            gains[kind, method] = float(np.mean(gain))
            cells.append(shown(gain, signed=True))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    for method in METHODS:
        reached = [found[method].accuracy["proposal"] for found in searches]
        lines.append(f"| proposed by {method} | {shown(reached)} | | |")
    return lines, gains


def main() -> None:
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        data.prepare(folder)
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as workers:
            counts, searches = zip(*workers.map(partial(one, folder), SEEDS), strict=True)
    first = searches[0]["surrogate"]
    sizes = {name: float(np.mean([count[name] for count in counts])) for name in first.sources}
    table, gains = gain_table(searches)
    fit = [np.corrcoef(found["surrogate"].predicted, found["surrogate"].measured)[0, 1] for found in searches]
    at = first.sources.index(data.FLIPPED)
    bad = {m: float(np.mean([found[m].proposal[at] for found in searches])) * len(sizes) for m in METHODS}
    worst = {kind: min(gains[kind, method] for method in METHODS) for kind in KINDS}
    lines = [
        f"{len(first.tried)} mixtures of {len(sizes)} sources, {SETTINGS.seeds} heads each, seeds {SEEDS[0]} to "
        f"{SEEDS[-1]}; accuracy: mean over {', '.join(data.HUMAN)}; ± is the 95% interval over seeds",
        *source_table(sizes, searches),
        "",
        *table,
        "",
        f"correlation of predicted and measured results of mixtures left out of the fit: {shown(fit)}",
        f"{time.perf_counter() - begun:.0f} s",
        "of the two methods the worse one in each figure:",
        f"RESULT bad_weight_vs_uniform={max(bad.values()):.2f} gain_vs_uniform={worst['uniform']:.4f} "
        f"gain_vs_proportional={worst['proportional']:.4f} gain_vs_best_single={worst['only ']:.4f}",
    ]
    _measure.keep("search", lines)


if __name__ == "__main__":
    main()
