"""Scoring: every completion once per model, kept in the table `rewards`, resumable."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from pairs.errors import PrefmillError
from pairs.store import Store
from pairs.tables import REWARDS
from rewards.interface import Explaining, Item, Piecewise, RewardModel

CHUNK = 20_000  # completions per read, and per commit at most
KEEP_EVERY = 60.0  # seconds between commits at most, but for one batch: what a killed run loses
_LEFT = {"completion_id": pl.String, "reason": pl.String}
_HELD = 1 << 23  # numbers per commit at most, 32 MB
BATCH = 1_000  # completions whose pictures are in memory together


@dataclass(frozen=True, slots=True)
class ScoreBooks:
    """cached + scored + unscored = the completions asked for."""

    model: str  # the fingerprint under which the rewards lie
    cached: int  # were in the table before
    scored: int
    unscored: int  # the model cannot judge them whole; they get no row


@dataclass(frozen=True, slots=True)
class Scored(ScoreBooks):
    """`left`: `completion_id, reason` of each completion that is unscored."""

    left: pl.DataFrame


def completions(store: Store, sources: Sequence[str]) -> pl.LazyFrame:
    """The completions of some sources, each once, sorted by id: `prompt_id, completion_id, prompt, completion,
    media_ids, completion_media_ids`."""
    return completions_of(store.scan("pairs", sources))


def completions_of(pairs: pl.LazyFrame) -> pl.LazyFrame:
    """The completions of pairs (columns as in the table `pairs`), each once, sorted by id."""
    sides = [
        pairs.select(
            "prompt_id",
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


def score(store: Store, model: RewardModel, wanted: pl.LazyFrame, *, progress: bool = True) -> Scored:
    """Judge the completions that have no reward of this model yet (`wanted`: as from `completions`), those of one
    prompt together.

    Appends to the table `rewards` bit by bit, so that a run that was stopped goes on where it stood; what a server
    has answered before it failed is kept, too. Raises `PrefmillError` for a reward that is no finite number,
    naming the completion.
    """
    from tqdm import tqdm

    ids = wanted.select("prompt_id", "completion_id").collect()
    todo = missing(store, "rewards", model.fingerprint, ids)
    left = [pl.DataFrame(schema=_LEFT)]

    def write(found: list[str], values: np.ndarray) -> None:
        columns = [pa.array([model.fingerprint] * len(found)), pa.array(found), pa.array(values)]
        table = pa.table(columns, schema=REWARDS)
        store.append("rewards", model.fingerprint, table, {"completions": str(len(found))})

    with (
        tqdm(total=len(todo), desc="rewards", unit=" completions", disable=not progress or not len(todo)) as bar,
        Kept(write) as kept,
    ):
        for start in range(0, len(todo), CHUNK):
            for items in chunk_items(store, wanted, todo.slice(start, CHUNK)):
                fits = _fits(model, items, kept)
                judged = [item for item, fit in zip(items, fits, strict=True) if fit]
                left.append(_left(model, [item for item, fit in zip(items, fits, strict=True) if not fit]))
                kept.add(judged, _checked(model, judged))
                bar.update(len(items))
            kept.commit()
    unscored = pl.concat(left)
    return Scored(model.fingerprint, len(ids) - len(todo), kept.rows, len(unscored), unscored)


def missing(store: Store, table: str, fingerprint: str, ids: pl.DataFrame) -> pl.DataFrame:
    """Those of `ids` (`prompt_id, completion_id`) for which a table has nothing under a fingerprint, sorted."""
    have = store.scan(table, [fingerprint]).select("completion_id").collect()
    return ids.join(have, on="completion_id", how="anti").sort("prompt_id", "completion_id")


class Kept:
    """What a model says of completions, on its way into a table: `write` gets ids and values every `KEEP_EVERY`
    seconds, when `_HELD` numbers wait, and at the end, also of a run that fails."""

    def __init__(self, write: Callable[[list[str], np.ndarray], None]) -> None:
        self.rows = 0
        self._write = write
        self._ids: list[str] = []
        self._values: list[np.ndarray] = []
        self._since = time.monotonic()

    def add(self, items: list[Item], values: np.ndarray) -> None:
        """Values [items] or [items, width]. Only whole batches are committed: a later run begins with the next."""
        self._ids += [item.completion_id for item in items]
        self._values.append(values)
        waiting = sum(part.size for part in self._values)
        if waiting >= _HELD or time.monotonic() - self._since > KEEP_EVERY:
            self.commit()

    def commit(self) -> None:
        if self._ids:
            self._write(self._ids, np.concatenate(self._values))
            self.rows += len(self._ids)
        self._ids, self._values, self._since = [], [], time.monotonic()

    def __enter__(self) -> Kept:
        return self

    def __exit__(self, *failure: object) -> None:
        self.commit()


def chunk_items(store: Store, wanted: pl.LazyFrame, chunk: pl.DataFrame) -> Iterator[list[Item]]:
    """The items of one chunk of sorted ids. Ids are hashes, so a range of them is an even slice of the rows."""
    first, last = pl.lit(chunk["prompt_id"][0]), pl.lit(chunk["prompt_id"][-1])
    rows = (
        wanted.filter(pl.col("prompt_id").is_between(first, last))
        .collect()
        .join(chunk, on="completion_id", how="semi", maintain_order="left")
        .sort("prompt_id", "completion_id")
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


def _fits(model: RewardModel, items: list[Item], kept: Kept) -> np.ndarray:
    try:
        return model.fits(items)
    except BaseException:  # Ctrl-C, too
        if isinstance(model, Piecewise) and (answered := model.answered(items)):
            kept.add(answered, _checked(model, answered))
        raise


def _left(model: RewardModel, items: list[Item]) -> pl.DataFrame:
    reasons = model.refusals(items) if items and isinstance(model, Explaining) else ["not told"] * len(items)
    return pl.DataFrame({"completion_id": [item.completion_id for item in items], "reason": reasons}, schema=_LEFT)


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
