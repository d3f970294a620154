"""How far each seed model is believed in each source and modality: by verified labels where a recipe has some."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from filters import _trust
from filters._votes import TAUGHT, UNSEEN
from mixtures._recipe import Recipe
from pairs.errors import RecipeError, shown
from pairs.store import Store
from pipelines import scored
from rewards import trained_on

_READERS = {".csv": pl.scan_csv, ".jsonl": pl.scan_ndjson, ".parquet": pl.scan_parquet}
_CELL = ["model", "source", "modality"]
_IDS = ("prompt_id", "chosen_id", "rejected_id")


def key(recipe: Recipe) -> list[str]:
    """What a signal that reads rewards depends on beyond the rewards: the limit, and the verified labels."""
    given = recipe.rewards
    if given.min_trust is None:
        return []
    if given.gold is None:
        return [f"min_trust {given.min_trust}"]
    # What a source holds is in its own facts.
    held = "" if given.gold in recipe.sources else hashlib.sha256(_file(recipe).read_bytes()).hexdigest()
    return [f"min_trust {given.min_trust}", f"gold {given.gold} {held}"]


def gold(store: Store, recipe: Recipe, pairs: pl.LazyFrame) -> pl.LazyFrame | None:
    """`prompt_id, chosen_id, rejected_id` of the verified pairs, the better completion as the chosen one: all of
    the source that the recipe names as gold, or those of `pairs` that are in its gold file. None without either.

    Raises `RecipeError` for a file that cannot be read so, or that names none of `pairs`.
    """
    named = recipe.rewards.gold
    if named is None:
        return None
    if named in recipe.sources:
        return store.scan("pairs", [named]).select(_IDS)
    labels = _labels(recipe)
    found = pairs.join(labels.lazy(), on="pair_id").select(*_IDS, "right").unique()
    if found.select(pl.len()).collect().item() == 0:
        raise RecipeError(
            f"{recipe.name}: rewards.gold {named}: none of its {labels.height:,} pair ids is among the recipe's "
            "pairs; take ids from the table pairs (`prefmill explain` shows them)"
        )
    sides = {
        "chosen_id": pl.when("right").then("chosen_id").otherwise("rejected_id"),
        "rejected_id": pl.when("right").then("rejected_id").otherwise("chosen_id"),
    }
    return found.select("prompt_id", **sides)


def unverified(pairs: pl.LazyFrame, verified: pl.LazyFrame | None) -> pl.LazyFrame:
    """The pairs of prompts that no gold pair has: gold measures a model only as long as it did not teach it."""
    return pairs if verified is None else pairs.join(verified.select("prompt_id"), on="prompt_id", how="anti")


def measured(store: Store, recipe: Recipe, pairs: pl.LazyFrame, models: Iterable[str]) -> pl.DataFrame:
    """`filters._trust.trust` of models on the recipe's pairs; of one that says what it was trained on, on pairs of
    other prompts alone (`unseen labels`), and on `nothing` where there are none."""
    names, taught = list(models), scored.taught(store, recipe)
    crossed = [name for name in names if name.startswith(UNSEEN)]
    # Training dynamics learn the labels; the embedded model that is cross-fitted beside them does not.
    learned = {name: (crossed or [""])[0] for name in names if name.startswith(TAUGHT)}
    verified = gold(store, recipe, pairs)
    others = store.scan("rewards", [name for name in names if name not in taught])
    found = [_trust.trust(pairs, others, verified, learned)]
    for name in names:
        if name in taught:
            rewards, rest = store.scan("rewards", [name]), trained_on.unlearned(pairs, taught[name])
            unseen = _trust.trust(rest, rewards, verified, {})
            found.append(unseen.with_columns(pl.col("measured_on").replace("labels", "unseen labels")))
            seen = _trust.trust(pairs, rewards, None, {}).join(unseen, on=_CELL, how="anti")
            unknown = {name: pl.lit(None, pl.Float64) for name in ("agreement", "low", "high")}
            found.append(
                seen.with_columns(pl.lit("nothing").alias("measured_on"), pairs=pl.lit(0, pl.Int64), **unknown)
            )
    return pl.concat(found).sort(_CELL)


def _file(recipe: Recipe) -> Path:
    file = Path(str(recipe.rewards.gold))
    if not file.is_file():
        raise RecipeError(
            f"{recipe.name}: rewards.gold is {shown(recipe.rewards.gold)}, expected a source of this recipe or a "
            "file of pair ids"
        )
    return file


def _labels(recipe: Recipe) -> pl.DataFrame:
    """`pair_id, right` of the gold file: whether the label is right as the source has it."""
    file = _file(recipe)
    where = f"{recipe.name}: rewards.gold {file}"
    if file.suffix not in _READERS:
        raise RecipeError(f"{where}: expected a name that ends with {', '.join(sorted(_READERS))}")
    try:
        rows = _READERS[file.suffix](file).collect()  # type: ignore[operator]
    except (pl.exceptions.PolarsError, OSError) as error:
        raise RecipeError(f"{where}: cannot be read: {shown(str(error), 200)}") from None
    wanted = {"pair_id": pl.String, "right": pl.Boolean}
    seen = {name: rows.schema.get(name) for name in wanted}
    if seen != wanted or rows.select(list(wanted)).null_count().sum_horizontal().item():
        raise RecipeError(
            f"{where}: expected pair_id (text) and right (true or false), none empty; seen {rows.schema}"
        )
    labels = rows.select(list(wanted)).unique()
    doubled = labels.filter(pl.col("pair_id").is_duplicated()).sort("pair_id")
    if doubled.height:
        raise RecipeError(f"{where}: pair {doubled['pair_id'][0]} is both right and wrong; keep one line")
    return labels
