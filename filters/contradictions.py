"""Labels that cannot all be right: two completions labelled both ways, and cycles (A over B, B over C, C over A),
within a source or across sources.

At least one label of each is wrong, and a Bradley-Terry loss over all of them only pulls the rewards together.
Opposed labels under two criteria (more helpful, less harmless) are no contradiction unless `across_criteria` says
so: for a model of one reward, or where sources name one criterion differently.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import polars as pl
import pyarrow as pa
from pydantic import BaseModel, Field, model_validator

from filters._clusters import clusters
from filters._cycles import cycles
from filters._decisions import KEY, decisions
from filters._repeats import PRIORITY, rank
from filters._spill import parts

SIGNAL = pa.schema(
    [
        pa.field("pair_id", pa.string(), nullable=False),
        pa.field("cluster", pa.string(), nullable=False),
        # Rows (source, pair_id) that say the same, and that say the opposite.
        pa.field("for_label", pa.int32(), nullable=False),
        pa.field("against_label", pa.int32(), nullable=False),
        # Of a label on a cycle, opposed labels included: the least id of the completions that all lead to each
        # other, and how many they are. Null: on no cycle.
        pa.field("component", pa.string()),
        pa.field("component_size", pa.int32()),
        # Under any criterion: rows that say the opposite, and the component.
        pa.field("against_any", pa.int32(), nullable=False),
        pa.field("component_any", pa.string()),
    ]
)


class Rule(BaseModel, extra="forbid"):
    before_flips: ClassVar = True  # labels are compared as the sources wrote them
    policy: Literal["drop", "majority", "first_source"] = Field(
        "drop",
        description="drop: both sides; majority: the label of fewer rows, both when equal (write this rule before "
        "`duplicates`, which leaves one row for each label); first_source: all but the label of the source that "
        "`priority`, then the recipe names first, both when that source says both",
    )
    priority: list[str] = Field([], description=f"for first_source: {PRIORITY}")
    cycles: Literal["drop", "keep"] = Field(
        "drop", description="what becomes of the labels on a cycle of three or more completions that is left then"
    )
    across_criteria: bool = Field(
        False,
        description="also hold labels to be opposed, and cycles to be cycles, that are under several criteria",
    )

    @model_validator(mode="after")
    def _priority_decides(self) -> Rule:
        if self.priority and self.policy != "first_source":
            raise ValueError(f"priority decides nothing under the policy {self.policy}; expected first_source")
        return self


def signal(pairs: pl.LazyFrame) -> pl.LazyFrame:
    """Reads the pairs once and measures the prompts in parts: no label concerns two prompts."""
    read = pairs.select("pair_id", "prompt_id", "criterion", "chosen_id", "rejected_id")
    none = pl.from_arrow(SIGNAL.empty_table())
    assert isinstance(none, pl.DataFrame)
    return pl.concat([none, *(_measured(part) for part in parts(read, "prompt_id"))]).lazy()


def _measured(pairs: pl.DataFrame) -> pl.DataFrame:
    counted = clusters(pairs.lazy()).select(
        "pair_id", "cluster", for_label="rows_for", against_label="rows_against", against_any="any_against"
    )
    anyhow = cycles(_one_criterion(pairs).lazy()).select("pair_id", component_any="component")
    own = cycles(pairs.lazy().join(anyhow.lazy(), on="pair_id", how="semi"))
    made = counted.collect().join(own, on="pair_id", how="left").join(anyhow, on="pair_id", how="left")
    return made.select(SIGNAL.names)


def _one_criterion(pairs: pl.DataFrame) -> pl.DataFrame:
    return pairs.with_columns(criterion=pl.lit("any"))


def rule(survivors: pl.DataFrame, params: Rule) -> pl.DataFrame:
    """Drops `contradiction`, `contradiction_minority`, `contradiction_tie` or `contradiction_later_source`, with
    the share of a cluster's rows that say the opposite as `value` and the pair that says it as `by`; then
    `preference_cycle`, with the number of completions that lead to each other as `value`.

    Only rows that are still in are counted.
    """
    component = "component"
    if params.across_criteria:
        survivors, component = _one_criterion(survivors), "component_any"
    opposed = _opposed(survivors, params)
    if params.cycles == "keep":
        return opposed
    left = survivors.join(opposed, on=KEY, how="anti").filter(pl.col(component).is_not_null())
    on_cycle = left.drop("component", "component_size").join(cycles(left.lazy()), on="pair_id")
    return pl.concat([opposed, decisions(on_cycle, "drop", "preference_cycle", "component_size")])


def _opposed(survivors: pl.DataFrame, params: Rule) -> pl.DataFrame:
    key = ["criterion", "chosen_id", "rejected_id"]
    labels = survivors.group_by(key).agg(
        pl.len().alias("votes"), rank(params.priority).min().alias("first"), by=pl.col("pair_id").min()
    )
    others = labels.rename({"votes": "votes_by", "first": "first_by"})
    opposed = (
        survivors.join(labels.drop("by"), on=key)
        .join(others, left_on=key, right_on=["criterion", "rejected_id", "chosen_id"])
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
