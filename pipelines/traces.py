"""What became of native rows, and what published versions still hold of pairs that the store has no more.

Every read is a scan that ends in a few rows: memory does not grow with the store.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from mixtures._ledger import FILE as LEDGER_FILE
from mixtures._ledger import SCHEMA
from pairs.errors import PrefmillError
from pairs.store import Store

_SHOWN = 5  # ids that a message names
_TOLD = ["source", "source_revision", "source_split", "source_row", "pair_id"]
_TEXTS = ["prompt", "chosen", "rejected"]


def starting(frame: pl.LazyFrame, start: str, column: str = "pair_id") -> list[str]:
    """The pair ids of the rows whose `column` begins with `start`, sorted."""
    fits = frame.filter(pl.col(column).str.starts_with(start)).select("pair_id").unique()
    return fits.collect(engine="streaming")["pair_id"].sort().to_list()


def the_one(fits: list[str], given: str) -> str:
    """The one id that begins with `given`; raises where there are more."""
    if len(fits) > 1:
        some = ", ".join(fits[:_SHOWN]) + (", …" if len(fits) > _SHOWN else "")
        raise PrefmillError(f"{len(fits):,} pairs have an id that begins with {given}: {some}; give more digits")
    return fits[0]


def native_row(store: Store, source: str, place: str) -> dict[str, Any]:
    """What became of the native row `place` of `source`, as pairs name it in `source_row`: `splits`, each with its
    `pairs` and what was set `aside`, with the reason. Raises `PrefmillError` when the store has no such row."""
    here = (pl.col("source") == source) & (pl.col("source_row") == place)
    given = store.scan("pairs").filter(here).select("source_split", "pair_id", "modality", "criterion", "prompt")
    rows = given.sort("source_split", "pair_id").collect(engine="streaming").to_dicts()
    asides = store.scan("bad_rows").filter(here).drop("source", "source_row")
    found = asides.sort("source_split", "reason", "detail").collect(engine="streaming").to_dicts()
    if not rows and not found:
        raise PrefmillError(f"{store.root} has no row {place!r} of source {source!r}{_like(store, source)}")
    told = []
    for split in sorted({row["source_split"] for row in [*rows, *found]}):
        ours = [
            [{k: v for k, v in row.items() if k != "source_split"} for row in one if row["source_split"] == split]
            for one in (rows, found)
        ]
        told.append({"split": split, "pairs": ours[0], "aside": ours[1]})
    return {"source": source, "source_row": place, "splits": told}


def _like(store: Store, source: str) -> str:
    """How the rows of a source are named, or which sources there are."""
    rows = store.scan("pairs", [source]).select("source_row").head(1).collect()["source_row"]
    if len(rows):
        return f"; its rows are named like {rows[0]!r}"
    names = store.scan("pairs").select("source").unique().collect(engine="streaming")["source"].sort()
    return f"; it holds the sources: {', '.join(names) or 'none'}"


def gone(store: Store, given: str, mixture: str | None = None) -> dict[str, Any] | None:
    """What published versions say of the pair whose id is `given` or begins with it, in one mixture or all: None
    when none knows it. `texts` are those of the newest version that holds it, None where ledgers alone know it;
    `versions` come newest first, each with the `rows` that hold it and the `rules` that touched it.

    Raises `PrefmillError` when more than one pair fits.
    """
    versions = list(_versions(store, mixture))
    fits: set[str] = set()
    for _, _, folder in versions:
        turned = _turned(folder, given)
        held = starting(pl.scan_parquet(folder / "data" / "*.parquet"), given)
        fits |= {turned.get(one, one) for one in held} | set(starting(_ledger(folder), given))
    if not fits:
        return None
    pair_id = the_one(sorted(fits), given)
    told, texts = [], None
    for name, number, folder in versions:
        rules = _ledger(folder).filter(pl.col("pair_id") == pair_id).collect(engine="streaming").to_dicts()
        rows = _rows(folder, {pair_id, *(line["published_id"] for line in rules)})
        for row in rows:
            own = {side: row.pop(side) for side in _TEXTS}
            texts = texts or own
        if rows or rules:
            facts = {"mixture": name, "version": number, "folder": str(folder)}
            told.append({**facts, "rows": rows, "rules": rules})
    return {"pair_id": pair_id, "texts": texts, "versions": told}


def _versions(store: Store, mixture: str | None) -> Iterator[tuple[str, int, Path]]:
    """Mixture, number and folder of every published version, each folder once, the newest first."""
    for commits in sorted(store.path("published").glob(f"{mixture or '*'}/commits")):
        seen = set()
        for commit in sorted(commits.glob("[0-9]*.json"), reverse=True):
            folder = commits.parent / "versions" / json.loads(commit.read_bytes())["version"]
            if folder not in seen and folder.is_dir():
                seen.add(folder)
                yield commits.parent.name, int(commit.stem), folder


def _ledger(folder: Path) -> pl.LazyFrame:
    if (folder / LEDGER_FILE).exists():
        return pl.scan_parquet(folder / LEDGER_FILE)
    return pl.LazyFrame(schema=pl.Schema(SCHEMA))


def _turned(folder: Path, start: str) -> dict[str, str]:
    """The ids in the store of pairs that a version holds turned round, by those there that begin with `start`."""
    other = pl.col("published_id") != pl.col("pair_id")
    turned = _ledger(folder).filter(other & pl.col("published_id").str.starts_with(start))
    return dict(turned.select("published_id", "pair_id").unique().collect(engine="streaming").iter_rows())


def _rows(folder: Path, ids: set[str | None]) -> list[dict[str, Any]]:
    """The rows of a version with one of these ids, one for each source, with its `copies`, `split` and `file`."""
    frame = pl.scan_parquet(folder / "data" / "*.parquet", include_file_paths="file")
    found = frame.filter(pl.col("pair_id").is_in([one for one in ids if one])).select(*_TOLD, *_TEXTS, "file")
    rows = found.sort("source", "file").collect(engine="streaming")
    once = rows.unique("source", keep="first", maintain_order=True).to_dicts()
    copies = dict(rows.group_by("source").len().iter_rows())
    names = [Path(row.pop("file")).name for row in once]
    return [
        {**row, "copies": copies[row["source"]], "split": name.split("-")[0], "file": name}
        for row, name in zip(once, names, strict=True)
    ]
