"""How much of each source: caps, modality ratio, weights, temperature and size, by a keyed hash of the pair id.

In this order:

1. `cap`: at most so many pairs of a source.
2. `modality_ratio`: the modalities it names stand in this ratio to each other; the one that is scarcest for its
   number stays whole and the others are cut to it. Modalities it does not name keep all their pairs. Weights,
   temperature and size then act inside each named modality, and inside the unnamed ones together.
3. Shares of the sources. With a `weight` on every source: in proportion to the weights. With none: in proportion
   to n^temperature, n being a source's pairs after its cap (1 = as they come, 0 = all alike). With some: those
   weights are shares of the whole, and the sources without one divide the rest by n^temperature.
4. `size`: pairs in all, copies counted; omitted, as many as are left after 1 and 2. A source whose target is above
   its pairs gets each of them floor(target / n) times, and the remainder once more.

Which pairs go first inside a source is decided by `uniform(seed, "sample", pair_id)` alone. So a pair's place
depends on no other pair, and while a target stays the same, new rows and new sources move nobody but at its edge.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import polars as pl

from mixtures._recipe import Recipe
from pairs.errors import RecipeError


def uniform(seed: int, purpose: str, keys: Iterable[str]) -> np.ndarray:
    """A number in [0, 1) for each key, float64 `[keys]`: 53 bits of a hash that `seed` and `purpose` key."""
    key = f"{seed}/{purpose}".encode()
    words = b"".join(hashlib.blake2b(name.encode(), digest_size=8, key=key).digest() for name in keys)
    return (np.frombuffer(words, dtype=">u8") >> np.uint64(11)) * 2.0**-53


def sample(recipe: Recipe, survivors: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Survivors (source, source_order, pair_id, modality) -> taken (source, pair_id, copies), decisions.

    `copies` is at least 1. What is cut is in the decisions, with the number of pairs that was wanted as value.
    """
    ranked = survivors.select(
        "source", "source_order", "pair_id", "modality",
        pl.Series("u", uniform(recipe.seed, "sample", survivors["pair_id"]), dtype=pl.Float64),
    ).sort("source_order", "source", "u", "pair_id")  # fmt: skip
    caps = {name: source.cap for name, source in recipe.sources.items()}
    ranked = ranked.with_columns(
        rank=pl.int_range(pl.len()).over("source"),
        limit=pl.col("source").replace_strict(caps, default=None, return_dtype=pl.Int64),
    )
    over_cap = ranked.filter(pl.col("rank") >= pl.col("limit"))
    ranked = ranked.join(over_cap, on=["source", "pair_id"], how="anti", maintain_order="left")
    cells = _cells(recipe, ranked)
    counts = {(cell, source): n for cell, source, n in cells.group_by("cell", "source").len().iter_rows()}
    wanted = targets(recipe, counts)
    cells = cells.with_columns(
        rank=pl.int_range(pl.len()).over("cell", "source"),
        n=pl.len().over("cell", "source"),
        limit=pl.Series([wanted[key] for key in cells.select("cell", "source").iter_rows()], dtype=pl.Int64),
    )
    cells = cells.with_columns(
        copies=pl.col("limit") // pl.col("n") + (pl.col("rank") < pl.col("limit") % pl.col("n")).cast(pl.Int64)
    )
    decisions = pl.concat([_cut(over_cap, "over_cap"), _cut(cells.filter(pl.col("copies") == 0), "over_target")])
    return cells.filter(pl.col("copies") > 0).select("source", "pair_id", "copies"), decisions


def _cells(recipe: Recipe, ranked: pl.DataFrame) -> pl.DataFrame:
    named = list(recipe.modality_ratio or ())
    cell = pl.when(pl.col("modality").is_in(named)).then("modality").otherwise(pl.lit(""))
    return ranked.with_columns(cell=cell)


def _cut(rows: pl.DataFrame, reason: str) -> pl.DataFrame:
    return rows.select(
        "source",
        "pair_id",
        action=pl.lit("drop"),
        reason=pl.lit(reason),
        value=pl.col("limit").cast(pl.Float64),
        by=pl.lit(None, pl.String),
    )


def targets(recipe: Recipe, counts: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """Pairs wanted of each (cell, source), copies counted, from the pairs there are.

    A cell is a modality that `modality_ratio` names, or "" for all the others together.
    """
    cells = sorted({cell for cell, _ in counts})
    sources = {cell: [name for name in recipe.sources if (cell, name) in counts] for cell in cells}
    totals = {cell: float(sum(counts[cell, name] for name in sources[cell])) for cell in cells}
    totals = _balanced(recipe, totals)
    whole = sum(totals.values())
    scale = recipe.size / whole if recipe.size is not None and whole else 1.0
    keys, exact = [], []
    for cell in cells:
        numbers = {name: counts[cell, name] for name in sources[cell]}
        for name, share in _shares(recipe, numbers).items():
            keys.append((cell, name))
            exact.append(totals[cell] * scale * share)
    return dict(zip(keys, _whole_numbers(exact), strict=True))


def _balanced(recipe: Recipe, totals: dict[str, float]) -> dict[str, float]:
    """Pairs of each cell after the cut to the modality ratio."""
    if recipe.modality_ratio is None:
        return totals
    asked = {name: number for name, number in recipe.modality_ratio.items() if number > 0}
    for name in asked:
        if not totals.get(name):
            raise RecipeError(
                f"{recipe.name}: modality_ratio asks for {name!r}, but no such pair is left; take it out"
            )
    unit = min(totals[name] / number for name, number in asked.items())
    ratio = recipe.modality_ratio
    return {cell: unit * ratio[cell] if cell in ratio else total for cell, total in totals.items()}


def _shares(recipe: Recipe, numbers: Mapping[str, int]) -> dict[str, float]:
    """Share of each source in one cell; they add up to one."""
    weights = {name: recipe.sources[name].weight for name in numbers}
    given = {name: weight for name, weight in weights.items() if weight is not None}
    free = {name: float(numbers[name]) ** recipe.temperature for name in numbers if name not in given}
    rest = 1 - math.fsum(given.values()) if free else 0.0
    shares = {
        name: given[name] if name in given else rest * free[name] / math.fsum(free.values()) for name in numbers
    }
    whole = math.fsum(shares.values())  # not 1 where a weighted source has no pair in this cell
    return {name: share / whole for name, share in shares.items()}


def _whole_numbers(exact: Sequence[float]) -> list[int]:
    """Round so that the sum is kept: the largest remainders are rounded up."""
    steady = [round(value, 6) for value in exact]
    whole = [math.floor(value) for value in steady]
    missing = round(math.fsum(exact)) - sum(whole)
    for place in sorted(range(len(whole)), key=lambda place: (whole[place] - steady[place], place))[:missing]:
        whole[place] += 1
    return whole
