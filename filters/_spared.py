"""Where matching would take nearly all of a part, that part is left alone: little of worth would be left."""

from __future__ import annotations

import polars as pl

from filters._decisions import KEY, decisions

MAX_DROPPED = (
    "match: where more than this share of a source's criterion (without `per_source`: of all pairs) would go, "
    "leave it alone and say so in ledger and report; 1: let all go"
)


def spared(made: pl.DataFrame, rows: pl.DataFrame, per_source: bool, most: float) -> pl.DataFrame:
    """The decisions `made` about `rows`, those about a part of which more than the share `most` was to be dropped
    replaced: its pairs are kept as `would_drop_too_many` (value: that share)."""
    part = pl.struct("source", "criterion") if per_source else pl.lit(True)
    told = rows.select(*KEY, part=part)
    gone = made.filter(action="drop").select(*KEY, gone=pl.lit(True))
    share = pl.col("gone").fill_null(False).mean().over("part")
    much = told.join(gone, on=KEY, how="left").with_columns(share=share).filter(pl.col("share") > most)
    return pl.concat(
        [made.join(much, on=KEY, how="anti"), decisions(much, "keep", "would_drop_too_many", "share")]
    )
