"""`prefmill diff`: two published versions compared by what they hold, with the rule that made each difference."""

from __future__ import annotations

from itertools import combinations

import polars as pl
import pytest
from mixtures_made import decisions, put, recipe_of, row, small_store, text_rows, write
from typer.testing import CliRunner

from mixtures import _diff
from mixtures._diff import SCHEMA, diff
from pairs.errors import PrefmillError
from pairs.ids import pair_id
from pairs.schema import Pair
from pipelines.cli import app
from pipelines.diff import version

OLD = "splits = { test = 0.3 }\n[sources.talk]\n[sources.look]\n"
NEW = "splits = { test = 0.3 }\n[sources.talk]\n[sources.late]\n"


def only(names, action, reason, value=None):
    return lambda left: decisions(left.filter(pl.col("pair_id").is_in(names)), action, reason, value)


@pytest.fixture
def two(tmp_path):
    """Version 1 of sources talk and look; then of talk, with other decisions and rows, and late."""
    store = small_store(tmp_path / "store", texts=40, images=5)
    ids = store.scan("pairs", ["talk"]).collect().sort("pair_id")
    names = ids["pair_id"].to_list()
    put(
        store, recipe_of(tmp_path, OLD),
        ("one", only(names[0:3], "drop", "twin")),
        ("two", only(names[3:5], "flip", "disagrees")),
        ("three", only(names[5:6], "weight", "long", 0.5)),
    )  # fmt: skip
    write(store, "late", text_rows("late", 7))
    put(
        store, recipe_of(tmp_path, NEW),
        ("one", only(names[8:9], "drop", "alike")),
        ("two", only(names[4:7], "flip", "disagrees")),
        ("three", only(names[7:8], "weight", "long", 0.25)),
        ("four", only([names[3], names[10]], "drop", "sick")),
    )  # fmt: skip
    return store, ids


def swapped(rows, place):
    row = rows.row(place, named=True)
    return pair_id(row["prompt_id"], row["rejected_id"], row["chosen_id"], row["criterion"])


def by_change(found):
    told = {}
    for (change, source, rule, reason), number in found.counts.items():
        told[change, source, rule, reason] = number
    return told


def test_every_change_is_counted_by_source_and_by_the_rule_that_made_it(two):
    store, _ = two
    old, new = version(store, "mix@1"), version(store, "mix")
    found = diff(old.folder, new.folder)
    assert by_change(found) == {
        ("came", "talk", "one", "twin"): 3,
        ("came", "late", "sources", "source_added"): 7,
        ("went", "look", "sources", "source_removed"): 5,
        ("went", "talk", "one", "alike"): 1,
        ("went", "talk", "four", "sick"): 2,  # one of them was published flipped
        ("flipped", "talk", "two", "disagrees"): 2,
        ("weight", "talk", "three", "long"): 2,
    }
    assert found.pairs == (42, 44)
    assert found.same == 44 - 10 - 4 + 1  # the flipped, the weighted; one pair is both
    assert not found.without_ledger


def test_the_other_way_round_what_came_went_and_flips_are_undone(two):
    store, ids = two
    old, new = version(store, "mix@1"), version(store, "mix@2")
    there, back = diff(old.folder, new.folder), diff(new.folder, old.folder)
    turn = {"came": "went", "went": "came"}
    for (change, source, rule, reason), number in there.counts.items():
        reason = {"source_added": "source_removed", "source_removed": "source_added"}.get(reason, reason)
        assert back.counts[turn.get(change, change), source, rule, reason] == number
    assert back.examples["flipped"] == sorted(ids["pair_id"][5:7])
    assert there.examples["flipped"] == sorted(swapped(ids, place) for place in (5, 6))


def test_parts_and_the_file_hold_what_the_whole_holds(two, tmp_path, monkeypatch):
    store, ids = two
    old, new = (version(store, name).folder for name in ("mix@1", "mix@2"))
    whole = diff(old, new, tmp_path / "whole.parquet")
    monkeypatch.setattr(_diff, "PART_ROWS", 20)
    parts = diff(old, new, tmp_path / "parts.parquet")
    assert parts == whole
    frames = [pl.read_parquet(tmp_path / f"{name}.parquet") for name in ("whole", "parts")]
    assert frames[0].columns == SCHEMA.names
    assert frames[0].equals(frames[1].sort("source", "pair_id", "change"))
    assert sum(whole.counts.values()) == frames[0].height
    weights = frames[0].filter(pl.col("change") == "weight").sort("before")
    assert set(weights.select("before", "after").iter_rows()) == {("0.5", None), (None, "0.25")}
    went = frames[0].filter((pl.col("change") == "went") & (pl.col("reason") == "sick"))
    assert set(went["pair_id"]) == {swapped(ids, 3), ids["pair_id"][10]}


def test_rows_that_came_to_or_left_a_source_and_moved_splits(tmp_path):
    store = small_store(tmp_path / "store", texts=30)
    put(store, recipe_of(tmp_path, "[sources.talk]"))
    write(store, "talk", text_rows("talk", 30, first=3))
    put(store, recipe_of(tmp_path, "size = 60\nsplits = { test = 0.4 }\n[sources.talk]"))
    found = diff(*(version(store, f"mix@{number}").folder for number in (1, 2)))
    told = by_change(found)
    assert told["came", "talk", "sources", "row_added"] == told["went", "talk", "sources", "row_removed"] == 3
    moved, copied = told["split", "talk", "splits", "shares_or_groups"], told["copies", "talk", "sample", "target"]
    assert moved > 3
    assert moved + copied == 27
    assert found.same == 0


def test_a_pair_and_its_opposite_in_one_source_are_no_flip(tmp_path):
    store = small_store(tmp_path / "store", texts=5)
    pair = Pair(prompt="Which?", chosen="This.", rejected="That.")
    both = [row("talk", 90, pair), row("talk", 91, Pair(prompt="Which?", chosen="That.", rejected="This."))]
    for number, rows in enumerate((both, both[:1], both[1:]), 1):
        write(store, "talk", [*text_rows("talk", 5), *rows])
        assert put(store, recipe_of(tmp_path, "[sources.talk]")).version == number
    folders = [version(store, f"mix@{number}").folder for number in (1, 2, 3)]
    kinds = [sorted(key[0] for key in diff(*both).counts) for both in combinations(folders, 2)]
    assert kinds == [["went"], ["went"], ["flipped"]]


def test_versions_go_by_number_hash_or_mixture_and_what_does_not_fit_is_one_line(two, monkeypatch, tmp_path):
    store, _ = two
    newest = version(store, "mix")
    digits = newest.folder.name
    assert version(store, "mix@2") == version(store, digits) == version(store, f"mix@{digits[:6]}") == newest
    monkeypatch.setenv("PREFMILL_STORE", str(store.root))
    for name, says in (("mixx", "mixx is no published version"), ("mix@9", "mix@9 is no published version"),
                       ("max@1", "max@1: no mixture 'max' is published in")):  # fmt: skip
        with pytest.raises(PrefmillError, match=says):
            version(store, name)
        done = CliRunner().invoke(app, ["diff", name, "mix"])
        assert (done.exit_code, done.output.count("\n")) == (1, 1)
        assert done.output.rstrip().endswith("(published: mix)")
    done = CliRunner().invoke(app, ["diff", "mix@1", "mix", "--parquet", str(tmp_path / "out.parquet")])
    assert done.exit_code == 0
    assert pl.read_parquet(tmp_path / "out.parquet").height == 22
    for line in (f"mix@{digits} ", "\ncame  ", "7   sources: source_added", "2   four: sick", "\n  e.g. "):
        assert line in done.output


def test_a_version_without_its_ledger_is_compared_all_the_same(two):
    store, _ = two
    old, new = (version(store, name).folder for name in ("mix@1", "mix@2"))
    (old / "ledger.parquet").unlink()
    found = diff(old, new)
    assert found.without_ledger
    assert found.counts["came", "talk", "", ""] == 3
