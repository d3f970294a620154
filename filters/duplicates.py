"""Pairs that stand in several sources: same prompt and media, same completions, same side preferred.

The rule keeps the first of them in the order in which `priority`, then the recipe names its sources. Sources name
their criteria as they like: what one calls helpfulness is overall to the next. So a pair is a repeat whatever the
criterion (`across_criteria`); but what one source says of a pair under several criteria are several findings, and
they stay or go together. Two pairs with the same completions and opposite labels are no duplicates:
`contradictions` judges them, and neither is dropped here.
"""

from __future__ import annotations

from typing import ClassVar

import polars as pl
import pyarrow as pa
from pydantic import BaseModel, Field

from filters._clusters import clusters
from filters._decisions import KEY, decisions
from filters._repeats import ACROSS_CRITERIA, PRIORITY, by_priority

SIGNAL = pa.schema(
    [
        pa.field("pair_id", pa.string(), nullable=False),
        pa.field("cluster", pa.string(), nullable=False),
        pa.field("cluster_size", pa.int32(), nullable=False),  # rows (source, pair_id), either label
        pa.field("comparison_size", pa.int32(), nullable=False),  # the same under any criterion
    ]
)


class Rule(BaseModel, extra="forbid"):
    before_flips: ClassVar = True  # labels are compared as the sources wrote them
    across_criteria: bool = Field(True, description=ACROSS_CRITERIA)
    priority: list[str] = Field([], description=PRIORITY)


def signal(pairs: pl.LazyFrame) -> pl.LazyFrame:
    return clusters(pairs).select(
        "pair_id",
        "cluster",
        cluster_size=pl.col("rows_for") + pl.col("rows_against"),
        comparison_size=pl.col("any_for") + pl.col("any_against"),
    )


def rule(survivors: pl.DataFrame, params: Rule) -> pl.DataFrame:
    """Drops `exact_duplicate`; `by` is the pair_id of the one that stays, in another source."""
    # Survivors come in the order of the recipe. Equal content is an equal pair_id, and without the criterion equal
    # completion ids, which hold prompt and media.
    label = ["chosen_id", "rejected_id"] if params.across_criteria else ["pair_id"]
    rows = by_priority(survivors, params.priority).select(*KEY, "chosen_id", "rejected_id")
    first = rows.unique(label, keep="first", maintain_order=True).select(*label, stays="source", by="pair_id")
    later = rows.join(first, on=label).filter(pl.col("source") != pl.col("stays"))
    staying = rows.join(later, on=KEY, how="anti")["pair_id"]
    same = pl.col("pair_id").is_in(staying.implode())
    by = pl.when(same).then("pair_id").otherwise("by")
    return decisions(later.with_columns(by=by), "drop", "exact_duplicate", by="by")
