"""Verdicts on pairs -> one reward per completion, so that a judge of pairs meets filters that read rewards.

Each two completions that some pair compares are judged once, whatever their order and number of pairs, and kept in
the table `verdicts`: an interrupted run goes on where it stood. A verdict of w of n votes says that the first is
ahead by log((w + 1/2) / (n - w + 1/2)), the log-odds with half a vote on either side. The rewards of a prompt's
completions are the least-squares solution of these differences with mean zero: for a prompt of one pair the margin
is the verdict itself, for ranked lists each margin weighs all verdicts that connect the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
import pyarrow as pa
from tqdm import tqdm

from pairs.errors import PrefmillError
from pairs.store import Store
from pairs.tables import VERDICTS
from rewards.embedded import digest_of
from rewards.interface import Item
from rewards.judge import Judge
from rewards.score import completions_of, items

CHUNK = 200  # pairs per commit: what an interrupted run loses at most
READ = 10_000  # pairs whose texts are in memory together
_KEYS = ("prompt_id", "first_id", "second_id")


@dataclass(frozen=True)
class Judged:
    """A judge of pairs as a `RewardModel` for the completions of some pairs. Asks on first use."""

    fingerprint: str
    judge: Judge
    store: Store
    pairs: pl.LazyFrame
    compared: pl.DataFrame  # prompt_id, first_id, second_id; sorted, each once

    def fits(self, items: Sequence[Item]) -> np.ndarray:
        return np.array([item.completion_id in self._strengths for item in items], bool)

    def rewards(self, items: Sequence[Item]) -> np.ndarray:
        lost = next((item for item in items if item.completion_id not in self._strengths), None)
        if lost is not None:
            raise PrefmillError(
                f"completion {lost.completion_id} is in no pair that {self.fingerprint} could judge"
            )
        return np.array([self._strengths[item.completion_id] for item in items], np.float32)

    @cached_property
    def _strengths(self) -> dict[str, float]:
        known = self._verdicts()
        todo = self.compared.join(known, on=["first_id", "second_id"], how="anti", maintain_order="left")
        with tqdm(total=len(todo), desc="verdicts", unit=" pairs", disable=None) as bar:
            for part in todo.iter_slices(READ):
                rows = self._texts(part)
                for chunk in part.iter_slices(CHUNK):
                    self._ask(chunk, rows)
                    bar.update(len(chunk))
        rows = self.compared.join(
            self._verdicts(), on=["first_id", "second_id"], how="left", maintain_order="left"
        )
        return strengths(rows.filter(pl.col("votes") > 0))

    def _verdicts(self) -> pl.DataFrame:
        return self.store.scan("verdicts", [self.judge.fingerprint]).drop("model").collect()

    def _texts(self, part: pl.DataFrame) -> pl.DataFrame:
        """The completions of these pairs, as from `completions_of`."""
        held = pl.col("prompt_id").is_in(part["prompt_id"].unique().implode())
        return completions_of(self.pairs.filter(held)).filter(_completion_of(part)).collect()

    def _ask(self, chunk: pl.DataFrame, texts: pl.DataFrame) -> None:
        rows = texts.filter(_completion_of(chunk))
        columns = ("media_ids", "completion_media_ids")
        media = self.store.media([medium for name in columns for row in rows[name].to_list() for medium in row])
        of = {item.completion_id: item for item in items(rows, media)}
        asked = list(zip(chunk["first_id"], chunk["second_id"], strict=True))
        found = list(self.judge.verdicts([(of[first], of[second]) for first, second in asked]))
        table = pa.table(
            [
                pa.array([self.judge.fingerprint] * len(asked)),
                chunk["first_id"].to_arrow().cast(pa.string()),
                chunk["second_id"].to_arrow().cast(pa.string()),
                pa.array([verdict.first_votes for verdict in found], pa.float32()),
                pa.array([verdict.votes for verdict in found], pa.int32()),
            ],
            schema=VERDICTS,
        )
        self.store.append("verdicts", self.judge.fingerprint, table, {"pairs": str(len(asked))})


def _completion_of(pairs: pl.DataFrame) -> pl.Expr:
    return pl.col("completion_id").is_in(pl.concat([pairs["first_id"], pairs["second_id"]]).unique().implode())


def judged(store: Store, judge: Judge, pairs: pl.LazyFrame) -> Judged:
    """The judge on these pairs (columns as in the table `pairs`). Its rewards depend on all verdicts of a prompt,
    so the fingerprint names the judge and the pairs; the verdicts themselves are kept under the judge alone."""
    chosen, rejected = pl.col("chosen_id"), pl.col("rejected_id")
    compared = (
        pairs.select(
            "prompt_id", pl.min_horizontal(chosen, rejected).alias("first_id"),
            pl.max_horizontal(chosen, rejected).alias("second_id"),
        )
        .filter(pl.col("first_id") != pl.col("second_id"))
        .unique().sort(_KEYS).collect()
    )  # fmt: skip
    keys = digest_of(f"{first} {second}" for _, first, second in compared.iter_rows())
    return Judged(f"{judge.fingerprint}-{keys}", judge, store, pairs, compared)


def strengths(verdicts: pl.DataFrame) -> dict[str, float]:
    """Reward per completion id, from rows of `prompt_id, first_id, second_id, first_votes, votes` (above 0)."""
    won, votes = pl.col("first_votes").cast(pl.Float64), pl.col("votes")
    ahead = verdicts.sort(_KEYS).with_columns(ahead=((won + 0.5) / (votes - won + 0.5)).log())
    out: dict[str, float] = {}
    for rows in ahead.partition_by("prompt_id", maintain_order=True):
        ids = sorted({*rows["first_id"], *rows["second_id"]})
        place = {completion: column for column, completion in enumerate(ids)}
        signs = np.zeros((rows.height, len(ids)))
        for row, (first, second) in enumerate(zip(rows["first_id"], rows["second_id"], strict=True)):
            signs[row, place[first]], signs[row, place[second]] = 1, -1
        # The least-norm solution: mean zero in each set of connected completions.
        found = np.linalg.lstsq(signs, rows["ahead"].to_numpy(), rcond=None)[0]
        out |= dict(zip(ids, found.tolist(), strict=True))
    return out
