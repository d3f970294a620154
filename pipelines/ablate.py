"""What each rule and each source is worth: heads trained on the mixture, and on it with one thing taken away."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from mixtures._recipe import Licences, Recipe
from pairs.errors import RecipeError
from pairs.store import Store
from pipelines import notes, searching, steps, trial_plots
from pipelines.searching import KEY
from pipelines.trials import Pool, gather
from rewards.compare import Outcomes, accuracy, difference, won
from rewards.heads import HeadsSettings, TrainingSet, fit_heads, margins

WHOLE = "the mixture"
MEASURES = ("as_found", "balanced", "benchmarks")
Gain = tuple[float, float, float]


@dataclass(frozen=True)
class Row:
    """One line of the table: the accuracy of the whole mixture less that without `name`, with its 95 % interval.

    `as_found` is on the held-out pairs of the recipe's own sources with the labels they came with, `balanced` on
    the same with the longer and the shorter answer preferred equally often, `benchmarks` the mean over benchmarks.
    """

    name: str
    kind: str  # rule, source, rules
    rows: int  # trained on without it
    as_found: Gain
    balanced: Gain
    benchmarks: Gain | None


def variants(recipe: Recipe) -> dict[str, tuple[str, Recipe]]:
    """The recipes to compare with the whole one, by name: (what is taken away, the recipe without it)."""
    found = {}
    for name in recipe.rules:
        left = {rule: params for rule, params in recipe.rules.items() if rule != name}
        found[f"rule {name}"] = ("rule", replace(recipe, rules=left))
    if len(recipe.rules) > 1:
        found["all rules"] = ("rules", replace(recipe, rules={}))
    for name in recipe.sources:
        left = {source: given for source, given in recipe.sources.items() if source != name}
        if left:
            found[f"source {name}"] = ("source", replace(recipe, sources=left))
    return found


def ablate(store: Store, recipe: Recipe) -> dict[str, Any]:
    """Compare, unless nothing has changed since the last time; the table and its plot go into the store's reports.

    Raises `RecipeError` when the recipe publishes no test or no validation split: pairs to judge and to stop by.
    """
    import pipelines.ablate as own

    inputs = searching.made_from(store, recipe, own, trial_plots)
    known = notes.read(store, "ablated", recipe.name)
    if known.get("made_from") == inputs:
        return {**known, "changed": False}
    missing = [name for name in ("test", "validation") if name not in recipe.splits]
    if missing:
        raise RecipeError(
            f"{recipe.name}: an ablation needs the splits test and validation, found "
            f"{', '.join(recipe.splits) or 'none'}; add splits = {{ validation = 0.05, test = 0.15 }}"
        )
    reached, rows = _compared(store, recipe)
    facts = {"accuracy": reached, "rows": [asdict(row) for row in rows], "made_from": inputs}
    notes.write(store, "ablated", recipe.name, facts)
    facts = json.loads(json.dumps(facts))
    searching.put(store.path("reports", f"{recipe.name}_ablation.md"), table(facts).encode())
    for name, png in plots(facts).items():
        searching.put(store.path("reports", f"{recipe.name}_{name}.png"), png)
    return {**facts, "changed": True}


def _compared(store: Store, recipe: Recipe) -> tuple[dict[str, float], list[Row]]:
    pool = _pool(store, recipe)
    others = {name: pair for name, pair in variants(recipe).items() if _trains(pool, name)}
    stop = np.flatnonzero((pool.table["split"] == "validation").to_numpy())
    held = np.flatnonzero(
        pool.table.select(pl.col("held_out") | (pl.col("split") == "test").fill_null(False)).to_series()
    )
    less = {name: replace(one, **searching.held_ratios(store, one)) for name, (_, one) in others.items()}
    recipes = {WHOLE: recipe, **less}
    sets = {name: _training_set(pool, stop, steps.decided(store, one).rows) for name, one in recipes.items()}
    right = []
    for number in range(recipe.search.seeds):
        heads = fit_heads(pool.pairs, list(sets.values()), stop, HeadsSettings(seed=recipe.seed + number))
        right.append(won(margins(pool.pairs, heads, held)))
    judged = {
        name: _measured(pool, held, np.stack([one[place] for one in right])) for place, name in enumerate(sets)
    }
    whole = judged[WHOLE]
    rows = []
    for name, (kind, _) in others.items():
        gains = {
            measure: difference(whole[measure], one) if one.right.size else None
            for measure, one in judged[name].items()
        }
        rows.append(Row(name, kind, len(sets[name].rows), **gains))  # type: ignore[arg-type]
    return {name: accuracy(one) for name, one in whole.items() if one.right.size}, rows


def _pool(store: Store, recipe: Recipe) -> Pool:
    """Every pair that trials look at as it came, with its split; benchmarks have none. `longer` is the difference
    in characters."""
    bare = {name: given.model_copy(update={"weight": None, "cap": None}) for name, given in recipe.sources.items()}
    found = replace(
        recipe,
        sources=bare,
        size=None,
        temperature=1.0,
        modality_ratio=None,
        category_ratio=None,
        rules={},
        licences=Licences(),
    )
    split = steps.decided(store, found).rows.select(*KEY, "split")
    lengths = steps.signals(store, recipe, "length_bias").select(
        "pair_id", longer=pl.col("chosen_chars").cast(pl.Int64) - pl.col("rejected_chars").cast(pl.Int64)
    )
    table = (
        searching.looked_at(store, recipe)
        .join(split, on=KEY, how="left", maintain_order="left")
        .join(lengths.collect(), on="pair_id", how="left", maintain_order="left")
        .with_columns(flipped=pl.lit(False))
    )
    return gather(store, searching.states_from(store, recipe), table)


def _trains(pool: Pool, name: str) -> bool:
    """Whether taking this away can change anything: a source that never trains cannot be left out."""
    kind, _, source = name.partition(" ")
    return kind != "source" or source in pool.sources(False)


def _training_set(pool: Pool, stop: np.ndarray, rows: pl.DataFrame) -> TrainingSet:
    """The planned rows of the split train, copies and all. A flipped pair is one whose label says the opposite."""
    places = pool.table.select(*KEY).with_row_index("place")
    planned = rows.join(places, on=KEY, how="inner", maintain_order="left")
    certain = planned["soft_label"].fill_null(1.0)
    turned = planned["flipped"]
    train = planned.with_columns(soft=pl.when(turned).then(1 - certain).otherwise(certain))
    stopping = train.filter(pl.col("split") == "validation")["place"].to_numpy()
    train = train.filter(pl.col("split") == "train")
    return TrainingSet(
        train["place"].to_numpy().astype(np.int64),
        train["soft"].to_numpy().astype(np.float32),
        train["weight"].fill_null(1.0).to_numpy().astype(np.float32),
        np.isin(stop, stopping).astype(np.float32),
    )


def _measured(pool: Pool, held: np.ndarray, right: np.ndarray) -> dict[str, Outcomes]:
    table = pool.table[held]
    groups = np.unique(table["group_id"].to_numpy(), return_inverse=True)[1]
    names = np.unique(table["source"].to_numpy(), return_inverse=True)[1]
    own, longer = ~table["held_out"].to_numpy(), table["longer"].fill_null(0).to_numpy()
    sets = {
        "as_found": np.where(own, 0, -1),
        "balanced": np.where(own & (longer != 0), longer > 0, -1),
        "benchmarks": np.where(own, -1, names),
    }
    return {
        name: Outcomes(right[:, which >= 0], which[which >= 0], groups[which >= 0]) for name, which in sets.items()
    }


def _said(gain: Gain | None) -> str:
    return f"{gain[0]:+.3f} ({gain[1]:+.3f} to {gain[2]:+.3f})" if gain else ""


def table(facts: Mapping[str, Any]) -> str:
    """The result as a Markdown table."""
    reached = " | ".join(
        f"{facts['accuracy'][name]:.3f}" if name in facts["accuracy"] else "" for name in MEASURES
    )
    lines = [
        "| without | pairs trained on | as found | balanced over length | benchmarks |",
        "|---|---|---|---|---|",
        f"| nothing: accuracy of the mixture | | {reached} |",
    ]
    for row in facts["rows"]:
        gains = " | ".join(_said(row[name]) for name in MEASURES)
        lines.append(f"| {row['name']} | {row['rows']:,} | {gains} |")
    return "\n".join(lines) + "\n"


def plots(facts: Mapping[str, Any]) -> dict[str, bytes]:
    """Balanced accuracy that each rule and source adds, with intervals."""
    gains = [row["balanced"] for row in facts["rows"]]
    drawn = trial_plots.worth(
        [row["name"] for row in facts["rows"]],
        [gain for gain, _, _ in gains],
        [(low, high) for _, low, high in gains],
    )
    return {"ablation": drawn}
