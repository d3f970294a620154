"""Finds pairs with equal texts whose pictures look alike, each one in its place."""

from __future__ import annotations

import numpy as np
import polars as pl

from filters._hamming import close_pairs
from filters._pictures import turned

MOST = 10  # bits; pairs with pictures further apart are not looked for
COUNTS = ("media_ids_count", "chosen_media_ids_count", "rejected_media_ids_count")
_TEXTS = ("prompt", "chosen", "rejected")


def near_pairs(contents: pl.DataFrame, shown: pl.DataFrame) -> tuple[np.ndarray, pl.DataFrame, pl.DataFrame]:
    """`contents`: criterion and the `_TEXTS` as UInt64 and `COUNTS` (Int64, pictures of each part) of pairs;
    `shown`: all their pictures in that order, media_id and hash (UInt64, null for a flat picture).

    Returns the form of each pair (int64: the place of the first pair with the same criterion, texts and hashes),
    and which forms are near: left < right (such places), distance (the most bits between two pictures, 0 to
    `MOST`); and the same of those that are near only when some of their pictures are turned or mirrored, or nearer
    then. Forms of several criteria may be near.
    Time and memory grow with the square of the forms that have equal texts and an equal first picture.
    """
    rows = _looks(contents, shown)
    heads = rows.filter(pl.col("form") == pl.col("place"))
    heads = heads.filter(pl.len().over("label") > 1)
    place, labels = heads["place"].to_numpy(), heads["label"].cast(pl.UInt64).to_numpy()
    pictures, first = _Pictures(contents, shown), heads["first"].to_numpy()
    found = [pl.DataFrame(schema={"left": pl.Int64, "right": pl.Int64, "distance": pl.Int32})]
    also = found.copy()
    for left, right, _ in close_pairs(first, MOST, labels):
        found.append(pictures.near(place[left], place[right], turns=False))
        also.append(pictures.near(place[left], place[right], turns=True))
    for other in turned(first):
        for left, right, _ in close_pairs(np.concatenate([first, other]), MOST, np.tile(labels, 2)):
            cross = (left < len(first)) & (right >= len(first)) & (right - len(first) != left)
            left, right = place[left[cross]], place[right[cross] - len(first)]
            also.append(pictures.near(left, right, turns=True))
    near = pl.concat(found).sort("left", "right")
    nearer = pl.concat(also).unique().join(near, on=["left", "right", "distance"], how="anti")
    return rows["form"].to_numpy(), near, nearer.sort("left", "right")


def _looks(contents: pl.DataFrame, shown: pl.DataFrame) -> pl.DataFrame:
    """Per pair place, label (the place of the first pair that it may be held against), form, and first: the hash
    of its first picture that has one."""
    flat = pl.col("hash").is_null()
    hashes = pl.when(flat).then("media_id").otherwise(pl.col("hash").cast(pl.String))
    flats = pl.when(flat).then("media_id").otherwise(pl.lit("-"))
    owner = np.repeat(np.arange(contents.height), _total(contents))
    of_pair = (
        shown.with_columns(place=pl.Series(owner), looks=hashes, flats=flats)
        .group_by("place", maintain_order=True)
        .agg("looks", "media_id", "flats", first=pl.col("hash").drop_nulls().first())
    )
    rows = pl.concat([contents.select("criterion", *_TEXTS, *COUNTS), of_pair], how="horizontal")
    prompt, chosen = (pl.col(column) for column in COUNTS[:2])
    alike = (pl.col("chosen") == pl.col("rejected")) & (
        pl.col("looks").list.slice(prompt, chosen) == pl.col("looks").list.slice(prompt + chosen)
    )
    # Where the hashes don't tell chosen from rejected, they don't tell a pair from its opposite either.
    looks = pl.when(alike).then("media_id").otherwise("looks").list.join(" ")
    rows = rows.with_columns(looks=looks, flats=pl.col("flats").list.join(" "))
    label = pl.col("place").min().over(*_TEXTS, *COUNTS, "flats")
    form = pl.col("place").min().over("criterion", *_TEXTS, *COUNTS, "looks")
    # Pairs of flat pictures alone differ, under one label, in nothing but the criterion: any hash will do.
    return rows.select("place", pl.col("first").fill_null(0), label=label, form=form)


def _total(contents: pl.DataFrame) -> np.ndarray:
    return contents.select(pl.sum_horizontal(COUNTS)).to_series().to_numpy()


class _Pictures:
    """The pictures of all pairs, one after the other."""

    def __init__(self, contents: pl.DataFrame, shown: pl.DataFrame) -> None:
        self._hashes = shown["hash"].fill_null(0).to_numpy()
        self._flat = shown["hash"].is_null().to_numpy()
        self._media = shown["media_id"].rank("dense").to_numpy()
        self._total = _total(contents)
        self._start = np.cumsum(self._total) - self._total
        self._counts = contents.select(COUNTS).to_numpy()
        self._ambiguous = (contents["chosen"] == contents["rejected"]).to_numpy() & (
            self._counts[:, 1] == self._counts[:, 2]
        )

    def near(self, left: np.ndarray, right: np.ndarray, turns: bool) -> pl.DataFrame:
        """Those pairs of pairs, `left` and `right` in either order, that are near in all their pictures and nearer
        than with chosen and rejected of one of them exchanged; with `turns` however each picture is turned."""
        most, cost = self._apart(left, right, False, turns)
        _, opposed = self._apart(left, right, True, turns)
        near = (most <= MOST) & (~self._ambiguous[left] | (cost < opposed))
        ends = {"left": np.minimum(left, right)[near], "right": np.maximum(left, right)[near]}
        return pl.DataFrame({**ends, "distance": most[near].astype(np.int32)})

    def _apart(
        self, left: np.ndarray, right: np.ndarray, exchanged: bool, turns: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """The most bits between two pictures in the same place, and a sum that also tells equal files from equal
        hashes."""
        total = self._total[left]
        first = np.cumsum(total) - total
        step = np.arange(total.sum()) - np.repeat(first, total)
        one = np.repeat(self._start[left], total) + step
        if exchanged:
            prompt, chosen = (np.repeat(self._counts[right, part], total) for part in (0, 1))
            turn = np.where(step < prompt + chosen, chosen, -chosen)
            step = step + np.where((step >= prompt) & np.repeat(self._ambiguous[right], total), turn, 0)
        two = np.repeat(self._start[right], total) + step
        seen = [self._hashes[one], *(turned(self._hashes[one]) if turns else ())]
        bits = np.min([np.bitwise_count(look ^ self._hashes[two]) for look in seen], axis=0).astype(np.int64)
        other = self._media[one] != self._media[two]
        bits[(self._flat[one] | self._flat[two]) & other] = 64
        return np.maximum.reduceat(bits, first), np.add.reduceat(2 * bits + other, first)
