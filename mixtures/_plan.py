"""A recipe and its candidates -> the plan of a mixture: what enters, how often, in which split, and why not.

Pure: no store, no clock, no randomness but the keyed hashes of ids. Rules come as callables, in order; each sees
the pairs that those before it have left, and its decisions go into the ledger word for word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import polars as pl

from mixtures import _licences as _table
from mixtures._recipe import Recipe
from mixtures._recipe_tables import Lists
from mixtures._sample import sample, uniform
from pairs.errors import PrefmillError, RecipeError, shown

Step = Callable[[pl.DataFrame], pl.DataFrame]
KEY = ["source", "pair_id"]
ORDER = ["source_order", "source", "pair_id"]
ACTIONS = ("drop", "flip", "soften", "weight", "keep")
DECISIONS = pl.Schema(
    {
        "source": pl.String, "pair_id": pl.String, "action": pl.String,
        "reason": pl.String, "value": pl.Float64, "by": pl.String,
    }
)  # fmt: skip
CANDIDATES = (
    "source", "source_order", "pair_id", "prompt_id", "chosen_id", "rejected_id", "group_id", "modality",
    "criterion", "label_source", "licence", "role",
)  # fmt: skip


@dataclass
class Counts:
    """Pairs of one source or of all. `kept` are distinct (source, pair_id), `rows` counts copies too.

    `dropped` and `changed` count by rule and reason; a pair is dropped once but may be changed by several rules.
    """

    candidates: int = 0
    kept: int = 0
    rows: int = 0
    dropped: dict[str, dict[str, int]] = field(default_factory=dict)
    changed: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def dropped_in_all(self) -> int:
        return sum(sum(reasons.values()) for reasons in self.dropped.values())


@dataclass(frozen=True)
class Plan:
    """`rows`: the mixture, by the columns of `pairs.tables.PLANS` after `mixture`, sorted by them.

    `pair_id` is the id in the store; a flipped pair is published under the id of its swapped content.
    `ledger`: the columns of `pairs.tables.LEDGER` after `mixture`, one row for each pair and rule that touched it.
    `rules`: all rules in the order they were applied, those built in included.
    """

    rows: pl.DataFrame
    ledger: pl.DataFrame
    counts: Counts
    sources: dict[str, Counts]
    rules: tuple[str, ...]


def plan(recipe: Recipe, candidates: pl.DataFrame, steps: Sequence[tuple[str, Step]]) -> Plan:
    """Apply the role, the licences and lists, `steps` and the sampling of `recipe` to one row per pair and source.

    `candidates` has the columns `CANDIDATES`, and `category` where a ratio names it. A step gets those that are
    left, sorted by source order, source and pair id, with `flipped`, `soft_label` and `weight` as the steps before
    have set them; columns and ids stay as the source wrote them, also when a rule has flipped the pair. It returns
    decisions (`DECISIONS`), at most one per pair. A second softening replaces the first; weights multiply. A soft
    label is the probability that the source's chosen one is better, so a flipped pair is published with the
    complement. A kept pair stays as it is: its line in the ledger says why the step would not judge it.

    Raises `PrefmillError` when a step decides about what it was not given, or when the books don't balance.
    """
    _check_candidates(recipe, candidates)
    survivors = left(candidates, [])
    ledger = []
    all_steps: list[tuple[str, Step]] = [
        ("role", lambda frame: _role(recipe, frame)),
        ("licences", lambda frame: _licences(recipe, frame)),
        *_lists(recipe),
        *steps,
    ]
    for rule, step in all_steps:
        decisions = _checked(rule, step(survivors), survivors)
        survivors = _applied(survivors, decisions)
        ledger.append(decisions.with_columns(rule=pl.lit(rule)))
    taken, decisions = sample(recipe, survivors)
    ledger.append(decisions.with_columns(rule=pl.lit("sample")))
    rows = _rows(recipe, survivors.join(taken, on=KEY, how="inner", maintain_order="left"))
    lines = pl.concat(ledger).select("pair_id", "source", "rule", "action", "reason", "value", "by")
    books = {name: _counts(candidates, rows, lines, pl.col("source") == name) for name in recipe.sources}
    rules = (*(rule for rule, _ in all_steps), "sample")
    made = Plan(rows, lines, _counts(candidates, rows, lines, pl.lit(True)), books, rules)
    _balance(made)
    return made


def left(candidates: pl.DataFrame, decisions: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """What a step gets after those that have made `decisions`, a frame for each step, in their order."""
    survivors = candidates.sort(ORDER).with_columns(
        flipped=pl.lit(False), soft_label=pl.lit(None, pl.Float64), weight=pl.lit(None, pl.Float64)
    )
    for made in decisions:
        survivors = _applied(survivors, made)
    return survivors


def _check_candidates(recipe: Recipe, candidates: pl.DataFrame) -> None:
    missing = [name for name in CANDIDATES if name not in candidates.columns]
    if missing:
        raise PrefmillError(f"candidates have no column {missing[0]!r}; expected {', '.join(CANDIDATES)}")
    if recipe.category_ratio is not None and "category" not in candidates.columns:
        raise PrefmillError("candidates have no column 'category', which category_ratio needs")
    for name in CANDIDATES:
        if candidates[name].null_count():
            raise PrefmillError(f"candidates: {candidates[name].null_count()} of {name} are null")
    strange = sorted(set(candidates["source"].unique()) - set(recipe.sources))
    if strange:
        raise PrefmillError(f"candidates come from {strange[0]!r}, which is no source of {recipe.name}")
    doubled = candidates.select(KEY).is_duplicated()
    if doubled.any():
        row = candidates.filter(doubled).row(0, named=True)
        raise PrefmillError(f"candidates hold {row['source']} {row['pair_id']} twice; expected one row per pair")


def _role(recipe: Recipe, survivors: pl.DataFrame) -> pl.DataFrame:
    admitted = [name for name, source in recipe.sources.items() if source.admit_benchmark]
    return _dropped(
        survivors.filter((pl.col("role") != "train") & ~pl.col("source").is_in(admitted)), pl.col("role")
    )


def _licences(recipe: Recipe, survivors: pl.DataFrame) -> pl.DataFrame:
    denied = _denied("licence", recipe.licences)
    if recipe.licences.use is None:
        return _dropped(survivors.filter(denied), pl.lit("licence_not_allowed"))
    listed = [*_table.COMMERCIAL, *_table.OTHER, *(recipe.licences.allow or ())]
    unknown = survivors.filter(~denied & ~pl.col("licence").is_in(listed))
    if unknown.height:
        row = unknown.row(0, named=True)
        raise RecipeError(
            f"{recipe.name}: {unknown.height:,} pairs, first of {row['source']}, have the licence "
            f"{shown(row['licence'])}; whether it allows commercial use is not known: name it in licences.deny, "
            "or in licences.allow with all that you allow"
        )
    # Dropped, because an `allow` list may not name it: the reader of the recipe has refused that.
    other = pl.col("licence").is_in(list(_table.OTHER))
    reason = pl.when(denied).then(pl.lit("licence_not_allowed")).otherwise(pl.lit("not_for_commercial_use"))
    return _dropped(survivors.filter(denied | other), reason)


def _lists(recipe: Recipe) -> list[tuple[str, Step]]:
    """The steps of the allow and deny lists that the recipe has, modalities first."""

    def step(name: str, column: str, lists: Lists) -> tuple[str, Step]:
        reason = pl.lit(f"{column}_not_allowed")
        return name, lambda frame: _dropped(frame.filter(_denied(column, lists)), reason)

    asked = (
        ("modalities", "modality", recipe.modalities),
        ("label_sources", "label_source", recipe.label_sources),
    )
    return [step(*one) for one in asked if one[2].asked]


def _denied(column: str, lists: Lists) -> pl.Expr:
    denied = pl.col(column).is_in(lists.deny)
    return denied if lists.allow is None else denied | ~pl.col(column).is_in(lists.allow)


def _dropped(rows: pl.DataFrame, reason: pl.Expr) -> pl.DataFrame:
    nothing = {"value": pl.lit(None, pl.Float64), "by": pl.lit(None, pl.String)}
    return rows.select("source", "pair_id", action=pl.lit("drop"), reason=reason, **nothing)


def _checked(rule: str, decisions: pl.DataFrame, survivors: pl.DataFrame) -> pl.DataFrame:
    """Decisions in their schema and order, refused when they cannot be carried out."""
    missing = [name for name in DECISIONS if name not in decisions.columns]
    if missing:
        raise PrefmillError(f"rule {rule}: decisions have no column {missing[0]!r}; expected {list(DECISIONS)}")
    decisions = decisions.select(DECISIONS.names()).cast(DECISIONS).sort(*KEY, "action")
    value, action = pl.col("value"), pl.col("action")
    finite = value.is_not_null() & value.is_finite()
    wrong = {
        "decides twice about a pair": pl.struct(KEY).is_duplicated(),
        f"has an action other than {', '.join(ACTIONS)}": ~action.is_in(ACTIONS).fill_null(False),
        "gives no reason": pl.col("reason").is_null() | (pl.col("reason") == ""),
        "softens with no probability": (action == "soften") & ~(finite & value.is_between(0, 1)),
        "gives a weight that is not above 0": (action == "weight") & ~(finite & (value > 0)),
    }
    for problem, found in wrong.items():
        rows = decisions.filter(found)
        if rows.height:
            raise PrefmillError(f"rule {rule} {problem}: {shown(rows.row(0))}, {rows.height} such decisions")
    strangers = decisions.join(survivors, on=KEY, how="anti")
    if strangers.height:
        raise PrefmillError(f"rule {rule} decides about {shown(strangers.row(0)[:2])}, which it was not given")
    return decisions


def _applied(survivors: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    joined = survivors.join(
        decisions.select(*KEY, "action", "value"), on=KEY, how="left", maintain_order="left"
    ).filter(pl.col("action").ne_missing("drop"))
    does = {action: pl.col("action").eq_missing(action) for action in ACTIONS}
    return joined.with_columns(
        flipped=pl.col("flipped") | does["flip"],
        soft_label=pl.when(does["soften"]).then("value").otherwise("soft_label"),
        weight=pl.when(does["weight"]).then(pl.col("weight").fill_null(1.0) * pl.col("value")).otherwise("weight"),
    ).drop("action", "value")


def _rows(recipe: Recipe, taken: pl.DataFrame) -> pl.DataFrame:
    """The mixture's rows. A split other than train holds a pair once: copies there would only repeat a test."""
    split = pl.lit("train")
    upper = 0.0
    edges = []
    for name, share in recipe.splits.items():
        edges.append((name, upper, upper + share))
        upper += share
    for name, low, high in edges:
        split = pl.when(pl.col("u").is_between(low, high, closed="left")).then(pl.lit(name)).otherwise(split)
    numbers = uniform(recipe.seed, "split", taken["group_id"])
    return (
        taken.with_columns(pl.Series("u", numbers, dtype=pl.Float64))
        .with_columns(split=split)
        .with_columns(copies=pl.when(pl.col("split") == "train").then("copies").otherwise(pl.lit(1)))
        .with_columns(copy=pl.int_ranges(0, pl.col("copies"), dtype=pl.Int32))
        .explode("copy")
        .select(
            "source", "pair_id", "split", "copy", "flipped",
            soft_label=pl.when("flipped").then(1 - pl.col("soft_label")).otherwise("soft_label"),
            weight="weight",
        )
        .sort("source", "pair_id", "copy")
    )  # fmt: skip


def _counts(candidates: pl.DataFrame, rows: pl.DataFrame, lines: pl.DataFrame, which: pl.Expr) -> Counts:
    rows = rows.filter(which)
    counts = Counts(candidates.filter(which).height, rows.filter(pl.col("copy") == 0).height, rows.height)
    acted = lines.filter(which & (pl.col("action") != "keep"))
    touched = Counter(acted.select("rule", "reason", "action").iter_rows())
    for (rule, reason, action), count in sorted(touched.items()):
        table = counts.dropped if action == "drop" else counts.changed
        reasons = table.setdefault(rule, {})
        reasons[reason] = reasons.get(reason, 0) + count
    return counts


def _balance(made: Plan) -> None:
    for name, counts in {**made.sources, "the mixture": made.counts}.items():
        if counts.candidates != counts.kept + counts.dropped_in_all:
            raise PrefmillError(
                f"{name}: {counts.candidates} candidates, but {counts.kept} kept and {counts.dropped_in_all} "
                "dropped; this is a fault of prefmill, please report it"
            )
