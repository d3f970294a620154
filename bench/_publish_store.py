"""A store for the publication benchmark: text pairs of about 1 KB, pairs with a picture of about 60 KB each, or
four pairs of one prompt to a picture."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from pydantic import BaseModel

from mixtures._plan import Counts, Plan
from mixtures._recipe import Recipe, load_recipe
from pairs.shards import PART, part_writer, replace_part
from pairs.store import Store
from pairs.tables import MEDIA, PAIRS, PLANS, TABLES

SOURCES = ("one", "two")
PICTURE_BYTES = 60_000
SHARED = 4  # pairs of one prompt about one picture, of the kind ranked
_BATCH = 10_000
_SAME = {
    "source_revision": "0" * 40, "source_split": "train", "modality": "text", "criterion": "overall",
    "label_source": "human", "licence": "MIT", "role": "train",
}  # fmt: skip


class _NoTraining(BaseModel):
    """The recipe trains nothing."""


def recipe(folder: Path) -> Recipe:
    file = folder / "bench.toml"
    file.write_text("splits = { test = 0.02 }\n" + "".join(f"[sources.{name}]\n" for name in SOURCES))
    return load_recipe(file, rules={}, sources=SOURCES, train=_NoTraining)


def make(folder: Path, rows: int, kind: str) -> None:
    """Fill the store at `folder` with `rows` pairs of two sources; `kind` is text, pictures or ranked."""
    from bench._ingest_native import _Words

    store = Store(folder)
    for number, source in enumerate(SOURCES):
        words = _Words(number)
        shared = SHARED if kind == "ranked" else 1
        media = _media(store, source, rows // 2 // shared) if kind != "text" else []
        file = folder / "pairs.parquet"
        with part_writer(file) as writer:
            for batch in _pairs(words, source, rows // 2, np.repeat(media, shared).tolist()):
                writer.write_batch(batch)
        replace_part(store, "pairs", source, [file], {"books": "{}"})
    _plan(store)


def _pairs(words: Any, source: str, rows: int, media: list[str]) -> Iterator[pa.RecordBatch]:
    for start in range(0, rows, _BATCH):
        count = min(rows - start, _BATCH)
        ids = words.rng.bytes(64 * count).hex()
        columns: dict[str, Any] = {
            name: [ids[at : at + 32] for at in range(place * 32, 128 * count, 128)]
            for place, name in enumerate(("pair_id", "prompt_id", "chosen_id", "rejected_id"))
        }
        columns |= {name: [None] * count for name in PAIRS.names if name not in columns}
        columns |= {name: [text] * count for name, text in _SAME.items()}
        columns["source"] = [source] * count
        columns["source_row"] = [f"a.jsonl:{number}" for number in range(start, start + count)]
        for name, role, mean in (
            ("prompt", "user", 150),
            ("chosen", "assistant", 400),
            ("rejected", "assistant", 400),
        ):
            columns[name] = [[{"role": role, "content": text}] for text in words.texts(mean, count)]
        columns |= {name: [[]] * count for name in PAIRS.names if pa.types.is_list(PAIRS.field(name).type)
                    and name not in ("prompt", "chosen", "rejected")}  # fmt: skip
        if media:
            columns["prompt_id"] = media[start : start + count]
            columns["media_ids"] = [[one] for one in media[start : start + count]]
            columns["modality"] = ["image"] * count
        yield pa.RecordBatch.from_pydict(columns, schema=PAIRS).select(PART.names)


def _media(store: Store, source: str, count: int) -> list[str]:
    """Pictures as random bytes: nothing here decodes them, and JPEGs compress no better."""
    from pairs.schema import Medium
    from pairs.shards import MediaWriter

    rng = np.random.default_rng([17, *source.encode()])  # no picture of one source is one of the other
    writer, ids = MediaWriter(store, source), []
    for number in range(count):
        name = hashlib.blake2b(f"{source} {number}".encode(), digest_size=16).hexdigest()
        data = rng.bytes(int(PICTURE_BYTES * rng.uniform(0.5, 1.5)))
        ids.append(writer.add(Medium(name, "image", "JPEG", 640, 480, None, data)))
    store.replace("media", source, writer.close().cast(MEDIA), {})
    return ids


def _plan(store: Store) -> None:
    """Put the plan in the store: every pair once, two in a hundred prompts in the split test."""
    held = store.scan("pairs").select("source", "pair_id", "prompt_id").sort("source", "pair_id").collect()
    test = held["prompt_id"].str.slice(0, 2).str.to_integer(base=16) < 5
    rows = held.select(
        pl.lit("bench").alias("mixture"), "source", "pair_id",
        split=pl.when(test).then(pl.lit("test")).otherwise(pl.lit("train")),
        copy=pl.lit(0, pl.Int32), flipped=pl.lit(False), soft_label=pl.lit(None, pl.Float64),
        weight=pl.lit(None, pl.Float64),
    )  # fmt: skip
    store.replace("plans", "bench", rows.to_arrow().cast(PLANS), {})


def plan(store: Store) -> Plan:
    """The plan that is in the store, without its rows."""
    sizes = store.scan("plans", ["bench"]).group_by("source").len().collect().iter_rows()
    books = {name: Counts(candidates=rows, kept=rows, rows=rows) for name, rows in sizes}
    rows = sum(counts.rows for counts in books.values())
    nothing, ledger = (
        pl.DataFrame(schema=pl.Schema(TABLES[name][0])).drop("mixture") for name in ("plans", "ledger")
    )
    return Plan(nothing, ledger, Counts(candidates=rows, kept=rows, rows=rows), books, ("role", "sample"))
