"""The ledger beside a published dataset: what every rule did to every pair it touched, dropped pairs included."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from mixtures._plan import Plan
from mixtures._recipe import Recipe
from pairs.ids import pair_id
from pairs.store import Store, settle

FILE = "ledger.parquet"  # in the folder of a version
_KEY = ["source", "pair_id"]
_string = pa.string()
SCHEMA = pa.schema(
    [
        pa.field("source", _string, nullable=False),
        pa.field("pair_id", _string, nullable=False),
        pa.field("published_id", _string),
        pa.field("rule", _string, nullable=False),
        pa.field("action", _string, nullable=False),
        pa.field("reason", _string, nullable=False),
        pa.field("value", pa.float64()),
        pa.field("by", _string),
    ]
)


def write_ledger(store: Store, recipe: Recipe, plan: Plan, rows: pl.LazyFrame, folder: Path) -> None:
    """Write the plan's ledger to `folder`, sorted by source, pair id and the order in which rules were applied.

    The same plan gives the same bytes. `published_id` is the id in the dataset: another one where a rule flipped
    the pair, null where one dropped it.
    """
    # Of each pair its first copy, and only of pairs that the ledger names: the rows may be many millions.
    first = rows.filter(pl.col("copy") == 0).join(plan.ledger.lazy(), on=_KEY, how="semi")
    kept = first.select(*_KEY, "flipped").collect(engine="streaming")
    swapped = _swapped(store, recipe, kept.filter("flipped"))
    named = kept.join(swapped, on=_KEY, how="left").select(*_KEY, published_id=pl.coalesce("swapped", "pair_id"))
    steps = {rule: step for step, rule in enumerate(plan.rules)}
    lines = (
        plan.ledger.join(named, on=_KEY, how="left")
        .with_columns(step=pl.col("rule").replace_strict(steps, return_dtype=pl.Int64))
        .sort(*_KEY, "step")
        .select(SCHEMA.names)
    )
    temporary = folder / f".{FILE}.tmp"
    pq.write_table(lines.to_arrow().cast(SCHEMA), temporary, compression="zstd")
    settle(temporary, folder / FILE)


def _swapped(store: Store, recipe: Recipe, flipped: pl.DataFrame) -> pl.DataFrame:
    """The id that each flipped pair has with its sides exchanged."""
    if flipped.is_empty():  # every pair would be read to find none
        return pl.DataFrame(schema=dict.fromkeys((*_KEY, "swapped"), pl.String))
    ids = ("prompt_id", "rejected_id", "chosen_id", "criterion")
    found = (
        store.scan("pairs", list(recipe.sources))
        .select(*_KEY, *ids)
        .join(flipped.lazy().select(_KEY), on=_KEY, how="semi")
        .collect(engine="streaming")
    )
    swapped = [pair_id(*row) for row in found.select(ids).iter_rows()]
    return found.select(*_KEY, pl.Series("swapped", swapped, dtype=pl.String))
