"""Trials: parts never share a group, held-out sets never train, the search finds what was planted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from mixtures._recipe import SearchRecipe
from pairs.errors import PrefmillError
from pipelines.search import Ground, search
from pipelines.trials import Pool, cut, mixed
from rewards.heads import FrozenPairs, HeadsSettings, standardised

WIDTH = 8


def made(sizes, held=("bench",), turned=(), noise=("noise",), seed=1):
    """A pool: the better completion has the higher first feature, by groups of three pairs; the labels of `turned`
    say the opposite, those of `noise` nothing."""
    chance = np.random.default_rng(seed)
    source = np.repeat(list(sizes), list(sizes.values()))
    count = len(source)
    states = chance.normal(size=(2 * count, WIDTH)).astype(np.float32)
    first, second = np.arange(count), np.arange(count) + count
    better = states[first, 0] > states[second, 0]
    better ^= np.isin(source, turned)
    better = np.where(np.isin(source, noise), chance.random(count) < 0.5, better)
    table = pl.DataFrame(
        {
            "source": source, "pair_id": [f"p{n}" for n in range(count)],
            "group_id": [f"g{n // 3}" for n in range(count)], "held_out": np.isin(source, held),
        }
    ).with_columns(soft_label=pl.lit(None, pl.Float64), weight=pl.lit(None, pl.Float64))  # fmt: skip
    sides = np.where(better, first, second), np.where(better, second, first)
    return Pool(table, FrozenPairs(standardised(states), *sides))


@pytest.fixture(scope="module")
def pool():
    return made({"good": 600, "fair": 300, "noise": 300, "turned": 600, "bench": 600}, turned=("turned",))


def test_no_group_is_in_two_parts_and_no_held_out_pair_trains(pool):
    table = pool.table.with_columns(
        # groups that straddle a held-out source and one that trains
        group_id=pl.when(pl.int_range(pl.len()) % 7 == 0).then(pl.lit("shared")).otherwise("group_id")
    )
    parts = cut(Pool(table, pool.pairs), seed=3)
    train = np.concatenate(list(parts.train.values()))
    groups = [
        set(table["group_id"].to_numpy()[part]) for part in (train, parts.stop, parts.measure, parts.confirm)
    ]
    for one in range(4):
        assert groups[one]
        for other in range(one):
            assert not groups[one] & groups[other]
    assert "bench" not in parts.train
    assert not table["held_out"].to_numpy()[np.concatenate([train, parts.stop])].any()
    held = set(table.filter("held_out")["group_id"])
    assert "shared" in held
    assert not held & set(table["group_id"].to_numpy()[train])


def test_a_source_whose_prompts_are_all_held_out_is_named(pool):
    table = pool.table.with_columns(
        group_id=pl.when(pl.col("source").is_in(["fair", "bench"])).then(pl.lit("g")).otherwise("group_id")
    )
    with pytest.raises(PrefmillError, match="source fair: none of its 300 pairs is left to train on"):
        cut(Pool(table, pool.pairs), seed=3)


def test_a_mixture_has_its_proportions_and_repeats_evenly(pool):
    parts = cut(pool, seed=3)
    assert list(parts.train) == ["fair", "good", "noise", "turned"]
    rows = mixed(pool, parts, [0.5, 0.25, 0.25, 0.0], 1200, seed=1).rows
    source = pool.table["source"].to_numpy()[rows]
    assert {name: int((source == name).sum()) for name in parts.train} == {
        "fair": 600, "good": 300, "noise": 300, "turned": 0,
    }  # fmt: skip
    copies = np.unique(rows[source == "fair"], return_counts=True)[1]
    assert copies.max() - copies.min() <= 1


def test_the_search_finds_the_turned_source_and_gains_on_what_it_never_saw(pool):
    settings = SearchRecipe(trials=40, seeds=2, trial_pairs=600)
    found = search(pool, settings, 17, HeadsSettings(epochs=6, batch_size=64))
    weight = dict(zip(found.sources, found.proposal, strict=True))
    assert weight["turned"] < 0.25 / 4
    assert found.trusted == ["bench"]
    gain, low, high = found.confirmed["uniform"]
    assert 0 < low < gain < high
    assert found.accuracy["proposal"] - found.accuracy["uniform"] == pytest.approx(gain)
    table = dict(zip(found.tried, found.accuracies, strict=True))
    bench = found.sets.index("bench")
    assert table["only turned"][bench] < 0.3 < 0.8 < table["only good"][bench]


def test_a_proposal_keeps_no_source_whose_leaving_is_measured_to_cost_nothing(pool):
    ground = Ground(pool, SearchRecipe(seeds=2, trial_pairs=600), 17, HeadsSettings(epochs=6, batch_size=64))
    assert ground.sources == ["fair", "good", "noise", "turned"]
    left = ground._earned(np.array([0.0, 0.4, 0.3, 0.3]))
    assert left[1] > 0.5
    assert left[3] == 0
    assert left.sum() == pytest.approx(1)


def test_what_cannot_be_searched_is_said(pool):
    only = Pool(pool.table.with_columns(held_out=pl.lit(False)), pool.pairs)
    with pytest.raises(PrefmillError, match="needs sets that decide"):
        search(only, SearchRecipe(), 17)
    places = np.flatnonzero(pool.table["source"].is_in(["good", "bench"]))
    pairs = replace(pool.pairs, chosen=pool.pairs.chosen[places], rejected=pool.pairs.rejected[places])
    with pytest.raises(PrefmillError, match="only good can train"):
        search(Pool(pool.table[places], pairs), SearchRecipe(), 17)
