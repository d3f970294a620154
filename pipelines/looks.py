"""What a run shows: tables and plots from the store, for the UI, the card and the report alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg
import numpy as np
import polars as pl

from mixtures._plan import Plan
from mixtures._recipe import Recipe
from pairs.store import Store
from pipelines import benchmarks, biases, plots, steps
from pipelines.plots import as_markdown

__all__ = [
    "as_markdown",
    "drops",
    "evaluation_plots",
    "measures",
    "plan_plots",
    "sources",
    "table",
    "training_plots",
]

KEY = ["source", "pair_id"]


def drops(made: Plan) -> list[dict[str, Any]]:
    """What each rule did, a row per rule, action and reason: how many pairs."""
    counted = made.ledger.group_by("rule", "action", "reason").len("pairs").sort("rule", "action", "reason")
    return sorted(counted.to_dicts(), key=lambda row: made.rules.index(row["rule"]))


def sources(store: Store, recipe: Recipe, made: Plan) -> list[dict[str, Any]]:
    """A row per source: native rows, set aside, pairs, dropped, in the mixture, share of it."""
    rows = dict(made.rows.group_by("source").len().iter_rows())
    total = max(made.rows.height, 1)
    return [
        {
            "source": books.source,
            "native rows": books.rows,
            "set aside": books.rows_without,
            "pairs": books.pairs,
            "dropped": made.sources[books.source].dropped_in_all,
            "in the mixture": rows.get(books.source, 0),
            "share": round(rows.get(books.source, 0) / total, 4),
            "licence": books.licence,
            "revision": books.revision,
        }
        for books in steps.books(store, recipe)
    ]


def table(rows: Sequence[dict[str, Any]]) -> dg.MetadataValue:
    """Rows as the table that Dagster shows in metadata; a word where there are none."""
    if not rows:
        return dg.MetadataValue.text("none")
    kinds = {int: "int", float: "float", bool: "bool"}
    schema = dg.TableSchema(
        [dg.TableColumn(name, kinds.get(type(value), "string")) for name, value in rows[0].items()]
    )
    return dg.MetadataValue.table([dg.TableRecord(row) for row in rows], schema)


def measures(store: Store, recipe: Recipe, made: Plan) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Of all pairs that might enter, and of those that did as they are published: difference (characters, chosen
    less rejected), reward_margin (null without rewards), weight (of all copies; null for those left out) and
    soft_label (null: 1)."""
    weight = pl.col("weight").fill_null(1.0).sum().alias("weight")
    kept = made.rows.lazy().group_by(KEY).agg(pl.col("flipped", "soft_label").first(), weight)
    lengths = steps.signals(store, recipe, "length_bias").select("pair_id", "chosen_chars", "rejected_chars")
    margins = steps.signals(store, recipe, "reward_disagreement").select("pair_id", "reward_margin")
    every = (
        steps.training(store, recipe)
        .select(KEY)
        .join(lengths, on="pair_id", how="left")
        .join(margins, on="pair_id", how="left")
        .join(kept, on=KEY, how="left")
        .select(  # ids stay out: of many million pairs they would fill the memory
            "flipped", "soft_label", "weight", "reward_margin",
            difference=(pl.col("chosen_chars") - pl.col("rejected_chars")).fill_null(0),
        )
        .collect(engine="streaming")
    )  # fmt: skip
    turned = [
        pl.when("flipped").then(-pl.col(name)).otherwise(name).alias(name)
        for name in ("difference", "reward_margin")
    ]
    return every, every.filter(pl.col("weight").is_not_null()).with_columns(turned)


def plan_plots(store: Store, recipe: Recipe, made: Plan) -> dict[str, bytes]:
    """Length difference and formatting before and after, reward margins where there are any, source shares."""
    every, left = measures(store, recipe, made)
    before, after = (frame["difference"].to_numpy() for frame in (every, left))
    weight, soft = left["weight"].to_numpy(), left["soft_label"].fill_null(1.0).to_numpy()
    both_ways = np.concatenate([after, -after]), np.concatenate([weight * soft, weight * (1 - soft)])
    drawn = {"length_difference": plots.length_difference(before, *both_ways)}
    margins = [frame["reward_margin"].filter(frame["reward_margin"].is_finite()) for frame in (every, left)]
    if len(margins[0]):
        drawn["reward_margin"] = plots.reward_margins(margins[0].to_numpy(), margins[1].to_numpy())
    if marks := biases.formatting(store, recipe, made):
        parts = [", ".join(str(row[name]) for name in biases.BY) for row in marks]
        drawn["formatting"] = plots.leanings(parts, [(row["auc"], row["auc after"]) for row in marks])
    rows = sources(store, recipe, made)
    drawn["source_shares"] = plots.source_shares(
        [row["source"] for row in rows], [row["pairs"] for row in rows], [row["in the mixture"] for row in rows]
    )
    return drawn


def training_plots(curve: Sequence[Sequence[float]]) -> dict[str, bytes]:
    if not curve:
        return {}
    steps_, losses, accuracies = zip(*curve, strict=True)
    return {"training": plots.training_curve(steps_, losses, accuracies)}


def evaluation_plots(found: dict[str, Any]) -> dict[str, bytes]:
    """Accuracy of the whole split and by source, each with its interval; calibration; the benchmarks."""
    parts = {"all": {"accuracy": found["accuracy"], "pairs": found["pairs"]}, **found["by_source"]}
    spread = [_wilson(part["accuracy"], int(part["pairs"])) for part in parts.values()]
    spread[0] = tuple(found["interval"])
    accuracy = [part["accuracy"] for part in parts.values()]
    counts = [int(part["pairs"]) for part in parts.values()]
    drawn = {
        "accuracy": plots.accuracy_bars(list(parts), accuracy, spread, counts),
        "calibration": plots.calibration(found["calibration"], found["calibration_error"]),
    }
    scores = [row for row in benchmarks.table(found["benchmarks"]) if row["value"] is not None]
    if scores:
        drawn["benchmarks"] = plots.benchmark_bars(
            [f"{row['benchmark']}, {row['figure']}" for row in scores],
            [(row["value"], row["from"], row["to"]) for row in scores],
        )
    return drawn


def _wilson(share: float, count: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of `count` trials."""
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * float(np.sqrt(share * (1 - share) / count + z * z / (4 * count * count)))
    return max(0.0, middle - half), min(1.0, middle + half)
