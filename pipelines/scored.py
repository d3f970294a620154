"""What the seed models have scored for a mixture, and what they could not."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from mixtures._recipe import Recipe
from pairs.store import Store
from pipelines import notes
from rewards import trained_on
from rewards.score import Scored

_BY = {"model": pl.String, "source": pl.String, "reason": pl.String}


def write(store: Store, recipe: Recipe, done: Sequence[tuple[Scored, str | None]]) -> None:
    """Keep which models have scored the recipe's pairs, how many of their completions, and what taught them: each
    comes with the folder or name of its weights, if any."""
    rewards = {books.model: books.cached + books.scored for books, _ in done}
    taught = {books.model: origin for books, origin in done if origin and trained_on.tells(origin)}
    facts = {"models": [books.model for books, _ in done], "rewards": rewards, "taught": taught}
    notes.write(store, "scored", recipe.name, facts)


def models(store: Store, recipe: Recipe) -> list[str]:
    """The models that have scored the recipe's pairs, in its order."""
    return list(notes.read(store, "scored", recipe.name).get("models", []))


def taught(store: Store, recipe: Recipe) -> dict[str, str]:
    """The folders of those of the models that say what they were trained on."""
    return dict(notes.read(store, "scored", recipe.name).get("taught", {}))


def key(store: Store, recipe: Recipe) -> list[str]:
    """What a signal that reads rewards depends on; with their numbers, since a server that takes longer prompts
    than before adds rewards under the same name."""
    counts = notes.read(store, "scored", recipe.name).get("rewards", {})
    known = taught(store, recipe)
    return [f"{model} {counts.get(model)} {model in known}" for model in models(store, recipe)]


def unscored(pairs: pl.LazyFrame, done: Sequence[Scored]) -> pl.DataFrame:
    """What models could not judge of the completions of `pairs`: `model, source, reason, completions`, sorted. A
    completion of two sources counts in both."""
    sides = [pairs.select("source", completion_id=side) for side in ("chosen_id", "rejected_id")]
    left = [books.left.lazy().with_columns(pl.lit(books.model).alias("model")) for books in done if books.unscored]
    if not left:
        return pl.DataFrame(schema={**_BY, "completions": pl.UInt32})
    found = pl.concat(left).join(pl.concat(sides).unique(), on="completion_id")
    return found.group_by(list(_BY)).agg(completions=pl.len()).sort(list(_BY)).collect()
