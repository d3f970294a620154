"""How much of each source: caps, ratios, weights, temperature, size and copies, by a keyed hash of the pair id.

In this order:

1. `cap`: at most so many pairs of a source.
2. `category_ratio`, then `modality_ratio`: what they name stands in this ratio to each other; the one that is
   scarcest for its number stays whole and the others are cut to it. Names they lack keep all their pairs. A
   category ratio holds inside each modality that the modality ratio names, and inside the unnamed ones together.
   Weights, temperature and size then act inside each such cell.
3. Shares of the sources. With a `weight` on every source: in proportion to the weights. With none: in proportion
   to n^temperature, n being a source's pairs after its cap (1 = as they come, 0 = all alike). With some: those
   weights are shares of the whole, and the sources without one divide the rest by n^temperature.
4. `size`: pairs in all, copies counted; omitted, as many as are left after 1 and 2. A source whose target is above
   its pairs gets each of them floor(target / n) times, and the remainder once more.
5. `max_copies`: no pair more often than this. What a source cannot fill, the others of its cell take up in
   proportion to their shares as far as they can; the mixture is smaller than `size` where none can.

Which pairs go first inside a source is decided by `uniform(seed, "sample", pair_id)` alone, so a pair's place
depends on no other pair: of any two targets the smaller takes a part of what the larger takes. Where a target
stays the same, new rows of a source push out only as many as enter; where it changes, only the difference comes or
goes. No sampling that treats the rows of a source alike and fills its target moves fewer.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import polars as pl

from mixtures._recipe import Recipe
from pairs.errors import RecipeError

CELL = ["cell_modality", "cell_category", "source"]
Cell = tuple[str, str]  # modality and category, each "" for all that no ratio names together


def uniform(seed: int, purpose: str, keys: Iterable[str]) -> np.ndarray:
    """A number in [0, 1) for each key, float64 `[keys]`: 53 bits of a hash that `seed` and `purpose` key."""
    keyed = hashlib.blake2b(digest_size=8, key=f"{seed}/{purpose}".encode())

    def word(name: str) -> bytes:
        one = keyed.copy()
        one.update(name.encode())
        return one.digest()

    words = b"".join(map(word, keys))
    return (np.frombuffer(words, dtype=">u8") >> np.uint64(11)) * 2.0**-53


def sample(recipe: Recipe, survivors: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Survivors (source, source_order, pair_id, modality) -> taken (source, pair_id, copies), decisions.

    Survivors have `category` too where a ratio names it. `copies` is at least 1. What is cut is in the decisions,
    with the number of pairs that was wanted as value.
    """
    category = [] if recipe.category_ratio is None else ["category"]
    ranked = survivors.select(
        "source", "source_order", "pair_id", "modality", *category,
        pl.Series("u", uniform(recipe.seed, "sample", survivors["pair_id"]), dtype=pl.Float64),
    ).sort("source_order", "source", "u", "pair_id")  # fmt: skip
    caps = {name: source.cap for name, source in recipe.sources.items()}
    ranked = ranked.with_columns(
        rank=pl.int_range(pl.len()).over("source"),
        limit=pl.col("source").replace_strict(caps, default=None, return_dtype=pl.Int64),
    )
    over_cap = ranked.filter(pl.col("rank") >= pl.col("limit"))
    ranked = ranked.join(over_cap, on=["source", "pair_id"], how="anti", maintain_order="left")
    cells = ranked.with_columns(
        cell_modality=_named("modality", recipe.modality_ratio),
        cell_category=_named("category", recipe.category_ratio),
    )
    counts = {(cell, category, source): n for cell, category, source, n in cells.group_by(CELL).len().iter_rows()}
    wanted = targets(recipe, counts)
    cells = cells.with_columns(
        rank=pl.int_range(pl.len()).over(CELL),
        n=pl.len().over(CELL),
        limit=pl.Series([wanted[key] for key in cells.select(CELL).iter_rows()], dtype=pl.Int64),
    )
    cells = cells.with_columns(
        copies=pl.col("limit") // pl.col("n") + (pl.col("rank") < pl.col("limit") % pl.col("n")).cast(pl.Int64)
    )
    decisions = pl.concat([_cut(over_cap, "over_cap"), _cut(cells.filter(pl.col("copies") == 0), "over_target")])
    return cells.filter(pl.col("copies") > 0).select("source", "pair_id", "copies"), decisions


def _named(column: str, ratio: Mapping[str, float] | None) -> pl.Expr:
    if ratio is None:
        return pl.lit("")
    return pl.when(pl.col(column).is_in(list(ratio))).then(column).otherwise(pl.lit(""))


def _cut(rows: pl.DataFrame, reason: str) -> pl.DataFrame:
    return rows.select(
        "source",
        "pair_id",
        action=pl.lit("drop"),
        reason=pl.lit(reason),
        value=pl.col("limit").cast(pl.Float64),
        by=pl.lit(None, pl.String),
    )


def targets(recipe: Recipe, counts: Mapping[tuple[str, str, str], int]) -> dict[tuple[str, str, str], int]:
    """Pairs wanted of each (modality, category, source), copies counted, from the pairs there are.

    Raises `RecipeError` when a ratio asks for what is not there.
    """
    cells = sorted({(modality, category) for modality, category, _ in counts})
    held = {
        cell: {name: counts[*cell, name] for name in recipe.sources if (*cell, name) in counts} for cell in cells
    }
    totals = _balanced(recipe, {cell: float(sum(numbers.values())) for cell, numbers in held.items()})
    whole = sum(totals.values())
    scale = recipe.size / whole if recipe.size is not None and whole else 1.0
    keys, exact = [], []
    for cell, numbers in held.items():
        shares = _shares(recipe, numbers)
        for name, target in _filled(totals[cell] * scale, shares, _most(recipe, numbers)).items():
            keys.append((*cell, name))
            exact.append(target)
    return dict(zip(keys, _whole_numbers(exact), strict=True))


def _most(recipe: Recipe, numbers: Mapping[str, int]) -> dict[str, float]:
    """The most that each source may give, copies counted."""
    limits = {name: recipe.sources[name].max_copies or recipe.max_copies for name in numbers}
    return {name: math.inf if limit is None else float(limit * numbers[name]) for name, limit in limits.items()}


def _filled(total: float, shares: Mapping[str, float], most: Mapping[str, float]) -> dict[str, float]:
    """`total` divided by `shares`, nobody above `most`: the others take up the rest while they can."""
    fixed: dict[str, float] = {}
    while True:
        free = {name: share for name, share in shares.items() if name not in fixed}
        rest, whole = total - math.fsum(fixed.values()), math.fsum(free.values())
        given = {name: rest * share / whole for name, share in free.items()}
        over = {name: most[name] for name in given if given[name] > most[name]}
        if not over:
            return {name: fixed[name] if name in fixed else given[name] for name in shares}
        fixed |= over


def _balanced(recipe: Recipe, totals: dict[Cell, float]) -> dict[Cell, float]:
    """Pairs of each cell after the cuts to the category and the modality ratio."""
    asked = (category for category, number in (recipe.category_ratio or {}).items() if number > 0)
    _all_there(recipe, "category", asked, {category for _, category in totals})
    modalities = dict.fromkeys(modality for modality, _ in totals)
    if recipe.category_ratio is not None:
        for modality in modalities:
            inside = {category: total for (of, category), total in totals.items() if of == modality}
            cut = _cut_to(recipe.category_ratio, inside)
            totals = {**totals, **{(modality, category): total for category, total in cut.items()}}
    if recipe.modality_ratio is None:
        return totals
    sums = {name: math.fsum(total for cell, total in totals.items() if cell[0] == name) for name in modalities}
    asked = (modality for modality, number in recipe.modality_ratio.items() if number > 0)
    _all_there(recipe, "modality", asked, {modality for modality, total in sums.items() if total})
    cut = _cut_to(recipe.modality_ratio, sums)
    return {cell: total * cut[cell[0]] / sums[cell[0]] if total else 0.0 for cell, total in totals.items()}


def _all_there(recipe: Recipe, kind: str, asked: Iterable[str], there: Collection[str]) -> None:
    for name in asked:
        if name not in there:
            raise RecipeError(
                f"{recipe.name}: {kind}_ratio asks for {name!r}, but no such pair is left; take it out"
            )


def _cut_to(ratio: Mapping[str, float], totals: Mapping[str, float]) -> dict[str, float]:
    """`totals` with those that `ratio` names cut to it: the scarcest for its number stays whole."""
    named = [totals[name] / number for name, number in ratio.items() if number > 0 and name in totals]
    unit = min(named, default=0.0)
    return {name: unit * ratio[name] if name in ratio else total for name, total in totals.items()}


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
