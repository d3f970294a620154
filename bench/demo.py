"""The demo, measured: wall time and peak memory, planted defects found, accuracy with and without curation.

`python -m bench.demo`. Accuracy is on held-out pairs whose label is known to be the true one: planted flips are
turned back, planted contradictions and the source whose labels follow length are left out. The trainer without
curation gets every pair, with the same splits. Five seeds of the trainer.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from bench import _measure
from mixtures._plan import plan
from pairs.store import Store
from pipelines import planted, steps

SEEDS = 5


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "store"
        command = [sys.executable, "-m", "dagster", "job", "execute", "-m", "pipelines", "-j", "demo"]
        cost = _measure.run(command, {"PREFMILL_STORE": str(root), "DAGSTER_HOME": str(Path.cwd())})
        again = _measure.run(command, {"PREFMILL_STORE": str(root), "DAGSTER_HOME": str(Path.cwd())})
        store, recipe = Store(root), steps.load_recipe("mixtures/demo.toml")
        lines = [
            f"demo: wall {cost.wall:.1f} s, CPU {cost.cpu:.1f} s, peak memory {cost.peak_mb:.0f} MB",
            f"second run (nothing has changed): wall {again.wall:.1f} s, CPU {again.cpu:.1f} s",
            "",
            *planted.lines(planted.planted(store, recipe)),
            "",
            *_accuracies(store, recipe),
        ]
    _measure.keep("demo", lines)


def _accuracies(store: Store, recipe) -> list[str]:
    bare = replace(recipe, name="uncurated", rules={})
    groups = steps.signals(store, recipe, "groups")
    made = plan(bare, steps.candidates(store, recipe), [])
    from mixtures._publish import publish

    publish(store, bare.name, bare, made, groups=groups, facts={})
    truth = pl.read_parquet(store.path("demo", "truth.parquet"))
    results = {name: [_trained(store, name, recipe, truth, seed) for seed in range(SEEDS)]
               for name in (bare.name, recipe.name)}  # fmt: skip
    out = []
    for name, values in results.items():
        label = "with curation" if name == recipe.name else "without curation"
        mean, spread = np.mean(values), 1.96 * np.std(values, ddof=1) / np.sqrt(len(values))
        out.append(f"held-out accuracy on true labels, {label:<17} {mean:.3f} ± {spread:.3f} ({SEEDS} seeds)")
    return out


def _trained(store: Store, name: str, recipe, truth: pl.DataFrame, seed: int) -> float:
    from rewards.load import load_reward_model
    from rewards.published import items, load_pairs, row_batches
    from rewards.train import train

    out = store.path("bench", f"{name}-{seed}")
    train(
        str(store.path("published", name)),
        name,
        out,
        recipe.train.model_copy(update={"seed": seed}),
        progress=False,
    )
    model = load_reward_model(out)
    flipped = set(truth.filter(pl.col("kind") == "flipped_label")["pair_id"])
    unclear = set(truth.filter(pl.col("kind") == "contradiction")["pair_id"])
    biased = set(truth.filter(pl.col("kind") == "length_bias")["source"])
    right = []
    for batch in row_batches(load_pairs(str(store.path("published", "uncurated")), "uncurated", "test"), 512):
        rows = [row for row in batch if row["source"] not in biased and row["pair_id"] not in unclear]
        chosen, rejected = items(rows)
        margins = model.rewards(chosen) - model.rewards(rejected)
        truly = np.array([-1.0 if row["pair_id"] in flipped else 1.0 for row in rows])
        right.append((margins * truly > 0) + 0.5 * (margins == 0))
    return float(np.concatenate(right).mean())


if __name__ == "__main__":
    main()
