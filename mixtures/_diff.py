"""What changed from one published version to another, pair by pair, and which rule did it.

Only ids and numbers are read, never a text or a picture, and of big versions one part at a time: a pair keeps its
`prompt_id` when its label is flipped, so parts by prompt can be compared each for itself.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from mixtures._ledger import FILE as LEDGER_FILE

CHANGES = ("came", "went", "flipped", "split", "copies", "soft_label", "weight")
PART_ROWS = 1_000_000  # rows of a version that are compared at a time, about
EXAMPLES = 3  # ids kept per change
_KEY = ["source", "pair_id"]
_SIDES = ["prompt_id", "chosen_id", "rejected_id", "criterion"]
_FACTS = ["split", "copies", "soft_label", "weight"]
# change -> the action that the ledger tells of, or the part of prefmill that makes it where no rule does
_ACTIONS = {"came": "drop", "went": "drop", "flipped": "flip", "soft_label": "soften", "weight": "weight"}
_BUILT_IN = {"came": "sources", "went": "sources", "split": "splits", "copies": "sample"}
# A row for each pair and change. `pair_id` is the published one: of the newer version, or of the older where the
# pair went. `before` and `after` are values of what changed, ids for a flip. `rule` and `reason` are the ledger's.
_string = pa.string()
SCHEMA = pa.schema(
    [(name, _string) for name in ("source", "pair_id", "change", "before", "after", "rule", "reason")]
)


@dataclass
class Diff:
    """`counts`: pairs by (change, source, rule, reason). `examples`: the smallest ids of each change."""

    pairs: tuple[int, int] = (0, 0)  # distinct (source, pair_id) before and after
    same: int = 0  # pairs with no change
    counts: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    without_ledger: bool = False  # a version has none, so that some rules are not known


def diff(before: Path, after: Path, file: Path | None = None) -> Diff:
    """Compare the version folders `before` and `after`; with `file`, write all changes there as Parquet."""
    manifests = [json.loads((folder / "manifest.json").read_bytes()) for folder in (before, after)]
    rows = max(sum(manifest["rows"].values()) for manifest in manifests)
    made = Diff(without_ledger=not all((folder / LEDGER_FILE).exists() for folder in (before, after)))
    with contextlib.ExitStack() as stack:
        writer = stack.enter_context(pq.ParquetWriter(file, SCHEMA, compression="zstd")) if file else None
        for start in _parts(rows):
            old, new = _rows(before, start), _rows(after, start)
            changes = _explained(_changes(old, new, (before, after)), (before, after), manifests).sort(
                *_KEY, "change"
            )
            made.pairs = (made.pairs[0] + old.height, made.pairs[1] + new.height)
            made.same += new.height - changes.filter(pl.col("change") != "went").select(_KEY).n_unique()
            _count(made, changes)
            if writer:
                writer.write_table(changes.select(SCHEMA.names).to_arrow().cast(SCHEMA))
    return made


def _parts(rows: int) -> Iterator[str]:
    """First digits of prompt ids, so many that a part has about `PART_ROWS` rows."""
    digits = 0
    while 16**digits * PART_ROWS < rows:
        digits += 1
    return map("".join, product("0123456789abcdef", repeat=digits))


def _rows(folder: Path, start: str) -> pl.DataFrame:
    """One row per (source, pair_id) of the prompts whose id begins with `start`."""
    frame = pl.scan_parquet(folder / "data" / "*.parquet", include_file_paths="file")
    given = frame.collect_schema().names()
    numbers = [pl.col(name) if name in given else pl.lit(None, pl.Float64).alias(name) for name in _FACTS[2:]]
    return (
        frame.filter(pl.col("prompt_id").str.starts_with(start))
        .select(*_KEY, *numbers, split=pl.col("file").str.extract(r"([a-z0-9_]+)-[^/]*$", 1))
        .group_by(_KEY)
        .agg(pl.col("split", "soft_label", "weight").min(), copies=pl.len().cast(pl.Int64))
        .collect(engine="streaming")
    )


def _sided(folder: Path, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with the ids of their prompt and completions, which only a pair that came or went needs."""
    frame = pl.scan_parquet(folder / "data" / "*.parquet").select(*_KEY, *_SIDES)
    sides = frame.join(rows.lazy().select(_KEY), on=_KEY, how="semi").unique(_KEY).collect(engine="streaming")
    return rows.join(sides, on=_KEY, how="inner")


def _changes(old: pl.DataFrame, new: pl.DataFrame, folders: tuple[Path, Path]) -> pl.DataFrame:
    """Columns source, pair_id, old_id (null where the pair came), change, before, after."""
    stayed = new.join(old.with_columns(old_id="pair_id"), on=_KEY, how="inner", suffix="_old")
    went = _sided(folders[0], old.join(new, on=_KEY, how="anti"))
    came = _sided(folders[1], new.join(old, on=_KEY, how="anti"))
    swapped = went.rename({"chosen_id": "rejected_id", "rejected_id": "chosen_id", "pair_id": "old_id"})
    turned = came.join(swapped, on=["source", *_SIDES], how="inner", suffix="_old")
    went = went.join(turned, left_on=_KEY, right_on=["source", "old_id"], how="anti")
    came = came.join(turned, on=_KEY, how="anti")
    ids = pl.col("old_id"), pl.col("pair_id")
    found = [
        _change(came.with_columns(old_id=pl.lit(None, pl.String)), "came", pl.lit(None), pl.col("split")),
        _change(went.with_columns(old_id="pair_id"), "went", pl.col("split"), pl.lit(None)),
        _change(turned, "flipped", *ids),
    ]
    columns = [*_KEY, "old_id", *_FACTS, *(f"{name}_old" for name in _FACTS)]
    both = pl.concat([stayed.select(columns), turned.select(columns)])
    for name in _FACTS:
        differs = both.filter(pl.col(name).ne_missing(pl.col(f"{name}_old")))
        found.append(_change(differs, name, pl.col(f"{name}_old"), pl.col(name)))
    return pl.concat(found)


def _change(rows: pl.DataFrame, change: str, before: pl.Expr, after: pl.Expr) -> pl.DataFrame:
    sides = {"before": before.cast(pl.String), "after": after.cast(pl.String)}
    return rows.select(*_KEY, "old_id", change=pl.lit(change), **sides)


def _explained(changes: pl.DataFrame, folders: tuple[Path, Path], manifests: list[dict[str, Any]]) -> pl.DataFrame:
    """Changes with the `rule` and `reason` that the ledgers give for them.

    A pair came because what had dropped it no longer does, and went because something drops it now; where no
    ledger knows it, its source is new or gone, or holds other rows. A flip or a weight is told by the newer
    ledger, or by the older one where it was undone.
    """
    known = [folder / LEDGER_FILE for folder in folders if (folder / LEDGER_FILE).exists()]
    if len(known) < len(folders):
        return changes.with_columns(rule=pl.lit(None, pl.String), reason=pl.lit(None, pl.String))
    named = changes.with_columns(
        store_id=pl.coalesce("old_id", "pair_id"),
        action=pl.col("change").replace_strict(_ACTIONS, default=None, return_dtype=pl.String),
    )
    for file, published in zip(known, ("old_id", "pair_id"), strict=True):
        turned = pl.scan_parquet(file).filter(pl.col("pair_id") != pl.col("published_id"))
        ids = turned.select("source", pl.col("published_id").alias(published), in_store="pair_id").unique()
        named = named.join(ids.collect(), on=["source", published], how="left").with_columns(
            store_id=pl.coalesce("in_store", "store_id")
        )
        named = named.drop("in_store")
    for file, side in zip(known, ("old", "new"), strict=True):
        lines = _lines(file, named, side)
        named = named.join(lines, on=["source", "store_id", "action"], how="left")
    came = pl.col("change") == "came"
    told = [
        pl.when(came).then(f"old_{name}").otherwise(pl.coalesce(f"new_{name}", f"old_{name}")).alias(name)
        for name in ("rule", "reason")
    ]
    unknown = pl.col("rule").is_null()
    return named.with_columns(told).with_columns(
        rule=pl.when(unknown).then(pl.col("change").replace_strict(_BUILT_IN, default=None)).otherwise("rule"),
        reason=pl.when(unknown).then(_elsewhere(manifests)).otherwise("reason"),
    )


def _lines(file: Path, named: pl.DataFrame, side: str) -> pl.DataFrame:
    """What one ledger says of these pairs: a row for each pair and action, several rules joined by a plus."""
    wanted = named.lazy().select("source", "store_id").unique()
    told = [pl.col(name).str.join(" + ").alias(f"{side}_{name}") for name in ("rule", "reason")]
    return (
        pl.scan_parquet(file)
        .rename({"pair_id": "store_id"})
        .join(wanted, on=["source", "store_id"], how="semi", maintain_order="left")
        .group_by("source", "store_id", "action", maintain_order=True)
        .agg(told)
        .collect()
    )


def _elsewhere(manifests: list[dict[str, Any]]) -> pl.Expr:
    """The reason of a change that no ledger knows."""
    before, after = (pl.col("source").is_in(list(manifest["counts"])) for manifest in manifests)
    change = pl.col("change")
    added = pl.when(before).then(pl.lit("row_added")).otherwise(pl.lit("source_added"))
    removed = pl.when(after).then(pl.lit("row_removed")).otherwise(pl.lit("source_removed"))
    return (
        pl.when(change == "came").then(added)
        .when(change == "went").then(removed)
        .when(change == "split").then(pl.lit("shares_or_groups"))
        .when(change == "copies").then(pl.lit("target"))
        .otherwise(None)
    )  # fmt: skip


def _count(made: Diff, changes: pl.DataFrame) -> None:
    keys = changes.group_by("change", "source", "rule", "reason").len()
    for change, source, rule, reason, number in keys.iter_rows():
        made.counts[change, source, rule or "", reason or ""] += number
    for (change,), rows in changes.group_by("change"):
        known = made.examples.get(str(change), [])
        made.examples[str(change)] = sorted({*known, *rows["pair_id"].sort().head(EXAMPLES)})[:EXAMPLES]
