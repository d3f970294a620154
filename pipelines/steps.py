"""What the assets call: each step reads its inputs from the store, calls one room, writes its outputs back.

No Dagster here: tests, benchmarks and notebooks call the same functions. Every step knows what its last result was
made from and does nothing when that has not changed.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

import filters
import mixtures
import sources
from filters import _apply
from filters._trust import trusted
from mixtures import _licences
from mixtures._plan import Counts, Plan
from mixtures._recipe import Recipe
from mixtures._seeds import ServerRecipe
from pairs.errors import RecipeError
from pairs.store import Store
from pairs.tables import TABLES
from pipelines import scored
from pipelines import trust as trusts
from rewards.interface import RewardModel
from rewards.score import Scored, completions_of
from rewards.score import score as run
from sources._books import Books

NARROW = ["source", "pair_id", "prompt_id", "chosen_id", "rejected_id", "modality", "criterion", "label_source"]


@dataclass(frozen=True)
class Signals:
    """What one filter's signal step did."""

    rows: int
    changed: bool


def load_recipe(path: str) -> Recipe:
    """The recipe of a TOML file: as given, or by its name among those that come with prefmill."""
    from mixtures._recipe import load_recipe as load
    from rewards.train import TrainSettings

    file = Path(path)
    if not file.exists():
        shipped = resources.files("mixtures") / file.name
        if not shipped.is_file():
            raise RecipeError(f"{path}: no such file; a mixture is a TOML file, e.g. mixtures/demo.toml")
        file = Path(str(shipped))
    return load(
        file, rules=_apply.rules(), sources=sources.names(), train=TrainSettings, is_benchmark=sources.is_benchmark
    )


def ingest(store: Store, recipe: Recipe, name: str) -> Books:
    """Read one source into the store, as the recipe says; a source it does not name comes from its own home."""
    from sources._read import ingest as read

    given = recipe.sources.get(name)
    if given is None:
        return read(store, name)
    return read(
        store, name, path=given.path, revision=given.revision, splits=given.splits, limit=given.limit,
        pictures=given.pictures, open_urls=given.open_urls,
    )  # fmt: skip


def books(store: Store, recipe: Recipe) -> list[Books]:
    """The books of the recipe's sources as they are in the store; raises when one was not ingested."""
    found = []
    for name in recipe.sources:
        facts = store.facts("pairs", name)
        if not facts:
            raise RecipeError(f"{recipe.name}: source {name} is not in the store yet; run the job `ingest` first")
        found.append(Books.from_facts(facts))
    return found


def pair_ids(store: Store, recipe: Recipe) -> dict[str, tuple[int, int]]:
    """Per source of the recipe: how many pairs the table holds, and how many distinct ids."""
    counted = pairs(store, recipe).group_by("source").agg(pl.len(), pl.col("pair_id").n_unique().alias("distinct"))
    held = {source: (rows, distinct) for source, rows, distinct in counted.collect().iter_rows()}
    return {name: held.get(name, (0, 0)) for name in recipe.sources}


def pairs(store: Store, recipe: Recipe) -> pl.LazyFrame:
    """The pairs of the recipe's sources."""
    return store.scan("pairs", list(recipe.sources))


def training(store: Store, recipe: Recipe) -> pl.LazyFrame:
    """The pairs that may enter the mixture: no benchmark's, unless the recipe admits it by name."""
    admitted = [name for name, given in recipe.sources.items() if given.admit_benchmark]
    return pairs(store, recipe).filter((pl.col("role") == "train") | pl.col("source").is_in(admitted))


def _inputs(store: Store, recipe: Recipe, *more: str) -> str:
    """Hash of what the recipe's sources hold now, and of `more`."""
    held = [f"{name} {store.facts('pairs', name).get('fingerprint')}" for name in sorted(recipe.sources)]
    return hashlib.blake2b("\n".join([*held, *more]).encode(), digest_size=16).hexdigest()


def signal(store: Store, recipe: Recipe, name: str) -> Signals:
    """Compute one filter's signal for the recipe's pairs, unless its inputs are what they were."""
    table = f"signals/{name}"
    wanted = _apply.reads(name)
    models = scored.models(store, recipe) if "rewards" in wanted else []
    order = list(recipe.sources) if "order" in wanted else []
    judges = [*scored.key(store, recipe), *trusts.key(recipe)] if models else []
    fingerprint = _inputs(store, recipe, _code(name), *judges, *order)
    known = store.facts(table, recipe.name)
    if known.get("fingerprint") == fingerprint:
        return Signals(int(known["rows"]), changed=False)
    tables: dict[str, Any] = {"pairs": pairs(store, recipe), "read_media": store.read_media, "order": order}
    if "groups" in wanted:
        tables["groups"] = signals(store, recipe, "groups")
    if "rewards" in wanted:
        tables["rewards"] = store.scan("rewards", models)
        if models and (least := recipe.rewards.min_trust) is not None:
            seen = training(store, recipe)
            believed = trusts.measured(store, recipe, seen, models)
            heard = trusted(seen, tables["rewards"], believed, least)
            tables["silenced"] = tables["rewards"].join(heard, on=["model", "completion_id"], how="anti")
            tables["rewards"] = heard
    if "media" in wanted:
        tables["media"] = store.scan("media", list(recipe.sources))
    found = _apply.run_signal(name, tables)
    labelled = found.add_column(0, "mixture", pa.array([recipe.name] * found.num_rows, pa.string()))
    store.replace(table, recipe.name, labelled, {"fingerprint": fingerprint, "rows": str(found.num_rows)})
    return Signals(found.num_rows, changed=True)


def signals(store: Store, recipe: Recipe, name: str) -> pl.LazyFrame:
    return store.scan(f"signals/{name}", [recipe.name]).drop("mixture")


def _code(name: str) -> str:
    """Hash of the code that a signal comes from: the filter's file and the machinery beside it."""
    folder = Path(str(filters.__file__)).parent
    files = [folder / f"{name}.py", *sorted(folder.glob("_*.py"))]
    return hashlib.blake2b(b"".join(file.read_bytes() for file in files), digest_size=16).hexdigest()


def reward_models(store: Store, recipe: Recipe) -> Iterator[tuple[RewardModel, str | None]]:
    """The models that judge the recipe's pairs, in its order: saved ones, those behind servers, and the embedded
    one twice, cross-fitted on the pairs themselves and watched while it learns them. None when no rule needs
    rewards. One at a time: two large ones need not be in memory together. With each the
    folder or name that its weights, or its head's, come from, if any."""
    if not any(_apply.needs(name, "rewards") for name in recipe.rules):
        return
    from rewards.load import load_reward_model

    for local in recipe.rewards.here():
        if local.model == "embedded":
            yield from _embedded(store, recipe)
        else:
            yield load_reward_model(local.model, **local.options()), local.model
    for given in recipe.rewards.servers:
        yield served(store, given, training(store, recipe)), given.head


def served(store: Store, given: ServerRecipe, judges: pl.LazyFrame) -> RewardModel:
    """The model behind a server; a judge of pairs as one for the completions of the pairs `judges`."""
    from rewards.load import load_server
    from rewards.verdicts import Judge, judged

    model = load_server(given.kind, given.url, given.model, given.options(), given.patience())
    return judged(store, model, judges) if isinstance(model, Judge) else model


def _embedded(store: Store, recipe: Recipe) -> Iterator[tuple[RewardModel, str | None]]:
    from rewards.dynamics import dynamics
    from rewards.embedded import cross_fit

    # A seed model that trained on benchmarks would leak them into every decision.
    seen = training(store, recipe).join(signals(store, recipe, "groups"), on="pair_id", how="left")
    learned = trusts.unverified(seen, trusts.gold(store, recipe, seen))
    yield cross_fit(seen, store.media, folds=recipe.rewards.folds, seed=recipe.seed), None
    yield dynamics(learned, store.media, seed=recipe.seed), None


def score(store: Store, recipe: Recipe) -> list[Scored]:
    """Score each completion of the recipe's training pairs that has no reward yet, by every model."""
    wanted = completions_of(training(store, recipe))
    done: list[tuple[Scored, str | None]] = []
    for model, origin in reward_models(store, recipe):
        done.append((run(store, model, wanted, progress=sys.stderr.isatty()), origin))
        del model  # before the next one is loaded
    scored.write(store, recipe, done)
    return [books for books, _ in done]


def trust(store: Store, recipe: Recipe) -> pl.DataFrame:
    """How far each model that scored the recipe's pairs agrees with their labels, by source and modality; `silent`
    where that is too little for the recipe's `min_trust`. Columns as from `filters._trust.trust`."""
    found = trusts.measured(store, recipe, training(store, recipe), scored.models(store, recipe))
    least = recipe.rewards.min_trust
    silent = pl.lit(False) if least is None else (pl.col("low") < least).fill_null(True)
    return found.with_columns(silent=silent)


def candidates(store: Store, recipe: Recipe) -> pl.DataFrame:
    """One narrow row per (source, pair_id) of the recipe's sources: what a plan starts from."""
    order = pl.DataFrame({"source": list(recipe.sources), "source_order": range(len(recipe.sources))})
    category = [] if recipe.category_ratio is None else ["category"]
    frame = pairs(store, recipe).select(*NARROW, "licence", "role", *category)
    frame = frame.join(signals(store, recipe, "groups"), on="pair_id", how="left")
    return frame.join(order.lazy(), on="source", how="left").sort("source_order", "source", "pair_id").collect()


def decided(store: Store, recipe: Recipe) -> Plan:
    """What the recipe's rules, in their order, its sampling and its splits make of the signals in the store."""
    from mixtures._plan import plan as make

    def step(name: str, params: Any) -> Any:
        return lambda left: _apply.decide(name, left, signals(store, recipe, name).collect(), params)

    steps = [(name, step(name, params)) for name, params in recipe.rules.items()]
    return make(recipe, candidates(store, recipe), steps)


def plan(store: Store, recipe: Recipe) -> Plan:
    """Decide, and write the plan and the ledger to the store; refuse a list that names a licence nobody has."""
    held = store.scan("pairs").select("licence").unique().collect(engine="streaming")["licence"]
    _licences.check(recipe.name, recipe.licences, held.to_list())
    made = decided(store, recipe)
    fingerprint = made_from(store, recipe)
    if store.facts("plans", recipe.name).get("fingerprint") != fingerprint:
        _write(store, "ledger", recipe, made.ledger, {})
        facts = {"fingerprint": fingerprint, "counts": json.dumps(_counts(made))}
        _write(store, "plans", recipe, made.rows, facts)
    return made


def made_from(store: Store, recipe: Recipe) -> str:
    """Hash of all that decides a plan: the recipe's meaning, the sources, the signals, the code that plans."""
    code = b"".join(file.read_bytes() for file in sorted(Path(str(mixtures.__file__)).parent.glob("_*.py")))
    facts = [hashlib.blake2b(code, digest_size=16).hexdigest()]
    facts += [store.facts(f"signals/{name}", recipe.name).get("fingerprint", "") for name in filters.names()]
    return _inputs(store, recipe, recipe.fingerprint, *facts)


def _write(store: Store, table: str, recipe: Recipe, rows: pl.DataFrame, facts: Mapping[str, str]) -> None:
    schema = TABLES[table][0]
    labelled = rows.with_columns(pl.lit(recipe.name).alias("mixture")).select(schema.names)
    store.replace(table, recipe.name, labelled.to_arrow().cast(schema), facts)


def _counts(made: Plan) -> dict[str, Any]:
    by_source = {name: asdict(counts) for name, counts in made.sources.items()}
    return {"counts": asdict(made.counts), "sources": by_source, "rules": list(made.rules)}


def planned(store: Store, recipe: Recipe) -> Plan:
    """The plan as it stands in the store."""
    facts = store.facts("plans", recipe.name)
    if not facts:
        raise RecipeError(f"{recipe.name}: no plan in the store yet; run the asset `mixture` first")
    counted = json.loads(facts["counts"])
    return Plan(
        rows=store.scan("plans", [recipe.name]).drop("mixture").collect(),
        ledger=store.scan("ledger", [recipe.name]).drop("mixture").collect(),
        counts=Counts(**counted["counts"]),
        sources={name: Counts(**counts) for name, counts in counted["sources"].items()},
        rules=tuple(counted["rules"]),
    )


def split_rows(made: Plan) -> dict[str, int]:
    """Rows of the mixture by split."""
    return dict(made.rows.group_by("split").len().sort("split").iter_rows())


def check_plan(store: Store, recipe: Recipe, made: Plan) -> dict[str, list[str]]:
    """What is wrong with a plan, by check: pairs not accounted for, and groups in more than one split."""
    kept = made.rows.select("source", "pair_id").unique()
    dropped = made.ledger.filter(pl.col("action") == "drop").select("source", "pair_id").unique()
    held = sum(rows for rows, _ in pair_ids(store, recipe).values())
    unbalanced = []
    if kept.height + dropped.height != held or kept.join(dropped, on=["source", "pair_id"], how="semi").height:
        unbalanced.append(f"{held} pairs, but {kept.height} kept and {dropped.height} dropped")
    groups = made.rows.lazy().join(signals(store, recipe, "groups"), on="pair_id", how="left")
    spread = groups.group_by("group_id").agg(pl.col("split").n_unique()).filter(pl.col("split") > 1).collect()
    first = spread["group_id"].head(1)
    cut = [f"{spread.height} groups are in more than one split, e.g. {group}" for group in first]
    return {"books_balance": unbalanced, "no_group_across_splits": cut}
