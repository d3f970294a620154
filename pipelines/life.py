"""The life of one pair, read back from the store: its origin, what was measured, what every rule did to it.

Every read is a scan that ends in a few rows: memory does not grow with the store.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

import filters
import sources
from filters._votes import once
from pairs.errors import PrefmillError
from pairs.store import Store
from pairs.tables import PAIRS
from pipelines.traces import gone, starting, the_one

Life = dict[str, Any]
_ID = re.compile(r"[0-9a-f]{1,32}")
# What may differ between two sources that hold the same pair.
OWN = (
    "source", "source_revision", "source_split", "source_row", "label_source", "source_margin", "chosen_ratings",
    "rejected_ratings", "rationale", "reference", "category", "language", "licence", "role", "extra",
)  # fmt: skip
PICTURES = ("media_ids", "chosen_media_ids", "rejected_media_ids")


def life(store: Store, given: str, mixture: str | None = None) -> Life:
    """All that is known of the pair whose id is `given` or begins with it, in one mixture or all planned ones.

    An id of a published dataset leads to its pair, also where a rule has flipped that. The answer holds what JSON
    can say: `pair_id`, texts and `media`, `sources` (one entry for each that holds the pair), `rewards` by model,
    and `mixtures`, each with `signals`, and by source the `rules` in their order and the `published` rows. Of a
    pair that only published versions still hold it is what `traces.gone` says.

    Raises `PrefmillError` when no pair or more than one fits, or when `mixture` has no plan.
    """
    given = given.strip().lower()
    pair_id = _found(store, given)
    if pair_id is None:
        if left := gone(store, given, mixture):
            return dict(_sayable(left))
        raise PrefmillError(
            f"no pair in {store.root}, nor in what is published there, has an id that begins with {given}; "
            "`prefmill explain SOURCE FILE:ROW` tells what became of a native row"
        )
    rows = (
        store.scan("pairs")
        .filter(pl.col("pair_id") == pair_id)
        .sort("source", "source_row")
        .collect(engine="streaming")
        .to_dicts()
    )
    names = _mixtures(store, mixture)
    told = {
        **{name: rows[0][name] for name in PAIRS.names if name not in OWN},
        "media": _media(store, rows[0]),
        "sources": [{**{name: row[name] for name in OWN}, **_home(store, row["source"])} for row in rows],
        "rewards": _rewards(store, rows[0]),
        "mixtures": [_in_mixture(store, name, pair_id, rows) for name in names],
    }
    return dict(_sayable(told))


def _found(store: Store, given: str) -> str | None:
    """The one pair id in the store that begins with `given`; None when there is none."""
    if not _ID.fullmatch(given):
        raise PrefmillError(f"{given!r} is no pair id; expected 32 hex digits, or the first few of them")
    fits = starting(store.scan("pairs"), given) or starting(_flips(store), given, "published_id")
    return the_one(fits, given) if fits else None


def _flips(store: Store) -> pl.LazyFrame:
    """Ids of flipped pairs, and those under which the newest versions publish them."""
    from mixtures._ledger import FILE

    flips = [pl.LazyFrame(schema={"pair_id": pl.String, "published_id": pl.String})]
    for root in sorted(store.path("published").glob("*/commits")):
        file = _newest(store, root.parent.name)[1] / FILE
        if file.exists():
            flips.append(
                pl.scan_parquet(file)
                .filter(pl.col("pair_id") != pl.col("published_id"))
                .select("pair_id", "published_id")
            )
    return pl.concat(flips)


def _newest(store: Store, mixture: str) -> Any:
    from mixtures._commit import newest

    return newest(store.path("published", mixture))


def _mixtures(store: Store, wanted: str | None) -> list[str]:
    planned = store.scan("plans").select("mixture").unique().collect()["mixture"].to_list()
    ledgers = store.scan("ledger").select("mixture").unique().collect()["mixture"].to_list()
    known = sorted({*planned, *ledgers})
    if wanted is None:
        return known
    if wanted not in known:
        raise PrefmillError(f"mixture {wanted!r} has no plan in {store.root}; planned are: {', '.join(known)}")
    return [wanted]


def _home(store: Store, source: str) -> dict[str, str | None]:
    """Where the native dataset lives; null for a source whose file is no longer there."""
    return {"home": sources.load(source).source.repo if source in sources.names() else None}


def _media(store: Store, row: dict[str, Any]) -> dict[str, Life]:
    wanted = [media_id for column in PICTURES for media_id in row[column]]
    if not wanted:
        return {}
    found = (
        store.scan("media")
        .filter(pl.col("media_id").is_in(wanted))
        .select("media_id", "kind", "format", "width", "height", "size", "phash")
        .unique("media_id")
        .collect(engine="streaming")
    )
    return {medium.pop("media_id"): medium for medium in found.sort("media_id").to_dicts()}


def _rewards(store: Store, row: dict[str, Any]) -> list[Life]:
    """Reward of both completions by each model that scored one of them."""
    ids = {row["chosen_id"]: "chosen", row["rejected_id"]: "rejected"}
    known = store.scan("rewards").filter(pl.col("completion_id").is_in(list(ids)))
    scored = once(known).collect(engine="streaming")
    by_model: dict[str, Life] = {}
    for model, completion, reward in scored.sort("model").iter_rows():
        by_model.setdefault(model, {"model": model, "chosen": None, "rejected": None})[ids[completion]] = reward
    for entry in by_model.values():
        both = entry["chosen"] is not None and entry["rejected"] is not None
        entry["margin"] = entry["chosen"] - entry["rejected"] if both else None
    return list(by_model.values())


def _in_mixture(store: Store, mixture: str, pair_id: str, rows: Sequence[Life]) -> Life:
    facts = store.facts("plans", mixture)
    order = json.loads(facts["counts"])["rules"] if facts else []
    of_pair = (pl.col("mixture") == mixture) & (pl.col("pair_id") == pair_id)
    ledger = store.scan("ledger").filter(of_pair).collect(engine="streaming").to_dicts()
    planned = store.scan("plans").filter(of_pair).sort("source", "copy").collect(engine="streaming").to_dicts()
    others = _others(store, [line["by"] for line in ledger if line["by"]])
    told = []
    for row in rows:
        source = row["source"]
        lines = {line["rule"]: line for line in ledger if line["source"] == source}
        copies = [one for one in planned if one["source"] == source]
        if lines or copies:
            told.append(
                {
                    "source": source,
                    "rules": list(_rules(order or list(lines), lines, others)),
                    "rows": [
                        {k: one[k] for k in ("split", "copy", "flipped", "soft_label", "weight")} for one in copies
                    ],
                    "published": _published(store, mixture, source, pair_id) if copies else None,
                }
            )
    return {"mixture": mixture, "signals": _signals(store, mixture, pair_id), "sources": told}


def _rules(order: Sequence[str], lines: dict[str, Life], others: dict[str, list[str]]) -> Iterator[Life]:
    """What each rule did: an action with its reason, "kept", or "not reached" once the pair was dropped."""
    dropped = False
    for rule in order:
        line = lines.get(rule)
        if line is None:
            yield {"rule": rule, "action": "not reached" if dropped else "kept"}
            continue
        dropped = dropped or line["action"] == "drop"
        told = {name: line[name] for name in ("rule", "action", "reason", "value", "by")}
        yield {**told, "by_sources": others.get(line["by"], [])} if line["by"] else told


def _others(store: Store, ids: Sequence[str]) -> dict[str, list[str]]:
    """The sources that hold the pairs which a rule named."""
    if not ids:
        return {}
    found = store.scan("pairs").filter(pl.col("pair_id").is_in(list(ids))).select("pair_id", "source")
    held: dict[str, list[str]] = {}
    for pair_id, source in found.unique().sort("pair_id", "source").collect(engine="streaming").iter_rows():
        held.setdefault(pair_id, []).append(source)
    return held


def _signals(store: Store, mixture: str, pair_id: str) -> dict[str, Life]:
    """What each filter measured about the pair; a filter that has no row of it is not there."""
    measured = {}
    for name in filters.names():
        if store.version(f"signals/{name}") < 0:
            continue
        of_pair = (pl.col("mixture") == mixture) & (pl.col("pair_id") == pair_id)
        found = store.scan(f"signals/{name}").filter(of_pair).drop("mixture", "pair_id")
        for row in found.collect(engine="streaming").to_dicts():
            measured[name] = row
    return measured


def _published(store: Store, mixture: str, source: str, pair_id: str) -> Life | None:
    """Version, id and files under which the newest version holds the pair; null when it does not."""
    from mixtures._ledger import FILE

    if not store.path("published", mixture, "commits").is_dir():
        return None
    version, folder = _newest(store, mixture)
    ours = (pl.col("source") == source) & (pl.col("pair_id") == pair_id)
    as_id = pair_id
    if (folder / FILE).exists():
        flipped = pl.scan_parquet(folder / FILE).filter(ours & (pl.col("published_id") != pair_id))
        as_id = next(iter(flipped.select("published_id").head(1).collect()["published_id"]), pair_id)
    rows = (
        pl.scan_parquet(folder / "data" / "*.parquet", include_file_paths="file")
        .filter((pl.col("source") == source) & (pl.col("pair_id") == as_id))
        .select("file")
        .collect(engine="streaming")
    )
    files = sorted(file.rsplit("/", 1)[1] for file in rows["file"].unique())
    return {"version": version, "folder": str(folder), "pair_id": as_id, "files": files} if files else None


def _sayable(value: Any) -> Any:
    """`value` with the numbers that JSON lacks as words."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _sayable(one) for key, one in value.items()}
    return [_sayable(one) for one in value] if isinstance(value, list) else value
