"""Publishes a plan as a dataset that `datasets.load_dataset` reads: one immutable folder, one atomic commit.

<store>/published/README.md                      the card of all mixtures, each a config
<store>/published/<mixture>/README.md            the card of the newest version, replaced whole
                            commits/00000001.json  which version is the newest: the highest number
                            versions/<hash>/       README.md, manifest.json, ledger.parquet, data/, plots/; never
                                                   rewritten
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from mixtures._card import Licence, Measured, body, front_matter
from mixtures._commit import commit, place, point, point_shelf, workplace, write_synced
from mixtures._ledger import FILE as LEDGER_FILE
from mixtures._ledger import write_ledger
from mixtures._plan import Plan
from mixtures._recipe import Recipe
from mixtures._shards import Shard, Written, write_shards
from pairs.errors import PrefmillError
from pairs.store import Store, file_hash


@dataclass(frozen=True)
class Published:
    """`changed` is False when the newest version already had this content: then nothing was committed."""

    folder: Path  # of the version
    root: Path  # of the mixture: what `load_dataset` is given
    version: int
    changed: bool
    rows: Mapping[str, int]  # by split
    files: tuple[str, ...]  # data files, below `folder`


def publish(
    store: Store,
    name: str,
    recipe: Recipe,
    plan: Plan,
    *,
    groups: pl.LazyFrame,
    rows: pl.LazyFrame | None = None,
    facts: Mapping[str, str],
    plots: Mapping[str, bytes] | None = None,
    tables: Mapping[str, Measured] | None = None,
    citations: Mapping[str, str] | None = None,
) -> Published:
    """Write the version of the mixture `name` that `plan` describes and make it the newest.

    `groups` has `pair_id, group_id` of all candidates, each pair in one group. `rows` are the plan's where they
    lie in a table: they are read from there, and `plan.rows` is not. `facts` (revisions, table versions, code) go
    into manifest and card and don't make a new version of the same rows, recipe and ledger. For the card: `plots`
    are PNG files by name, `tables` what was measured by heading (or why it was not), `citations` what to cite by
    source. Readers see the version before or this one at any moment, and a run that was killed is completed by the
    next. Raises `PrefmillError` when the disk is full or the sources no longer hold the plan's pairs, and
    `PublishConflict` when other runs keep taking the next number.
    """
    rows = plan.rows.lazy() if rows is None else rows
    if not plan.counts.rows:
        raise PrefmillError(f"{name}: no pair is left to publish; the ledger says which rule dropped how many")
    root = store.path("published", name)
    try:
        with workplace(root) as work:
            finished = work / "version"
            written = write_shards(store, recipe, rows, groups, work, finished)
            shards, columns = written.shards, written.columns
            shutil.rmtree(work / "scratch")
            write_ledger(store, recipe, plan, rows, finished)
            counts = _rows_by_split(recipe, shards)
            for plot, data in sorted((plots or {}).items()):
                (finished / "plots").mkdir(exist_ok=True)
                write_synced(finished / "plots" / f"{plot}.png", data)
            more = {"plots": sorted(plots or {}), "tables": tables or {}, "citations": citations or {}}
            card = _card(store, name, recipe, plan, written, counts, facts, more)
            write_synced(finished / "README.md", card.encode())
            _write_manifest(name, recipe, plan, shards, columns, counts, facts, finished)
            content = _content(name, shards, recipe.fingerprint, file_hash(finished / LEDGER_FILE))
            place(root, work, finished, content)
            version, changed = commit(root, work, content)
            point(root, work)
            point_shelf(root, work)
    except OSError as error:
        raise _failed(root, error) from error
    files = tuple(shard.path for shard in shards)
    return Published(root / "versions" / content, root, version, changed, counts, files)


def _rows_by_split(recipe: Recipe, shards: list[Shard]) -> dict[str, int]:
    """Rows of each split that has any, train first, then as the recipe names them."""
    rows = dict.fromkeys(("train", *recipe.splits), 0)
    for shard in shards:
        rows[shard.split] += shard.rows
    return {split: count for split, count in rows.items() if count}


def _content(name: str, shards: list[Shard], recipe: str, ledger: str) -> str:
    """The name of a version, which is that of its rows, of its recipe and of its ledger."""
    lines = [name, recipe, ledger, *sorted(f"{shard.path} {shard.sha256}" for shard in shards)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def _failed(root: Path, error: OSError) -> PrefmillError:
    there = next(folder for folder in (root, *root.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    return PrefmillError(
        f"{root}: {error.strerror or error} while publishing, {free:,} bytes are free there; "
        "the version before is as it was: make room and publish again"
    )


def _card(
    store: Store,
    name: str,
    recipe: Recipe,
    plan: Plan,
    written: Written,
    rows: Mapping[str, int],
    facts: Mapping[str, str],
    more: dict[str, Any],
) -> str:
    licences, columns = _licences(written), written.columns
    return front_matter(name, rows, columns.names, licences) + body(
        name,
        rows=rows,
        counts=plan.counts,
        sources=plan.sources,
        native={source: _native(store, source) for source in recipe.sources},
        rules=plan.rules,
        licences=licences,
        columns=columns.names,
        recipe=recipe.text,
        facts=facts,
        **more,
    )


def _write_manifest(
    name: str,
    recipe: Recipe,
    plan: Plan,
    shards: list[Shard],
    columns: pa.Schema,
    rows: Mapping[str, int],
    facts: Mapping[str, str],
    folder: Path,
) -> None:
    """The manifest of a version beside its other files, all of which it names."""
    files: dict[str, dict[str, object]] = {
        shard.path: {"sha256": shard.sha256, "bytes": shard.size, "rows": shard.rows} for shard in shards
    }
    for file in [folder / "README.md", folder / LEDGER_FILE, *sorted(folder.glob("plots/*"))]:
        files[str(file.relative_to(folder))] = {"sha256": file_hash(file), "bytes": file.stat().st_size}
    manifest = {
        "name": name,
        "rows": rows,
        "files": files,
        "schema": {field.name: str(field.type) for field in columns},
        "counts": {source: asdict(counts) for source, counts in plan.sources.items()},
        "recipe": recipe.text,
        "recipe_fingerprint": recipe.fingerprint,
        "facts": dict(facts),
    }
    write_synced(folder / "manifest.json", json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n")


def _licences(written: Written) -> list[Licence]:
    names = sorted({licence for licence, _ in written.licences})
    return [
        Licence(name, sorted(source for licence, source in written.licences if licence == name),
                sum(count for (licence, _), count in written.licences.items() if licence == name))
        for name in names
    ]  # fmt: skip


def _native(store: Store, source: str) -> tuple[int | None, str]:
    """Native rows and revision, as the ingestion of a source has noted them with its commit."""
    books = json.loads(store.facts("pairs", source).get("books", "{}"))
    return books.get("rows"), books.get("revision", "")
