"""Time and peak memory of every step of a curation, and how both grow: `python -m bench.scale [ROWS]`.

Native rows in the layout of HH-RLHF, some 1.9 KB each, and the demo's LLMBar as the benchmark they must not touch,
go through the steps of `curate`, each in a process of its own (interpreter start included), once with ROWS rows
(default 20,000) and once with five times as many. Rewards are left out: what a model costs is `bench.scoring`'s
to say. Memory is the largest resident size of any one process of a step.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench import _ingest_native, _measure

ROWS, TIMES = 20_000, 5
RULES = ("contamination", "contradictions", "duplicates", "near_duplicates", "length_bias")
RECIPE = """seed = 17
splits = {{ validation = 0.01, test = 0.01 }}
[sources.hh_rlhf]
path = "{native}"
[sources.llmbar]
path = "demo://llmbar"
{rules}
"""
SIGNALS = ("groups", *RULES, "formatting_bias", "near_images", "reward_disagreement")
STEPS = ("ingest", *SIGNALS, "plan", "publish")


def main(rows: int) -> None:
    costs = {}
    for count in (rows, rows * TIMES):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            _ingest_native.hh_rlhf(folder / "native", count)
            for step in STEPS:
                command = [sys.executable, "-m", "bench.scale", step, str(folder)]
                costs[step, count] = _measure.run(command)
                print(_line(step, count, costs[step, count]), file=sys.stderr)
    _measure.keep("scale", _table(costs, rows))


def _line(step: str, count: int, cost: _measure.Cost) -> str:
    return f"{step:<20} {count:>9} {cost.wall:>8.1f} {cost.cpu:>8.1f} {cost.peak_mb:>8.0f}"


def _table(costs: dict[tuple[str, int], _measure.Cost], rows: int) -> list[str]:
    many = rows * TIMES
    lines = [f"{'step':<20} {'rows':>9} {'wall s':>8} {'CPU s':>8} {'peak MB':>8}   memory, CPU at {TIMES} times"]
    for step in STEPS:
        few, more = costs[step, rows], costs[step, many]
        lines.append(_line(step, rows, few))
        growth = f"{more.peak_mb / few.peak_mb:>8.2f} {more.cpu / few.cpu:>8.2f}"
        lines.append(f"{_line('', many, more)} {growth}")
    wall = sum(costs[step, many].wall for step in STEPS)
    peaks = {step: costs[step, many].peak_mb for step in STEPS}
    most = max(peaks, key=peaks.__getitem__)
    return [
        *lines,
        "",
        f"RESULT rows={many} rows_per_s={many / wall:.0f} peak_mb={peaks[most]:.0f} at={most} "
        f"rss_ratio_{TIMES}x={peaks[most] / costs[most, rows].peak_mb:.2f}",
    ]


def _step(name: str, folder: Path) -> None:
    from pairs.store import Store
    from pipelines import outcomes, steps

    recipe_file = folder / "scale.toml"
    recipe_file.write_text(
        RECIPE.format(native=folder / "native", rules="\n".join(f"[rules.{rule}]" for rule in RULES))
    )
    store, recipe = Store(folder / "store"), steps.load_recipe(str(recipe_file))
    if name == "ingest":
        for source in recipe.sources:
            steps.ingest(store, recipe, source)
    elif name == "plan":
        steps.plan(store, recipe)
    elif name == "publish":
        outcomes.publish(store, recipe)
    else:
        steps.signal(store, recipe, name)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        _step(sys.argv[1], Path(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
