"""`prefmill explain`: the life of a pair, kept or dropped, under any id that leads to it."""

from __future__ import annotations

import json

import polars as pl
import pyarrow as pa
import pytest
from mixtures_made import candidates, decisions, groups, recipe_of, row, small_store, text_rows, write
from typer.testing import CliRunner

from mixtures._commit import newest
from mixtures._plan import plan
from mixtures._publish import publish
from pairs.errors import PrefmillError
from pairs.ids import pair_id
from pairs.schema import Pair
from pairs.tables import BAD_ROWS, REWARDS
from pipelines import steps
from pipelines.cli import app
from pipelines.explain import text
from pipelines.life import life

RULES = "splits = { test = 0.3 }\n[sources.talk]\n[sources.late]\n[sources.look]\n"


def curated(store, recipe, *rules):
    """Signals, plan, ledger and a published version, as the job `curate` leaves them."""
    steps.signal(store, recipe, "groups")
    steps.signal(store, recipe, "duplicates")
    made = plan(recipe, candidates(store, recipe), list(rules))
    steps._write(store, "ledger", recipe, made.ledger, {})
    steps._write(store, "plans", recipe, made.rows, {"counts": json.dumps(steps._counts(made))})
    return publish(store, recipe.name, recipe, made, groups=groups(store), facts={})


def same(left):
    """A rule that drops what an earlier source holds already."""
    twins = left.filter(pl.col("pair_id").is_duplicated() & (pl.col("source") == "late"))
    return decisions(twins, "drop", "exact_duplicate").with_columns(by="pair_id")


@pytest.fixture
def held(tmp_path):
    """Source `late` holds the first two pairs of `talk` again; of `talk` one pair is flipped, one weighted."""
    store = small_store(tmp_path / "store", texts=9, images=4)
    rows = store.scan("pairs", ["talk"]).sort("source_row").collect()
    again = [{**one, "source": "late", "source_row": f"b.csv:{n}"} for n, one in enumerate(rows[:2].to_dicts())]
    write(store, "late", again)
    ids = rows["pair_id"].to_list()
    rewards = [
        ("m1", rows["chosen_id"][0], 1.5),
        ("m1", rows["rejected_id"][0], -1.0),
        ("m2", rows["chosen_id"][0], 2.0),
    ]
    for model in ("m1", "m2"):
        of_model = [dict(zip(REWARDS.names, one, strict=True)) for one in rewards if one[0] == model]
        store.replace("rewards", model, pa.Table.from_pylist(of_model, schema=REWARDS), {})
    curated(
        store,
        recipe_of(tmp_path, RULES),
        ("same", same),
        ("judged", lambda left: decisions(left.filter(pl.col("pair_id") == ids[3]), "flip", "disagrees", 0.2)),
        ("lengths", lambda left: decisions(left.filter(pl.col("pair_id") == ids[4]), "weight", "longer", 0.5)),
    )
    return store, rows


def actions(told):
    return {rule["rule"]: rule["action"] for rule in told["rules"]}


def test_a_pair_of_two_sources_is_told_for_each_with_the_pair_that_stays(held):
    store, rows = held
    told = life(store, rows["pair_id"][0])
    assert [(one["source"], one["source_row"]) for one in told["sources"]] == [
        ("late", "b.csv:0"),
        ("talk", "a.jsonl:0"),
    ]
    assert told["rewards"] == [
        {"model": "m1", "chosen": 1.5, "rejected": -1.0, "margin": 2.5},
        {"model": "m2", "chosen": 2.0, "rejected": None, "margin": None},
    ]
    (mixture,) = told["mixtures"]
    assert mixture["signals"]["duplicates"]["cluster_size"] == 2
    assert mixture["signals"]["groups"]["group_id"]
    late, talk = mixture["sources"]
    assert actions(late) == {
        "role": "kept", "licences": "kept", "same": "drop", "judged": "not reached", "lengths": "not reached",
        "sample": "not reached",
    }  # fmt: skip
    dropped = next(rule for rule in late["rules"] if rule["rule"] == "same")
    assert (dropped["reason"], dropped["by_sources"]) == ("exact_duplicate", ["late", "talk"])
    assert (late["rows"], late["published"]) == ([], None)
    assert set(actions(talk).values()) == {"kept"}
    assert talk["published"]["version"] == 1
    assert talk["published"]["files"][0].startswith(talk["rows"][0]["split"])


def test_a_flipped_pair_is_found_under_both_of_its_ids(held):
    store, rows = held
    row = rows.row(3, named=True)
    after = pair_id(row["prompt_id"], row["rejected_id"], row["chosen_id"], row["criterion"])
    told = life(store, after)
    assert told == life(store, row["pair_id"])
    assert told["pair_id"] == row["pair_id"]
    (of_source,) = told["mixtures"][0]["sources"]
    assert actions(of_source)["judged"] == "flip"
    assert of_source["rows"][0]["flipped"]
    assert of_source["published"]["pair_id"] == after


def test_the_text_says_what_happened_in_words(held):
    store, rows = held
    said = text(life(store, rows["pair_id"][4]))
    for line in (
        "Question 4 of talk?",
        "chosen    A full answer, 4.",
        "native row  a.jsonl:4 of split train, revision r1",
        "lengths               weight: longer (0.5)",
        "weight 0.5; published in version 1 as",
    ):
        assert line in said, line
    said = text(life(store, rows["pair_id"][1]))
    assert f"drop: exact_duplicate, for pair {rows['pair_id'][1]} of late, talk" in said
    assert "not in the mixture" in said


def test_pictures_are_told_by_their_sizes(held):
    store, _ = held
    shown = store.scan("pairs", ["look"]).sort("pair_id").collect().row(0, named=True)
    said = text(life(store, shown["pair_id"]))
    assert all(f"{media_id}: " in said for media_id in shown["media_ids"])
    assert "of 32 x 24 pixels" in said


def test_the_first_digits_are_enough_where_they_fit_one_pair(held):
    store, rows = held
    assert life(store, rows["pair_id"][5][:9].upper())["pair_id"] == rows["pair_id"][5]
    every = sorted(store.scan("pairs").select("pair_id").unique().collect()["pair_id"])
    digit = next(one[0] for one in every if sum(other[0] == one[0] for other in every) > 1)
    fits = [one for one in every if one[0] == digit]
    with pytest.raises(
        PrefmillError, match=f"^{len(fits)} pairs have an id that begins with {digit}: {fits[0]}, "
    ):
        life(store, digit)


def test_a_pair_that_no_mixture_names_is_told_too(held, tmp_path):
    store, _ = held
    write(store, "drawn", text_rows("drawn", 1))
    told = life(store, store.scan("pairs", ["drawn"]).collect()["pair_id"][0])
    assert [mixture["sources"] for mixture in told["mixtures"]] == [[]]
    assert "mixture mix: does not name a source of this pair" in text(told)


def test_long_and_hostile_texts_are_cut_and_made_harmless(tmp_path):
    store = small_store(tmp_path / "store", texts=1, images=1)
    loud = row("talk", 0, Pair(prompt="\x1b[31mred\u202e", chosen="long " * 2000, rejected="No."))
    write(store, "talk", [loud])
    said = text(life(store, loud["pair_id"]))
    assert not set(said) & set("\x1b\u202e")
    assert "… (8,499 more characters; --json has them)" in said
    assert "no mixture has been planned yet" in said


def test_a_pair_that_only_published_versions_hold_is_told_from_them(held, tmp_path):
    store, rows = held
    first = newest(store.path("published", "mix"))[1]
    write(store, "talk", text_rows("talk", 3))
    write(store, "late", text_rows("late", 1))
    second = curated(store, recipe_of(tmp_path, RULES))
    told = life(store, rows["pair_id"][4][:12])
    assert told["pair_id"] == rows["pair_id"][4]
    assert told["texts"]["chosen"][0]["content"] == "A full answer, 4."
    (version,) = told["versions"]
    assert (version["mixture"], version["version"], version["folder"]) == ("mix", 1, str(first))
    assert [(one["source"], one["source_row"], one["copies"]) for one in version["rows"]] == [
        ("talk", "a.jsonl:4", 1)
    ]
    assert [(line["rule"], line["action"], line["value"]) for line in version["rules"]] == [
        ("lengths", "weight", 0.5)
    ]
    said = text(told)
    for line in (
        f"pair {rows['pair_id'][4]}\n  no longer in the store",
        "  prompt    [user] Question 4 of talk?",
        f"mixture mix, version 1 ({first})",
        "source talk, native row a.jsonl:4 of split train, revision r1",
        "lengths               weight: longer (0.5), as a pair of talk",
        f"published as {rows['pair_id'][4]}",
    ):
        assert line in said, line
    third = rows.row(3, named=True)
    after = pair_id(third["prompt_id"], third["rejected_id"], third["chosen_id"], third["criterion"])
    turned = life(store, after)
    assert turned == life(store, third["pair_id"])
    assert turned["versions"][0]["rows"][0]["pair_id"] == after
    assert second.version == 2


def test_a_pair_that_was_dropped_before_it_went_is_known_from_its_ledger(held, tmp_path):
    store, rows = held
    drop = ("late", lambda left: decisions(left.filter(pl.col("pair_id") == rows["pair_id"][8]), "drop", "sick"))
    curated(store, recipe_of(tmp_path, RULES), drop)
    write(store, "talk", text_rows("talk", 3))
    told = life(store, rows["pair_id"][8])
    assert [(one["version"], len(one["rows"]), len(one["rules"])) for one in told["versions"]] == [
        (2, 0, 1),
        (1, 1, 0),
    ]
    assert told["texts"]["prompt"][0]["content"] == "Question 8 of talk?"
    said = text(told)
    assert (
        said.index("version 2")
        < said.index("drop: sick, as a pair of talk\n  not in the mixture")
        < said.index("1 (")
    )
    with pytest.raises(
        PrefmillError, match=r"no pair in .*, nor in what is published there, has an id that begins"
    ):
        life(store, rows["pair_id"][8], "other")


def test_a_native_row_is_told_by_its_pairs_or_by_why_it_gave_none(held, monkeypatch):
    store, rows = held
    asides = [
        {"source": "talk", "source_split": "train", "source_row": row, "kind": kind, "reason": reason,
         "detail": "d", "whole_row": whole}
        for row, kind, reason, whole in (("a.jsonl:70", "broken", "no_chosen", True),
                                         ("a.jsonl:2", "set_aside", "tie", False))
    ]  # fmt: skip
    store.replace("bad_rows", "talk", pa.Table.from_pylist(asides, schema=BAD_ROWS), {})
    monkeypatch.setenv("PREFMILL_STORE", str(store.root))

    def run(*words):
        done = CliRunner().invoke(app, ["explain", *words])
        return done.exit_code, done.output

    assert run("talk", "a.jsonl:70") == (
        0, "row a.jsonl:70 of talk, split train\n  broken, the whole row: no_chosen: d\n"
    )  # fmt: skip
    assert run("talk", "a.jsonl:2")[1] == (
        f"row a.jsonl:2 of talk, split train\n  pair {rows['pair_id'][2]}  text, overall: Question 2 of talk?\n"
        "  set aside, part of it: tie: d\n"
    )
    (split,) = json.loads(run("talk", "a.jsonl:1", "--json")[1])["splits"]
    assert ([one["pair_id"] for one in split["pairs"]], split["aside"]) == ([rows["pair_id"][1]], [])
    code, said = run("talk", "a.jsonl:99")
    assert (code, said.count("\n")) == (1, 1)
    assert "has no row 'a.jsonl:99' of source 'talk'; its rows are named like 'a.jsonl:" in said
    assert "of source 'tall'; it holds the sources: late, look, talk" in run("tall", "a.jsonl:9")[1]


def test_the_command_prints_text_or_json_and_one_line_for_what_goes_wrong(held, monkeypatch):
    store, rows = held
    monkeypatch.setenv("PREFMILL_STORE", str(store.root))

    def run(*words):
        done = CliRunner().invoke(app, ["explain", *words])
        return done.exit_code, done.output

    whole = rows["pair_id"][0]
    assert json.loads(run(whole, "--json")[1])["pair_id"] == whole
    assert run(whole, "--mixture", "mix")[1].startswith(f"pair {whole}\n")
    for words, message in (
        (("0" * 32,), "error: no pair in "),
        (("no id",), "error: 'no id' is no pair id; expected 32 hex digits"),
        ((whole, "--mixture", "mx"), "error: mixture 'mx' has no plan in "),
    ):
        code, said = run(*words)
        assert (code, said.count("\n")) == (1, 1), said
        assert said.startswith(message)
