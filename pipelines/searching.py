"""The search between store and store: which pairs it looks at, its features, its result, the recipe it writes."""

from __future__ import annotations

import hashlib
import inspect
import math
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from mixtures import _search, _weights
from mixtures._recipe import Recipe
from mixtures._sample import uniform
from pairs.errors import PrefmillError, RecipeError
from pairs.store import Store, settle
from pipelines import notes, steps, trial_plots, trials
from pipelines import search as searches
from rewards import bilevel, heads
from rewards.score import ScoreBooks

KEY = ["source", "pair_id"]
_POOL = [*KEY, "group_id", "chosen_id", "rejected_id", "held_out", "flipped", "soft_label", "weight"]


def looked_at(store: Store, recipe: Recipe) -> pl.DataFrame:
    """The candidates that trials look at: of each source those with the smallest keyed hash. `held_out` says
    whether a source never trains: the benchmarks, and what [search] holds out."""
    rows = steps.candidates(store, recipe)
    admitted = [name for name, given in recipe.sources.items() if given.admit_benchmark]
    benchmark = (pl.col("role") != "train") & ~pl.col("source").is_in(admitted)
    rank = pl.Series("rank", uniform(recipe.seed, "looked at", rows["pair_id"]))
    return (
        rows.with_columns(rank, held_out=benchmark | pl.col("source").is_in(recipe.search.held_out))
        .filter(pl.col("rank").rank("ordinal").over("source") <= recipe.search.source_pairs)
        .drop("rank")
    )


def features(store: Store, recipe: Recipe) -> ScoreBooks:
    """Compute the frozen features of the completions that trials look at, those not yet in the store."""
    from rewards.frozen import extract, load_extractor
    from rewards.score import completions_of

    ids = looked_at(store, recipe)["pair_id"].unique()
    wanted = completions_of(steps.pairs(store, recipe).filter(pl.col("pair_id").is_in(ids.implode())))
    done = extract(store, load_extractor(recipe.search.features), wanted, progress=sys.stderr.isatty())
    notes.write(store, "features", recipe.name, {"model": done.model})
    return done


def states_from(store: Store, recipe: Recipe) -> str:
    """The fingerprint of the extractor whose features the store holds for this mixture."""
    known = notes.read(store, "features", recipe.name)
    if not known:
        raise PrefmillError(f"{recipe.name}: no frozen features yet; run the asset `features` first")
    return str(known["model"])


def pool(store: Store, recipe: Recipe) -> trials.Pool:
    """The pairs that the rules leave, as they leave them, and the pairs of held-out sets as published."""
    rows = looked_at(store, recipe)
    bare = {name: given.model_copy(update={"weight": None}) for name, given in recipe.sources.items()}
    whole = replace(
        recipe, sources=bare, size=None, temperature=1.0, modality_ratio=None, category_ratio=None, splits={}
    )
    kept = steps.decided(store, whole).rows.select(*KEY, "flipped", "soft_label", "weight")
    train = rows.filter(~pl.col("held_out")).join(kept, on=KEY, how="inner", maintain_order="left")
    held = rows.filter("held_out").with_columns(
        flipped=pl.lit(False), soft_label=pl.lit(None, pl.Float64), weight=pl.lit(None, pl.Float64)
    )
    table = pl.concat([train.select(_POOL), held.select(_POOL)])
    return trials.gather(store, states_from(store, recipe), table)


def made_from(store: Store, recipe: Recipe, *modules: Any) -> dict[str, str]:
    """What a result depends on: the plan's inputs, the features, the settings, the code of trials."""
    code = "".join(inspect.getsource(module) for module in (trials, heads, *modules))
    return {
        "plan": steps.made_from(store, recipe),
        "features": states_from(store, recipe),
        "settings": recipe.search.model_dump_json(),
        "code": hashlib.blake2b(code.encode(), digest_size=8).hexdigest(),
    }


def search(store: Store, recipe: Recipe) -> dict[str, Any]:
    """Search, unless nothing has changed since the last one; write the recipe and the plots to the store."""
    inputs = made_from(store, recipe, searches, _search, _weights, bilevel, trial_plots)
    known = notes.read(store, "searched", recipe.name)
    if known.get("made_from") == inputs and recipe_path(store, recipe).exists():
        return {**known, "changed": False}
    found = searches.search(pool(store, recipe), recipe.search, recipe.seed).as_dict()
    for name, png in plots(found).items():
        put(store.path("reports", f"{recipe.name}_{name}.png"), png)
    put(store.path("reports", f"{recipe.name}_source_table.md"), source_table(found).encode())
    put(recipe_path(store, recipe), planned(store, recipe, recipe_text(recipe, found)).encode())
    facts = {**found, "made_from": inputs, "recipe": str(recipe_path(store, recipe))}
    notes.write(store, "searched", recipe.name, facts)
    return {**facts, "changed": True}


def recipe_path(store: Store, recipe: Recipe) -> Path:
    return store.path("reports", f"{recipe.name}_searched.toml")


def plots(found: Mapping[str, Any]) -> dict[str, bytes]:
    """The source table as a heat map, predicted against measured results (or the weights over
    the steps that learned them), and the proposed weights."""
    marks = [place for place, name in enumerate(found["tried"]) if not name.startswith("trial ")]
    uniform_at = found["tried"].index("uniform")
    return {
        "source_table": trial_plots.source_table(
            [found["tried"][place] for place in marks], found["sets"],
            [found["accuracies"][place] for place in marks],
        ),
        **(
            {"path": trial_plots.path(found["sources"], found["path"])}
            if len(found["path"])
            else {"predicted": trial_plots.predicted(found["measured"], found["predicted"])}
        ),
        "weights": trial_plots.weights(
            found["sources"], found["proposal"], found["proportions"][uniform_at],
            found["proportions"][found["tried"].index("proportional")],
        ),
    }  # fmt: skip


def source_table(found: Mapping[str, Any]) -> str:
    """The source table in Markdown: what a head trained on each source alone, and on all without it, reaches on
    each set, and on average over the sets that decide."""
    sets = found["sets"]
    lines = [
        "Accuracy of a head trained on each mixture (rows) on pairs of each set that no head was trained on; "
        f"*deciding* is the mean over {', '.join(found['trusted'])}, on the pairs that choose.\n",
        f"| trained on | {' | '.join(sets)} | deciding |",
        "|---|" + "---|" * (len(sets) + 1),
    ]
    for place, name in enumerate(found["tried"]):
        if not name.startswith("trial "):
            figures = [*found["accuracies"][place], found["measured"][place]]
            told = ("" if math.isnan(figure) else f"{figure:.3f}" for figure in figures)
            lines.append(f"| {name} | {' | '.join(told)} |")
    return "\n".join(lines) + "\n"


def recipe_text(recipe: Recipe, found: Mapping[str, Any]) -> str:
    """The recipe with the proposed weights, the figures behind them in comments."""
    measured = dict(zip(found["tried"], found["measured"], strict=True))
    notes_ = {
        name: f"alone {measured[f'only {name}']:.3f}, all others without it {measured[f'without {name}']:.3f}"
        for name in found["sources"]
    }
    gains = "\n".join(
        f"  {name}: {found['accuracy'][name]:.3f}, the proposal {gain:+.3f} ({low:+.3f} to {high:+.3f})"
        for name, (gain, low, high) in found["confirmed"].items()
    )
    weights = dict(zip(found["sources"], found["proposal"], strict=True))
    gone = [name for name, weight in weights.items() if weight < 1e-4]
    kept_out = sorted(set(recipe.search.held_out) - set(weights))
    head = (
        f"Weights by the search `{recipe.search.method}` from {recipe.name}.toml: {len(found['tried'])} mixtures, "
        f"{recipe.search.seeds} trainings each.\n"
        f"Accuracy, mean over {', '.join(found['trusted'])}; on pairs that decided nothing, with 95 % intervals:\n"
        f"  the proposal: {found['accuracy']['proposal']:.3f}\n{gains}\n"
        f"Left out for a weight of 0: {', '.join(gone) or 'none'}; held out: {', '.join(kept_out) or 'none'}."
    )
    return _weights.weighted(recipe.text, weights, notes_, head, set(kept_out))


RATIOS = {"modality_ratio": "modality", "category_ratio": "category"}


def held_ratios(store: Store, recipe: Recipe) -> dict[str, dict[str, float]]:
    """The recipe's ratios by key, with the names that a source of it still holds: what was in proportion to
    something that is gone stays in proportion to the rest."""
    pairs, found = steps.training(store, recipe), {}
    for key, column in RATIOS.items():
        if (ratio := getattr(recipe, key)) is not None:
            held = set(pairs.select(column).unique().collect(engine="streaming")[column])
            found[key] = {name: number for name, number in ratio.items() if name in held}
    return found


def planned(store: Store, recipe: Recipe, text: str) -> str:
    """The proposed recipe `text` as it can be planned: its ratios without what no source of it holds any more.

    Raises `RecipeError` when the rules and the sampling make no mixture of it.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / recipe_path(store, recipe).name
        try:
            file.write_text(text)
            # `_recipe` refuses a ratio of nothing, so this is read before and after.
            for key, ratio in held_ratios(store, steps.load_recipe(str(file))).items():
                text = _weights.with_ratio(text, key, ratio)
            file.write_text(text)
            # The signals are there under the name of the recipe that was searched.
            rows = steps.decided(store, replace(steps.load_recipe(str(file)), name=recipe.name)).counts.rows
        except RecipeError as error:
            why = str(error).replace(f"{file}: ", "")
            raise RecipeError(f"{recipe.name}: the proposal makes no mixture: {why}") from None
    if not rows:
        raise RecipeError(f"{recipe.name}: the proposal makes no mixture: its rules leave no pair")
    return text


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(data)
    settle(temporary, path)
