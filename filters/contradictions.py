"""The same two completions, labelled both ways under the same criterion, within a source or across sources.

One of two such labels is wrong, and a Bradley-Terry loss over both only pulls them together. Opposed labels under
two criteria (more helpful, less harmless) are no contradiction.
"""

from __future__ import annotations

from typing import Literal

import polars as pl
import pyarrow as pa
from pydantic import BaseModel, Field

from filters._clusters import clusters
from filters._decisions import decisions

SIGNAL = pa.schema(
    [
        pa.field("pair_id", pa.string(), nullable=False),
        pa.field("cluster", pa.string(), nullable=False),
        # Rows (source, pair_id) that say the same, and that say the opposite.
        pa.field("for_label", pa.int32(), nullable=False),
        pa.field("against_label", pa.int32(), nullable=False),
    ]
)


class Rule(BaseModel, extra="forbid"):
    policy: Literal["drop", "majority", "first_source"] = Field(
        "drop",
        description="drop: both sides; majority: the label of fewer rows, both when equal (write this rule before "
        "`duplicates`, which leaves one row for each label); first_source: all but the label of the source that "
        "the recipe names first, both when that source says both",
    )


def signal(pairs: pl.LazyFrame) -> pl.LazyFrame:
    return clusters(pairs).select(
        "pair_id", "cluster", pl.col("rows_for").alias("for_label"), pl.col("rows_against").alias("against_label")
    )


def rule(survivors: pl.DataFrame, params: Rule) -> pl.DataFrame:
    """Drops `contradiction`, `contradiction_minority`, `contradiction_tie` or `contradiction_later_source`.

    Only rows that are still in are counted. `value` is the share of a cluster's rows that say the opposite, `by`
    the pair that says it.
    """
    labels = survivors.group_by("cluster", "pair_id").agg(
        pl.len().alias("votes"), pl.col("source_order").min().alias("first")
    )
    others = labels.rename({"pair_id": "by", "votes": "votes_by", "first": "first_by"})
    opposed = (
        survivors.join(labels, on=["cluster", "pair_id"])
        .join(others, on="cluster")
        .filter(pl.col("by") != pl.col("pair_id"))
        .with_columns(value=pl.col("votes_by") / (pl.col("votes") + pl.col("votes_by")))
    )
    if params.policy == "drop":
        return decisions(opposed, "drop", "contradiction", "value", "by")
    if params.policy == "majority":
        tied = pl.col("votes") == pl.col("votes_by")
        lost = opposed.filter(pl.col("votes") <= pl.col("votes_by"))
        reason = "contradiction_minority"
    else:
        tied = pl.col("first") == pl.col("first_by")
        lost = opposed.filter(pl.col("first") >= pl.col("first_by"))
        reason = "contradiction_later_source"
    named = pl.when(tied).then(pl.lit("contradiction_tie")).otherwise(pl.lit(reason))
    return decisions(lost, "drop", named, "value", "by")
