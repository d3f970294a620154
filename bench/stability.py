"""How many rows move when data grows: `python -m bench.stability`.

Three sources of candidates with ids of their own, 90,000 pairs, go through the plan of several recipes; then again
with a fourth source, and again with 10 percent more rows in every source. Counted are old rows that left or came,
copies that changed, and old rows whose split changed, as shares of the mixture before. "must" is by how many the
old rows of each source became fewer or more: nothing that treats a source's rows alike could move less. No rule
runs here: what rules do to old rows is their own affair (docs/mixtures.md).

Those groups are never near each other. So the pairs of `mixtures/real.toml` (below PREFMILL_REAL_DATA) are grouped
as a curation does: first 90 percent of them, then all, the late tenth in the sources where it lies, or as a source
of its own that comes first or last. Counted are old rows whose group has another name, and whose split changed.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from bench._measure import keep
from filters import _apply
from mixtures._plan import plan
from mixtures._recipe import load_recipe
from mixtures._sample import uniform
from pairs.store import Store
from pipelines import steps
from rewards.train import TrainSettings

SIZES = {"first": 50_000, "second": 30_000, "third": 10_000}
LATE = 20_000
RECIPES = {
    "all that survive": "",
    "cap of 20,000 a source": "cap",
    "size 40,000": "size = 40_000",
    "size 40,000, temperature 0.5": "size = 40_000\ntemperature = 0.5",
    "size 120,000, max_copies 2": "size = 120_000\ntemperature = 0\nmax_copies = 2",
    "modality ratio 1 to 1": "modality_ratio = { text = 1, image = 1 }",
}
Rows = dict[tuple[str, str], tuple[int, str]]


def candidates(source: str, order: int, count: int) -> pl.DataFrame:
    """Pairs of one source; every fourth shows a picture, two pairs share a group."""
    names = [hashlib.blake2b(f"{source}{n}".encode(), digest_size=16).hexdigest() for n in range(count)]
    return pl.DataFrame(
        {
            "source": source, "source_order": order, "pair_id": names, "prompt_id": names, "chosen_id": names,
            "rejected_id": names, "group_id": [f"{source}{n // 2}" for n in range(count)],
            "modality": ["image" if n % 4 == 0 else "text" for n in range(count)], "criterion": "overall",
            "label_source": "human", "licence": "MIT", "role": "train",
        }
    )  # fmt: skip


def planned(options: str, sizes: dict[str, int]) -> Rows:
    """(source, pair_id) -> (copies in train, split) of the recipe with these sources."""
    cap = "cap = 20_000\n" if options == "cap" else ""
    head = "splits = { validation = 0.05, test = 0.1 }\n" + ("" if cap else options + "\n")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "stable.toml"
        file.write_text(head + "".join(f"[sources.{name}]\n{cap}" for name in sizes))
        recipe = load_recipe(file, rules={}, sources=list(sizes), train=TrainSettings)
    given = pl.concat([candidates(name, order, count) for order, (name, count) in enumerate(sizes.items())])
    rows = plan(recipe, given, []).rows.group_by("source", "pair_id").agg(pl.len(), pl.col("split").first())
    return {(source, pair): (copies, split) for source, pair, copies, split in rows.iter_rows()}


def moved(before: Rows, after: Rows, old: set[tuple[str, str]]) -> tuple[float, float, float, float]:
    """Shares of `before`: old rows that left or came, those that had to, copies changed, splits changed."""
    left, came = before.keys() - after.keys(), (after.keys() & old) - before.keys()
    must = 0
    for source in SIZES:
        numbers = [sum(key[0] == source for key in rows) for rows in (before, after)]
        new = sum(key[0] == source for key in after.keys() - old)
        must += abs(numbers[1] - new - numbers[0])
    both = before.keys() & after.keys()
    copies = sum(before[key][0] != after[key][0] for key in both)
    splits = sum(before[key][1] != after[key][1] for key in both)
    return tuple(number / len(before) for number in (len(left) + len(came), must, copies, splits))  # type: ignore[return-value]


def table() -> tuple[list[str], Sequence[float]]:
    """The table's lines, and the most that rows moved: without sampling, beyond what they must, between splits."""
    lines = [f"{'recipe':<32}{'what is new':<18}{'moved':>9}{'must':>9}{'copies':>9}{'split':>9}"]
    still, beyond, splits = 0.0, 0.0, 0.0
    old = {(name, pair) for name, count in SIZES.items() for pair in candidates(name, 0, count)["pair_id"]}
    for title, options in RECIPES.items():
        before = planned(options, SIZES)
        grown = {
            "a source": {**SIZES, "late": LATE},
            "10 percent more": {name: count * 11 // 10 for name, count in SIZES.items()},
        }
        for what, sizes in grown.items():
            share, must, copies, split = moved(before, planned(options, sizes), old)
            lines.append(f"{title:<32}{what:<18}{share:>9.4f}{must:>9.4f}{copies:>9.4f}{split:>9.4f}")
            still = max(still, share if not options else 0.0)
            beyond, splits = max(beyond, share - must), max(splits, split)
    return lines, (still, beyond, splits)


def splits_of(store: Store, rows: pl.LazyFrame, order: list[str]) -> dict[tuple[str, str], tuple[str, str]]:
    """(source, pair_id) -> (name of its group, split) of these pairs, their sources in this order."""
    media = store.scan("media", order)
    found = _apply.run_signal("groups", {"pairs": rows, "media": media, "order": order})
    groups = pl.DataFrame(found).with_columns(
        u=pl.Series(uniform(17, "split", found["group_id"].to_pylist()), dtype=pl.Float64)
    )
    split = pl.when(pl.col("u") < 0.05).then(pl.lit("validation")).when(pl.col("u") < 0.15).then(pl.lit("test"))
    named = groups.with_columns(split=split.otherwise(pl.lit("train")))
    joined = rows.select("source", "pair_id").collect().join(named, on="pair_id", how="left")
    return {(one, pair): (group, split) for one, pair, group, _, split in joined.iter_rows()}


def real_table() -> tuple[list[str], dict[str, float]]:
    """The lines of the real sources, and by where the late tenth lies the share of splits that change."""
    lines = [f"{'real sources, a late tenth':<50}{'rows':>9}{'renamed':>9}{'split':>9}"]
    changed = {}
    with tempfile.TemporaryDirectory() as folder:
        store, recipe = Store(folder), steps.load_recipe("mixtures/real.toml")
        for name in recipe.sources:
            steps.ingest(store, recipe, name)
        names = list(recipe.sources)
        rows, old = store.scan("pairs", names), pl.col("pair_id").map_batches(_old, pl.Boolean)
        apart = rows.with_columns(source=pl.when(old).then("source").otherwise(pl.lit("late")))
        before = splits_of(store, rows.filter(old), names)
        cases = {
            "in its sources": (rows, names),
            "first": (apart, ["late", *names]),
            "last": (apart, [*names, "late"]),
        }
        for where, (all_rows, order) in cases.items():
            after = splits_of(store, all_rows, order)
            shares = [sum(one[at] != after[key][at] for key, one in before.items()) / len(before) for at in (0, 1)]
            changed[where] = shares[1]
            lines.append(f"{where:<50}{len(before):>9}{shares[0]:>9.5f}{shares[1]:>9.5f}")
    return lines, changed


def _old(ids: pl.Series) -> pl.Series:
    return pl.Series(uniform(5, "old", ids) < 0.9)


if __name__ == "__main__":
    os.environ.setdefault("PREFMILL_REAL_DATA", str(Path(__file__).parents[2] / "shared" / "data"))
    lines, (still, beyond, splits) = table()
    real, changed = real_table()
    lines += ["", *real]
    shares = f"moved_without_sampling={still:.4f} moved_beyond_need={beyond:.4f} moved_between_splits={splits:.4f}"
    shares += f" real_last_source={changed['last']:.5f} real_more_rows={changed['in its sources']:.5f}"
    keep("stability", [*lines, f"RESULT {shares}"])
