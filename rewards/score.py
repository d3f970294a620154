"""Scoring: every completion once per model, kept in the table `rewards`, resumable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from pairs.errors import PrefmillError
from pairs.store import REWARDS, Store
from rewards.interface import Item, RewardModel

CHUNK = 20_000  # completions per read and commit: what an interrupted run loses at most
BATCH = 1_000  # completions whose pictures are in memory together


@dataclass(frozen=True, slots=True)
class ScoreBooks:
    """cached + scored + unscored = the completions asked for."""

    model: str  # the fingerprint under which the rewards lie
    cached: int  # were in the table before
    scored: int
    unscored: int  # the model cannot judge them whole; they get no row


def completions(store: Store, sources: Sequence[str]) -> pl.LazyFrame:
    """The completions of some sources, each once, sorted by id: `completion_id, prompt, completion, media_ids,
    completion_media_ids`."""
    return completions_of(store.scan("pairs", sources))


def completions_of(pairs: pl.LazyFrame) -> pl.LazyFrame:
    """The completions of pairs (columns as in the table `pairs`), each once, sorted by id."""
    sides = [
        pairs.select(
            pl.col(f"{side}_id").alias("completion_id"),
            "prompt",
            pl.col(side).alias("completion"),
            "media_ids",
            pl.col(f"{side}_media_ids").alias("completion_media_ids"),
        )
        for side in ("chosen", "rejected")
    ]
    # Rows of one id have the same content, so it does not matter which of them stays.
    return pl.concat(sides).unique("completion_id", keep="any").sort("completion_id")


def score(store: Store, model: RewardModel, wanted: pl.LazyFrame, *, progress: bool = True) -> ScoreBooks:
    """Judge the completions that have no reward of this model yet (`wanted`: as from `completions`).

    Appends to the table `rewards` chunk by chunk, so that a run that was stopped goes on where it stood.
    Raises `PrefmillError` for a reward that is no finite number, naming the completion.
    """
    from tqdm import tqdm

    ids = wanted.select("completion_id").collect()
    have = store.scan("rewards", [model.fingerprint]).select("completion_id").collect()
    todo = ids.join(have, on="completion_id", how="anti").sort("completion_id")
    scored = unscored = 0
    with tqdm(total=len(todo), desc="rewards", unit=" completions", disable=not progress or not len(todo)) as bar:
        for start in range(0, len(todo), CHUNK):
            chunk = todo.slice(start, CHUNK)
            done, values = [], []
            for items in _items(store, wanted, chunk):
                fits = model.fits(items)
                judged = [item for item, fit in zip(items, fits, strict=True) if fit]
                rewards = _checked(model, judged)
                done += [item.completion_id for item in judged]
                values.append(rewards)
                unscored += len(items) - len(judged)
                bar.update(len(items))
            scored += len(done)
            _append(store, model.fingerprint, done, np.concatenate(values))
    return ScoreBooks(model.fingerprint, len(ids) - len(todo), scored, unscored)


def _items(store: Store, wanted: pl.LazyFrame, chunk: pl.DataFrame) -> Iterator[list[Item]]:
    """The items of one chunk of sorted ids. Ids are hashes, so a range of them is an even slice of the rows."""
    first, last = pl.lit(chunk["completion_id"][0]), pl.lit(chunk["completion_id"][-1])
    rows = (
        wanted.filter(pl.col("completion_id").is_between(first, last))
        .collect()
        .join(chunk, on="completion_id", how="semi", maintain_order="left")
    )
    for batch in rows.iter_slices(BATCH):
        columns = ("media_ids", "completion_media_ids")
        media = store.media([media_id for name in columns for ids in batch[name].to_list() for media_id in ids])
        yield items(batch, media)


def items(rows: pl.DataFrame, media: Mapping[str, bytes]) -> list[Item]:
    """Rows of `completions` with the bytes of their media, as items."""
    return [
        Item(
            row["completion_id"],
            row["prompt"],
            row["completion"],
            tuple(media[media_id] for media_id in row["media_ids"]),
            tuple(media[media_id] for media_id in row["completion_media_ids"]),
        )
        for row in rows.iter_rows(named=True)
    ]


def _checked(model: RewardModel, items: list[Item]) -> np.ndarray:
    rewards = model.rewards(items) if items else np.zeros(0, np.float32)
    if rewards.shape != (len(items),) or rewards.dtype != np.float32:
        raise PrefmillError(
            f"model {model.fingerprint}: rewards are {rewards.dtype} {list(rewards.shape)}, "
            f"expected float32 [{len(items)}]"
        )
    wrong = np.flatnonzero(~np.isfinite(rewards))
    if len(wrong):
        raise PrefmillError(
            f"model {model.fingerprint}: the reward of completion {items[wrong[0]].completion_id} is "
            f"{rewards[wrong[0]]}, expected a finite number; check the model's weights and precision"
        )
    return rewards


def _append(store: Store, fingerprint: str, ids: list[str], rewards: np.ndarray) -> None:
    if not ids:
        return
    table = pa.table([pa.array([fingerprint] * len(ids)), pa.array(ids), pa.array(rewards)], schema=REWARDS)
    store.append("rewards", fingerprint, table, {"completions": str(len(ids))})
