"""Verdicts on pairs -> one reward per completion, so that a judge of pairs meets filters that read rewards.

Each two completions that some pair compares are judged once, whatever their order and number of pairs, and kept in
the table `verdicts`: an interrupted run goes on where it stood. A verdict of w of n votes says that the first is
ahead by log((w + 1/2) / (n - w + 1/2)), the log-odds with half a vote on either side. The rewards of a prompt's
completions are the least-squares solution of these differences with mean zero: for a prompt of one pair the margin
is the verdict itself, for ranked lists each margin weighs all verdicts that connect the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
from tqdm import tqdm

from pairs.errors import PrefmillError
from pairs.store import Store
from pairs.tables import VERDICTS
from rewards.embedded import digest_of
from rewards.interface import Item
from rewards.judge import Judge, Verdict
from rewards.score import completions_of, items

CHUNK = 200  # pairs per commit: what an interrupted run loses at most
READ = 10_000  # pairs whose texts are in memory together
_KEYS = ("prompt_id", "first_id", "second_id")


@dataclass(frozen=True)
class Judged:
    """The verdicts of a judge on some pairs as a `RewardModel` for their completions."""

    fingerprint: str
    strengths: Mapping[str, float]  # by completion id
    reasons: Mapping[str, str]  # why others have none

    def fits(self, items: Sequence[Item]) -> np.ndarray:
        return np.array([item.completion_id in self.strengths for item in items], bool)

    def refusals(self, items: Sequence[Item]) -> list[str]:
        return [
            "" if fit else self.reasons.get(item.completion_id, "in none of the pairs")
            for item, fit in zip(items, self.fits(items), strict=True)
        ]

    def rewards(self, items: Sequence[Item]) -> np.ndarray:
        lost = next((item for item in items if item.completion_id not in self.strengths), None)
        if lost is not None:
            raise PrefmillError(
                f"completion {lost.completion_id} is in no pair that {self.fingerprint} could judge"
            )
        return np.array([self.strengths[item.completion_id] for item in items], np.float32)


def judged(store: Store, judge: Judge, pairs: pl.LazyFrame) -> Judged:
    """The judge on these pairs (columns as in the table `pairs`): asks for the verdicts that are not known yet,
    and again for those without a vote, which are not kept.

    Its rewards depend on all verdicts of a prompt, so the fingerprint names the judge and these verdicts, which
    are kept under the judge alone. Raises as `Judge.verdicts`; what came before is kept.
    """
    chosen, rejected = pl.col("chosen_id"), pl.col("rejected_id")
    compared = (
        pairs.select(
            "prompt_id", pl.min_horizontal(chosen, rejected).alias("first_id"),
            pl.max_horizontal(chosen, rejected).alias("second_id"),
        )
        .filter(pl.col("first_id") != pl.col("second_id"))
        .unique().sort(_KEYS).collect()
    )  # fmt: skip
    reasons = _Asking(store, judge, pairs).ask(compared)
    found = compared.join(_known(store, judge), on=_KEYS[1:], how="inner").sort(_KEYS)
    keys = digest_of(" ".join(map(str, row)) for row in found.iter_rows())
    return Judged(f"{judge.fingerprint}-{keys}", strengths(found), reasons)


def _known(store: Store, judge: Judge) -> pl.DataFrame:
    """`first_id, second_id, first_votes, votes`, each pair once: two runs at a time may both have asked."""
    rows = store.scan("verdicts", [judge.fingerprint]).drop("model").filter(pl.col("votes") > 0).collect()
    return rows.sort(rows.columns).unique(_KEYS[1:], keep="last", maintain_order=True)


@dataclass(frozen=True)
class _Asking:
    store: Store
    judge: Judge
    pairs: pl.LazyFrame

    def ask(self, compared: pl.DataFrame) -> dict[str, str]:
        """Get and keep the verdicts that lack; why there are completions without one, by id."""
        known = _known(self.store, self.judge)
        todo = compared.join(known, on=_KEYS[1:], how="anti", maintain_order="left")
        proven, reasons = bool(len(known)), dict[str, str]()
        with tqdm(total=len(todo), desc="verdicts", unit=" pairs", disable=None) as bar:
            for part in todo.iter_slices(READ):
                rows = self._texts(part)
                for chunk in part.iter_slices(CHUNK):
                    found = self._ask(chunk, rows, proven)
                    proven = proven or any(verdict.votes for verdict in found)
                    for ids, verdict in zip(chunk.select(_KEYS[1:]).iter_rows(), found, strict=True):
                        if not verdict.votes:
                            reasons |= dict.fromkeys(ids, verdict.reason)
                    bar.update(len(chunk))
        return reasons

    def _texts(self, part: pl.DataFrame) -> pl.DataFrame:
        """The completions of these pairs, as from `completions_of`."""
        held = pl.col("prompt_id").is_in(part["prompt_id"].unique().implode())
        return completions_of(self.pairs.filter(held)).filter(_completion_of(part)).collect()

    def _ask(self, chunk: pl.DataFrame, texts: pl.DataFrame, proven: bool) -> list[Verdict]:
        rows = texts.filter(_completion_of(chunk))
        columns = ("media_ids", "completion_media_ids")
        media = self.store.media([medium for name in columns for row in rows[name].to_list() for medium in row])
        of = {item.completion_id: item for item in items(rows, media)}
        asked = [(of[first], of[second]) for first, second in chunk.select(_KEYS[1:]).iter_rows()]
        found: dict[int, Verdict] = {}
        try:
            found.update(self.judge.verdicts(asked, proven=proven))
        finally:
            self._keep(chunk, {place: found[place] for place in sorted(found) if found[place].votes})
        return [found[place] for place in range(len(asked))]

    def _keep(self, chunk: pl.DataFrame, found: Mapping[int, Verdict]) -> None:
        if not found:
            return
        ids = chunk[list(found)]
        table = pa.table(
            [
                pa.array([self.judge.fingerprint] * len(found)),
                ids["first_id"].to_arrow().cast(pa.string()),
                ids["second_id"].to_arrow().cast(pa.string()),
                pa.array([verdict.first_votes for verdict in found.values()], pa.float32()),
                pa.array([verdict.votes for verdict in found.values()], pa.int32()),
            ],
            schema=VERDICTS,
        )
        self.store.append("verdicts", self.judge.fingerprint, table, {"pairs": str(len(found))})


def _completion_of(pairs: pl.DataFrame) -> pl.Expr:
    return pl.col("completion_id").is_in(pl.concat([pairs["first_id"], pairs["second_id"]]).unique().implode())


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
