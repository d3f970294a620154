"""What runs a filter: its signal over tables, its rule over the pairs that are still in."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import polars as pl
import pyarrow as pa
from pydantic import BaseModel
from threadpoolctl import threadpool_limits

import filters
from filters._decisions import KEY, checked, decisions
from pairs.errors import PrefmillError


def rules() -> dict[str, type[BaseModel]]:
    """The parameters of every filter that has a rule, by the filter's name."""
    modules = {name: filters.load(name) for name in filters.names()}
    return {name: module.Rule for name, module in modules.items() if hasattr(module, "rule")}


def reads(name: str) -> tuple[str, ...]:
    """What a filter's signal reads: tables, `read_media` for the bytes of pictures, `order` of the sources."""
    return tuple(inspect.signature(filters.load(name).signal).parameters)


def needs(name: str, table: str) -> bool:
    """Whether a filter's signal is nothing without a table; one that takes what there is has a default for it."""
    asked = inspect.signature(filters.load(name).signal).parameters.get(table)
    return asked is not None and asked.default is asked.empty


def run_signal(name: str, tables: Mapping[str, Any]) -> pa.Table:
    """The signal of one filter, one row per pair_id, sorted by it, with the columns of its `SIGNAL`.

    `tables` holds at least what the signal needs: tables as lazy frames, `read_media`, which turns rows of the
    media table into {media_id: bytes} as `Store.read_media` does, and `order`, the recipe's sources. Every column
    but pair_id is stored as nullable: a missing value in a column that must not miss is `decide`'s to judge.
    """
    module = filters.load(name)
    wanted = reads(name)
    missing = [table for table in wanted if needs(name, table) and table not in tables]
    if missing:
        raise PrefmillError(
            f"filters/{name}.py: signal reads the table {missing[0]!r}, given were {', '.join(sorted(tables))}"
        )
    schema = pa.schema([field.with_nullable(field.name != "pair_id") for field in module.SIGNAL])
    # Products of small matrices: between them the threads of a BLAS wait for each other, ten times as long.
    with threadpool_limits(1, "blas"):
        lazy = module.signal(**{table: tables[table] for table in wanted if table in tables}).select(schema.names)
        rows = lazy.collect(engine="streaming").sort("pair_id")
    if rows["pair_id"].null_count() or rows["pair_id"].n_unique() != rows.height:
        raise PrefmillError(
            f"filters/{name}.py: signal has {rows.height} rows for {rows['pair_id'].n_unique()} pair_ids, "
            "expected one row for each; mend the signal"
        )
    table: pa.Table = rows.to_arrow().cast(schema)
    return table


def with_signal(name: str, survivors: pl.DataFrame, signal: pl.DataFrame) -> pl.DataFrame:
    """Survivors in order of (source_order, source, pair_id), with the columns of one filter's signal."""
    columns = filters.load(name).SIGNAL.names
    joined = survivors.join(signal.select(columns), on="pair_id", how="left", validate="m:1")
    return joined.sort("source_order", "source", "pair_id")


def decide(name: str, survivors: pl.DataFrame, signal_frame: pl.DataFrame, params: BaseModel) -> pl.DataFrame:
    """The decisions of one filter's rule, sorted by (source, pair_id); see `_decisions.DECISIONS`.

    The rule never sees a row whose signal is missing: NaN or infinite in any column, or null in a column that
    `SIGNAL` holds to be not null. Such a row is dropped as `<name>_signal_missing`. Null in a nullable column
    means that there was nothing to measure; what follows is the rule's to say.
    """
    module = filters.load(name)
    if not hasattr(module, "rule"):
        raise PrefmillError(f"filters/{name}.py: has a signal but no rule; take [rules.{name}] out of the recipe")
    rows = with_signal(name, survivors, signal_frame)
    usable = _usable(module.SIGNAL)
    missing = decisions(rows.filter(~usable), "drop", f"{name}_signal_missing")
    left = rows.filter(usable)
    return pl.concat([missing, checked(module.rule(left, params), left, name)]).sort(KEY)


def _usable(schema: pa.Schema) -> pl.Expr:
    sound = pl.lit(True)
    for field in schema:
        if not field.nullable:
            sound = sound & pl.col(field.name).is_not_null()
        if pa.types.is_floating(field.type):
            sound = sound & pl.col(field.name).is_finite().fill_null(True)
    return sound
