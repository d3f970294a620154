"""Sources for `bench.search`: real ones, one with planted flips, one that has nothing to do with the others."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl

from filters import _apply
from mixtures._sample import uniform
from pairs.store import Store
from pipelines.trials import Pool, gather
from rewards.frozen import EmbeddedStates, extract
from rewards.score import completions_of
from sources._read import ingest

REAL_DATA = Path(os.environ.get("PREFMILL_REAL_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
HUMAN = ["auto_j", "finegrained_rlhf", "hh_rlhf", "pandalm", "ukp_convarg"]  # labelled by people: what decides
SOURCES = {
    "hh_rlhf": ("hh-rlhf", ["test"]),
    "ukp_convarg": ("ukp-convarg1-strict", None),
    "pandalm": ("pandalm", None),
    "auto_j": ("prometheus-eval", None),
    "finegrained_rlhf": ("finegrained-rlhf", ["validation"]),
    "llama_factory_dpo": ("llama-factory", None),
    "rasbt_dpo": ("rasbt-llms-from-scratch", None),
    "themis_tara": ("themis-tara", None),
}
FLIPPED, IRRELEVANT = "planted_flips", "irrelevant"
FLIPS = 0.8  # of the planted source's labels are turned
SHARE = 0.3  # of the groups of each human source make the planted one


def prepare(folder: Path) -> None:
    """Ingest the sources into a store in `folder` and extract their features."""
    store = Store(folder)
    for name, (path, splits) in SOURCES.items():
        ingest(store, name, path=str(REAL_DATA / path), splits=splits)
    extract(store, EmbeddedStates(), completions_of(store.scan("pairs")), progress=False)


def pool(folder: Path, seed: int) -> Pool:
    """The pairs of the store in `folder`, with what is planted under a seed."""
    store = Store(folder)
    pairs = store.scan("pairs")
    groups = pl.from_arrow(_apply.run_signal("groups", {"pairs": pairs, "media": store.scan("media")}))
    assert isinstance(groups, pl.DataFrame)
    columns = ["source", "pair_id", "chosen_id", "rejected_id", "category"]
    table = pairs.select(columns).collect().join(groups, on="pair_id").sort("source", "pair_id")
    # One part of themis_tara asks what people ask: it would not be irrelevant.
    table = table.filter((pl.col("source") != "themis_tara") | ~pl.col("category").str.contains("hh_rlhf"))
    return gather(store, EmbeddedStates.fingerprint, planted(table, seed))


def planted(table: pl.DataFrame, seed: int) -> pl.DataFrame:
    """The table of a pool: a share of the groups of every human source becomes one with most labels turned, and
    answers that a calculator, a calendar or a compiler can check stand for one that shares nothing with them."""
    u = pl.Series(uniform(seed, "planted", table["group_id"]))
    flip = pl.Series(uniform(seed, "flips", table["pair_id"])) < FLIPS
    bad = table["source"].is_in(HUMAN) & (u < SHARE)
    source = pl.when(bad).then(pl.lit(FLIPPED)).when(pl.col("source") == "themis_tara").then(pl.lit(IRRELEVANT))
    return table.with_columns(
        source=source.otherwise("source"),
        flipped=bad & flip,
        held_out=pl.lit(False),
        soft_label=pl.lit(None, pl.Float64),
        weight=pl.lit(None, pl.Float64),
    )


def counts(pool: Pool) -> dict[str, int]:
    names, count = np.unique(pool.table["source"].to_numpy(), return_counts=True)
    return dict(zip(names.tolist(), count.tolist(), strict=True))
