"""Pairs that stand in several sources: same prompt and media, same completions, same criterion.

The rule keeps the first of them in the order in which `priority`, then the recipe names its sources. Two pairs
with the same completions and opposite labels are no duplicates: `contradictions` judges them, and neither is
dropped here. Nor are two criteria on the same completions: they ask different questions.
"""

from __future__ import annotations

import polars as pl
import pyarrow as pa
from pydantic import BaseModel, Field

from filters._clusters import clusters
from filters._decisions import decisions
from filters._repeats import PRIORITY, by_priority

SIGNAL = pa.schema(
    [
        pa.field("pair_id", pa.string(), nullable=False),
        pa.field("cluster", pa.string(), nullable=False),
        pa.field("cluster_size", pa.int32(), nullable=False),  # rows (source, pair_id), either label
    ]
)


class Rule(BaseModel, extra="forbid"):
    priority: list[str] = Field([], description=PRIORITY)


def signal(pairs: pl.LazyFrame) -> pl.LazyFrame:
    size = pl.col("rows_for") + pl.col("rows_against")
    return clusters(pairs).select("pair_id", "cluster", size.alias("cluster_size"))


def rule(survivors: pl.DataFrame, params: Rule) -> pl.DataFrame:
    """Drops `exact_duplicate`; `by` is the pair_id of the one that stays, in another source."""
    # Equal content is an equal pair_id, and survivors come in the order of the recipe.
    survivors = by_priority(survivors, params.priority)
    later = survivors.filter(~pl.col("pair_id").is_first_distinct())
    return decisions(later.with_columns(by="pair_id"), "drop", "exact_duplicate", by="by")
