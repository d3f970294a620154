"""A reward model on the benchmarks of a recipe, by their official rules; rows seen in training apart."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

import filters
from filters._votes import once
from mixtures._recipe import Recipe
from pairs.errors import RecipeError
from pairs.store import Store
from pipelines import steps
from rewards.interface import RewardModel

_COLUMNS = (
    "source", "pair_id", "prompt_id", "chosen_id", "rejected_id", "source_split", "category", "language", "extra",
)  # fmt: skip


def names(store: Store, recipe: Recipe) -> list[str]:
    """The benchmarks of the recipe that hold pairs and are not admitted to training, in the order of the file."""
    held = steps.pairs(store, recipe).filter(pl.col("role") == "benchmark").select("source").unique().collect()
    return [
        name
        for name, given in recipe.sources.items()
        if name in held["source"].to_list() and not given.admit_benchmark
    ]


def evaluate(store: Store, recipe: Recipe, model: RewardModel) -> list[dict[str, Any]]:
    """The official figures of every benchmark of the recipe, as plain values."""
    from rewards.benchmarks import measure
    from rewards.score import completions, score

    wanted = names(store, recipe)
    if not wanted:
        return []
    score(store, model, completions(store, wanted), progress=sys.stderr.isatty())
    rewards = once(store.scan("rewards", [model.fingerprint])).select("completion_id", "reward").collect()
    touched = contaminated(store, recipe)
    rules = {"seed": recipe.seed, "judge": asks_pairs(model)}
    return [measure(name, _judged(store, name, rewards, touched), **rules).as_dict() for name in wanted]


def _judged(store: Store, name: str, rewards: pl.DataFrame, touched: pl.DataFrame) -> pl.DataFrame:
    """The benchmark's pairs in native order, with the rewards of both sides (null: not judged)."""
    rows = store.scan("pairs", [name]).select(_COLUMNS).collect()
    for side in ("chosen", "rejected"):
        of_side = rewards.select(pl.col("completion_id").alias(f"{side}_id"), pl.col("reward").alias(side))
        rows = rows.join(of_side, on=f"{side}_id", how="left", maintain_order="left")
    marks = (
        touched.filter(pl.col("benchmark") == name)
        .select(pair_id="benchmark_pair")
        .with_columns(contaminated=True)
    )
    rows = rows.join(marks, on="pair_id", how="left", maintain_order="left")
    return rows.with_columns(
        pl.col("contaminated").fill_null(False), pl.col("chosen", "rejected").cast(pl.Float64)
    )


def contaminated(store: Store, recipe: Recipe) -> pl.DataFrame:
    """Pairs of benchmarks that share something with a pair that was trained on: benchmark, benchmark_pair.

    Of the pairs that the contamination filter names, those whose training pair is still in the split train: a rule
    that drops them leaves none. A recipe of benchmarks alone trains on nothing, and needs no plan.
    """
    if steps.training(store, recipe).select("pair_id").head(1).collect().is_empty():
        return pl.DataFrame(schema={"benchmark": pl.String, "benchmark_pair": pl.String})
    return contaminated_by(store, recipe, steps.planned(store, recipe).rows)


def contaminated_by(store: Store, recipe: Recipe, rows: pl.DataFrame) -> pl.DataFrame:
    """The same for any rows of a plan: pair_id and split."""
    params = recipe.rules.get("contamination", filters.load("contamination").Rule())
    trained = rows.filter(pl.col("split") == "train").select("pair_id").unique()
    signal = steps.signals(store, recipe, "contamination").collect().join(trained, on="pair_id", how="semi")
    hits = signal.explode("hits").filter(pl.col("hits").is_not_null()).unnest("hits")
    hits = hits.filter(pl.col("similarity") >= params.similarity, pl.col("part").is_in(params.parts))
    return hits.select("benchmark", "benchmark_pair").unique()


def models(store: Store, recipe: Recipe, named: Sequence[str], for_text: Sequence[str]) -> RewardModel:
    """The model to measure: the mean of those named, another for text where given; none named: the mixture's own,
    with the recipe's `text_model`. A name is a folder or an id on the hub, loaded as the recipe's
    `[[rewards.local]]` says, that of a model under its `[[rewards.servers]]`, or that of a trained mixture."""
    from rewards.ensemble import Ensemble, Routed
    from rewards.load import load_reward_model

    servers = {given.model: given for given in recipe.rewards.servers}
    options = {given.model: given.options() for given in recipe.rewards.local}
    if not named and not for_text and recipe.text_model is not None:
        check_text_model(store, recipe)
        for_text = [recipe.text_model]
    measured = store.scan("pairs", names(store, recipe))

    def mean(paths: Sequence[str]) -> RewardModel:
        loaded = [
            steps.served(store, servers[path], measured)
            if path in servers
            else load_reward_model(_trained(store, path) or path, **options.get(path, {}))
            for path in paths
        ]
        return loaded[0] if len(loaded) == 1 else Ensemble(loaded)

    if not named and not _trained(store, recipe.name):
        raise RecipeError(
            f"{recipe.name}: no trained model yet; run the job `train` first, or name one by --model"
        )
    model = mean(named or [str(store.path("models", recipe.name))])
    return Routed(model, mean(for_text)) if for_text else model


def check_text_model(store: Store, recipe: Recipe) -> None:
    """Raise `RecipeError` where the recipe's `text_model` can only be a mixture, and that one is not trained."""
    name = recipe.text_model
    served = name in {given.model for given in recipe.rewards.servers}
    if name is None or served or "/" in name or Path(name).exists() or _trained(store, name):
        return
    raise RecipeError(
        f"{recipe.name}: text_model = {name!r} is no mixture with a trained model; run the job `train` with that "
        "mixture first, or take text_model out"
    )


def _trained(store: Store, name: str) -> str | None:
    """The folder of a mixture's trained model."""
    if "/" in name:
        return None
    folder = store.path("models", name)
    return str(folder) if (folder / "config.json").is_file() else None


def asks_pairs(model: RewardModel) -> bool:
    """Whether a model is a judge of pairs: it gives rewards to the completions of the benchmarks' pairs alone."""
    from rewards.verdicts import Judged

    return isinstance(model, Judged)


def page(found: Mapping[str, Any], by_part: bool) -> str:
    """What `outcomes.measured` found, as text; by source, category and part where asked for."""
    held = found["held_out"]
    parts = [held_out_text(held, by_part) if held else f"held-out split not measured: {found['skipped']}"]
    parts.append(text(found["benchmarks"]))
    return "\n\n".join([*parts, *([details_text(found["benchmarks"])] if by_part and found["benchmarks"] else [])])


def held_out_text(found: Mapping[str, Any], by_part: bool = False) -> str:
    """A model on the held-out split, as `outcomes.held_out` gives it: accuracy, length bias, calibration, and
    where asked for the accuracy by source and modality."""
    low, high = found["interval"]
    lines = [
        ("accuracy", f"{found['accuracy']:.3f} ({low:.3f} to {high:.3f})"),
        ("balanced accuracy", number(found["balanced_accuracy"])),
        ('accuracy of "longer is better"', number(found["length_accuracy"])),
        ("correlation of margin and length", number(found["length_correlation"])),
        ("calibration error", number(found["calibration_error"])),
    ]
    first = f"held-out split {found['split']}, {found['pairs']:,} pairs, {found['unjudged']:,} unjudged"
    for name, part in {**found["by_source"], **found["by_modality"]}.items() if by_part else ():
        lines.append((f"accuracy of {name}", f"{part['accuracy']:.3f} on {part['pairs']:,} pairs"))
    return "\n".join([first, *(f"  {name:<38}{value}" for name, value in lines)])


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def text(found: Sequence[Mapping[str, Any]]) -> str:
    """The headline of each benchmark, a line each."""
    lines = [
        f"{'benchmark':<24}{'figure':<14}{'value':>7}  {'95% interval':<16}{'pairs':>7}{'unjudged':>10}{'tied':>6}"
    ]
    for row in table(found):
        lines.append(
            f"{row['benchmark']:<24}{row['figure']:<14}{number(row['value']):>7}  {interval(row):<16}"
            f"{row['pairs']:>7,}{row['unjudged']:>10,}{row['tied']:>6,}"
            + (f"  in part: {row['missing parts']}" if row["missing parts"] else "")
        )
    return "\n".join(lines) if found else "the mixture lists no benchmark whose pairs are in the store"


def interval(row: Mapping[str, Any]) -> str:
    return "-" if row["from"] is None else f"{row['from']:.3f} to {row['to']:.3f}"


def details_text(found: Sequence[Mapping[str, Any]]) -> str:
    """All figures of each benchmark with their intervals; its headline over clean and contaminated pairs apart."""
    lines = []
    for one in found:
        figures = list(one["figures"].items())
        for name in ("clean", "contaminated"):
            if one[name]:
                pairs, figure = one[name]
                figures.append((f"{name} pairs ({pairs:,}): {one['headline']}", figure))
        lines += ["", one["benchmark"]]
        for name, figure in figures:
            value, low, high = known(figure)
            lines.append(f"  {name:<54}{number(value):>7}  {interval({'from': low, 'to': high})}")
    return "\n".join(lines[1:])


def as_json(found: Mapping[str, Any]) -> str:
    """Indented JSON, null for figures that are not known."""
    return json.dumps(json.loads(json.dumps(found), parse_constant=lambda _: None), indent=2)


def known(figure: Sequence[float]) -> tuple[float | None, ...]:
    """A figure and the ends of its interval, None for all where nothing was there to measure."""
    return (None,) * 3 if math.isnan(figure[0]) else tuple(figure)


def table(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row per benchmark: its headline with interval, what it is over, clean and contaminated pairs apart."""
    rows = []
    for one in found:
        value, low, high = known(one["figures"][one["headline"]])
        clean, touched = one["clean"], one["contaminated"]
        rows.append(
            {
                "benchmark": one["benchmark"],
                "figure": one["headline"],
                "value": value,
                "from": low,
                "to": high,
                "pairs": one["pairs"],
                "unjudged": one["unjudged"],
                "tied": one["tied"],
                "clean": known(clean[1])[0] if clean else None,
                "contaminated": known(touched[1])[0] if touched else None,
                "contaminated pairs": touched[0] if touched else 0,
                "missing parts": ", ".join(one["missing"]),
            }
        )
    return rows


def details(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row per benchmark and figure, with its interval."""
    return [
        {"benchmark": one["benchmark"], "figure": name, "value": value, "from": low, "to": high}
        for one in found
        for name, (value, low, high) in one["figures"].items()
        if not math.isnan(value)  # a part that is not there has none
    ]
