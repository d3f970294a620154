"""The report: one HTML file about a mixture's last run, with everything inside and nothing that runs."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

import filters
from mixtures._plan import Plan
from mixtures._recipe import Recipe
from pairs.store import Store, settle
from pipelines import benchmarks, biases, disagreements, looks, notes, outcomes, planted, steps

KEY = ["source", "pair_id"]
EXAMPLES = 3
_CUT = 240


def write(store: Store, recipe: Recipe) -> Path:
    """Write the report of the store's state for this mixture; returns its path."""
    from jinja2 import Environment, PackageLoader
    from markupsafe import Markup

    made = steps.planned(store, recipe)
    found = notes.read(store, "evaluated", recipe.name)
    pictures = looks.plan_plots(store, recipe, made)
    if found:
        pictures |= looks.evaluation_plots(found) | looks.training_plots(
            notes.read(store, "trained", recipe.name)["curve"]
        )

    def plot(name: str) -> Markup | str:
        if name not in pictures:
            return ""
        data = base64.b64encode(pictures[name]).decode()
        return Markup('<img alt="{}" src="data:image/png;base64,{}">').format(name, data)

    environment = Environment(loader=PackageLoader("pipelines", "."), autoescape=True, trim_blocks=True)
    environment.filters["shown"] = _shown
    page = environment.get_template("report.html.j2").render(plot=plot, **_context(store, recipe, made, found))
    path = outcomes.report_path(store, recipe)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(page)
    settle(temporary, path)
    return path


def _shown(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: ""}[value]
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _context(store: Store, recipe: Recipe, made: Plan, found: Mapping[str, Any]) -> dict[str, Any]:
    rows = looks.sources(store, recipe, made)
    figures = [
        ("native rows", f"{sum(row['native rows'] for row in rows):,}"),
        ("pairs", f"{made.counts.candidates:,}"),
        ("dropped by a rule", f"{made.counts.dropped_in_all:,}"),
        ("published rows", f"{made.counts.rows:,}"),
    ]
    if found:
        figures.append(("held-out accuracy", f"{found['accuracy']:.3f}"))
    asides = store.scan("bad_rows", list(recipe.sources)).group_by("source", "kind", "reason").len("rows")
    return {
        "name": recipe.name,
        "figures": figures,
        "sources": rows,
        "asides": asides.sort("source", "kind", "reason").collect().to_dicts(),
        "drops": looks.drops(made),
        "lengths": biases.lengths(store, recipe, made),
        "lengths_by_margin": biases.lengths_by_margin(store, recipe, made),
        "unit": biases.unit(recipe),
        "formatting": biases.formatting(store, recipe, made),
        "formatting_kinds": biases.formatting_kinds(store, recipe, made),
        "measure": biases.measure(recipe),
        "formatting_rule": biases.FORMATTING in recipe.rules,
        "disagreement": disagreements.books(store, recipe, made),
        "disagreed": disagreements.dropped(store, recipe, made) if disagreements.RULE in recipe.rules else [],
        "disagreements": disagreements.examples(store, recipe, made),
        "disagreement_value": disagreements.meaning(recipe),
        "overlap": overlap(store, recipe),
        "planted": [vars(one) for one in planted.planted(store, recipe)],
        "evaluation": [_evaluation(found)] if found else [],
        "benchmarks": _headlines(found) if found else [],
        "benchmark_details": benchmarks.details(found["benchmarks"]) if found else [],
        "examples": _examples(store, recipe, made),
        "load": _load(store, recipe),
        "recipe": recipe.text,
    }


def _load(store: Store, recipe: Recipe) -> str:
    root = outcomes.published_root(store, recipe)
    return f'from datasets import load_dataset\n\ntrain = load_dataset("{root}", "{recipe.name}", split="train")'


def _evaluation(found: Mapping[str, Any]) -> dict[str, Any]:
    low, high = found["interval"]
    return {
        "split": found["split"],
        "pairs": found["pairs"],
        "accuracy": found["accuracy"],
        "95% interval": f"{low:.3f} to {high:.3f}",
        "balanced accuracy": found["balanced_accuracy"],
        'accuracy of "longer is better"': found["length_accuracy"],
        "correlation of margin and length": found["length_correlation"],
        "calibration error": found["calibration_error"],
    }


def _headlines(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The table of benchmarks, narrow enough for the page."""
    rows = []
    for row in benchmarks.table(found["benchmarks"]):
        within, touched = benchmarks.interval(row), row.pop("contaminated pairs")
        seen = f"{benchmarks.number(row['contaminated'])} of {touched:,} pairs" if touched else ""
        place = {"benchmark": row["benchmark"], "figure": row["figure"], "value": row["value"]}
        rest = {name: value for name, value in row.items() if name not in (*place, "from", "to")}
        rows.append(place | {"95% interval": within} | rest | {"contaminated": seen})
    return rows


def overlap(store: Store, recipe: Recipe) -> list[dict[str, Any]]:
    """A row per source and benchmark that share something: how many pairs, and by which part."""
    signal = steps.signals(store, recipe, "contamination").collect()
    rows = steps.pairs(store, recipe).select("source", "pair_id", "role").collect()
    return list(filters.load("contamination").overlap(signal, rows).to_dicts())


def _examples(store: Store, recipe: Recipe, made: Plan) -> list[tuple[str, list[dict[str, str]]]]:
    picked = made.ledger.filter(pl.col("rule") != "sample").group_by(
        "rule", "action", "reason", maintain_order=True
    )
    parts = {f"{rule}: {action}, {reason}": rows.head(EXAMPLES) for (rule, action, reason), rows in picked}
    if not parts:
        return []
    wanted = pl.concat(parts.values()).select("source", "pair_id").unique()
    texts = {
        (row["source"], row["pair_id"]): row
        for row in steps.pairs(store, recipe)
        .join(wanted.lazy(), on=["source", "pair_id"], how="semi")
        .select("source", "pair_id", "prompt", "chosen", "rejected")
        .collect()
        .iter_rows(named=True)
    }
    return [
        (
            title,
            [_texts(texts[source, pair_id]) for source, pair_id in rows.select("source", "pair_id").iter_rows()],
        )
        for title, rows in parts.items()
    ]


def _texts(row: dict[str, Any]) -> dict[str, str]:
    def cut(messages: list[dict[str, str]]) -> str:
        text = messages[-1]["content"]
        return text if len(text) <= _CUT else text[:_CUT] + "…"

    return {**{name: row[name] for name in ("source", "pair_id")},
            **{name: cut(row[name]) for name in ("prompt", "chosen", "rejected")}}  # fmt: skip
