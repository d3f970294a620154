"""Ids and canonical forms of `pairs.schema`."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairs.errors import BadRow, SetAside
from pairs.ids import prompt_id
from pairs.schema import Pair, canonical_pair, canonical_values
from pairs.tables import PAIRS
from pairs.values import canonical_text, finite


def canonical(pair, media=(), chosen_media=(), rejected_media=()):
    return canonical_pair(pair, media_ids=media, chosen_media_ids=chosen_media, rejected_media_ids=rejected_media)


TALK = [
    {"role": "system", "content": "Sei höflich."},
    {"role": "user", "content": "Café\r\nou thé ?  "},
    {"role": "assistant", "content": "Thé."},
    {"role": "user", "content": "Et 茶?"},
]
YES = [{"role": "assistant", "content": "Oui 👍"}]


@pytest.mark.parametrize(
    ("pair", "media", "ids"),
    [
        (
            Pair("How do I bake bread?", "Mix, rest, bake.", "Buy it."), ([], [], []),
            "ba295bbf151965b077c1c41334a7354e 9272169137abd626de0d280f3f0dcb7b "
            "7531235ca9668dcc4c7c5c170f19f31b 180e1bc22710e8868d23090a2c334762",
        ),
        (
            Pair(TALK, YES, "Non", criterion="helpfulness"), ([], [], []),
            "2089e8aefbe3d2d6d81f2a2ee63a8ae1 d3c5d4c527b57cc03c0c0c36e14da465 "
            "43b126a3af6d482a4b7462a68ae0c918 f0dffc81ef66c13f315e758d9b34524f",
        ),
        (
            Pair("What is shown?", "A boat.", "A house.", criterion="faithfulness"), (["m1", "m2"], [], []),
            "6798df515c1874fee0dbe3f4f9e54bca fd494e54f7c4f049fb1ce749058b42cd "
            "cc3801a467e9eb590b7f8b853268b4ea 56901d37f9269a6fe7d7a46dd5a5edf6",
        ),
        (
            Pair("Draw a boat", "", ""), ([], ["m3"], ["m4"]),
            "822580f53a42940c0bb1ec9d8b39b691 e5e180bd0ed31ec4730bd0d9162c15f2 "
            "b9036729a70493b7695a63857ccfde62 061e4044f6545c94d50317d7eedb06d8",
        ),
    ],
)  # fmt: skip
def test_ids_of_known_pairs_stay_what_they_were(pair, media, ids):
    known = {}
    for _ in range(2):
        assert list(canonical_values(pair, *media, known)[:4]) == ids.split()
    record = canonical(pair, *media)
    assert [record[f"{name}_id"] for name in ("pair", "prompt", "chosen", "rejected")] == ids.split()


def test_pairs_of_one_row_share_what_was_hashed_and_nothing_else():
    texts = ["a", "b", "c "]
    pairs = [Pair(p, c, r, criterion=k) for p in texts for c in texts for r in texts if c != r for k in "xy"]
    known = {}
    for pair in pairs:
        assert canonical_values(pair, [], [], [], known) == canonical_values(pair, [], [], [])
    # Texts of prompts and of completions; ids of prompts, and of completions of each.
    assert len(known) == 3 + 3 + 3 + 9


def test_what_pairs_of_one_row_hold_alike_is_written_as_if_each_held_its_own():
    told = {"z": "ü", "a": {"Rationale": None, "10": [1.5]}}
    rated = {"b": 2, "a": None, "c": 1.0}
    shared = [Pair("p", "c", r, extra={"y": told, "x": 1}, chosen_ratings=rated) for r in "de"]
    known = {}
    for pair in shared:
        assert canonical_values(pair, [], [], [], known) == canonical_values(pair, [], [], [])
    broken = Pair("p", "c", "d", extra={"y": {"text": "\ud800"}})
    for remembered in (known, None):
        with pytest.raises(BadRow, match="extra_not_json: str is not valid UTF-8"):
            canonical_values(broken, [], [], [], remembered)


def test_a_mapping_made_where_another_lay_is_not_taken_for_it():
    known = {}
    for number in range(200):
        pair = Pair("p", "c", "r", extra={"told": {"number": number}}, chosen_ratings={"a": number})
        values = canonical_values(pair, [], [], [], known)
        assert (values[-1], values[13]) == (f'{{"told":{{"number":{number}}}}}', ["a", number])
        del pair


def test_spelling_of_the_same_text_does_not_change_ids():
    plain = canonical(Pair("Café?\nNow", "yes", "no"))
    other = canonical(Pair("Café?\r\nNow  ", "\n\nyes\r\n", "no\t"))
    assert plain == other


def test_ids_follow_content_and_not_its_borders():
    assert prompt_id([{"role": "user", "content": "ab"}], []) != prompt_id(
        [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}], []
    )
    first = canonical(Pair("p", "a", "b"))
    assert canonical(Pair("p", "b", "a"))["chosen_id"] == first["rejected_id"]
    assert canonical(Pair("p", "a", "b", criterion="harmlessness"))["pair_id"] != first["pair_id"]
    assert canonical(Pair("p", "a", "b"), media=["m"])["prompt_id"] != first["prompt_id"]


def test_ids_do_not_depend_on_the_hash_seed():
    code = (
        "from pairs.schema import *;"
        "print(canonical_pair(Pair('p','a','b',chosen_ratings={'x':1,'y':2}),"
        "media_ids=[],chosen_media_ids=[],rejected_media_ids=[]))"
    )
    outs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PATH": ""}, capture_output=True, check=True
        ).stdout
        for seed in ("0", "1")
    }
    assert len(outs) == 1


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (5, "prompt_not_text"),
        (None, "prompt_not_text"),
        ("\ud800", "prompt_not_unicode"),
        ("a\0b", "prompt_has_nul"),
        ("x" * 1_000_001, "prompt_too_long"),
        ([], "prompt_empty"),
        ([{"role": "narrator", "content": "x"}], "prompt_not_messages"),
        ([{"role": "user"}], "prompt_not_text"),
        ([{"role": "user", "content": "x"}] * 1_001, "prompt_too_many_turns"),
        ("  ", "prompt_empty"),
    ],
)
def test_what_is_no_prompt_is_a_bad_row_with_a_reason(value, reason):
    with pytest.raises(BadRow) as caught:
        canonical(Pair(value, "a", "b"))
    assert caught.value.reason == reason


def test_equal_or_empty_completions_are_set_aside():
    for pair, reason in [
        (Pair("p", "a", "a \r\n"), "identical_completions"),
        (Pair("p", "", "b"), "empty_completion"),
        (Pair("p", "a", " \n"), "empty_completion"),
    ]:
        with pytest.raises(SetAside) as caught:
            canonical(pair)
        assert caught.value.reason == reason


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 10**400, "3", True])
def test_a_number_that_is_not_finite_never_gets_in(value):
    with pytest.raises(BadRow):
        finite(value, "source_margin")


def test_marks_and_pictures_must_agree():
    assert canonical(Pair("What is it?", "a", "b"), media=["m"])["prompt"][0]["content"] == "<image>\nWhat is it?"
    kept = canonical(Pair("Left <image> right <image>", "a", "b"), media=["m", "n"])
    assert kept["prompt"][0]["content"] == "Left <image> right <image>"
    with pytest.raises(BadRow, match="image_marks_differ"):
        canonical(Pair("<image><image>", "a", "b"), media=["m"])


def test_a_mark_is_a_word_where_a_source_has_no_pictures():
    drawn = Pair("Draw a circle: <svg><image></svg>", "a", "b")
    with pytest.raises(BadRow, match="image_marks_differ"):
        canonical(drawn)
    values = canonical_values(drawn, [], [], [], mark_is_text=True)
    assert (values[4], values[10]) == (["user", "Draw a circle: <svg><image></svg>"], "text")
    assert values[:4] == canonical_values(drawn, [], [], [], {}, mark_is_text=True)[:4]
    assert values[0] != canonical_values(Pair("Draw a circle: <svg></svg>", "a", "b"), [], [], [])[0]


def test_modality_follows_the_pictures():
    assert canonical(Pair("p", "a", "b"))["modality"] == "text"
    assert canonical(Pair("p", "a", "b", images=[b"1"]), media=["m"])["modality"] == "image"
    assert canonical(Pair("p", "a", "b", images=[b"1", b"2"]), media=["m", "n"])["modality"] == "multi_image"
    drawn = Pair("p", "", "", chosen_images=[b"1"], rejected_images=[b"2"])
    assert canonical(drawn, chosen_media=["m"], rejected_media=["n"])["modality"] == "to_image"


def test_records_fill_the_schema_with_what_the_reader_adds():
    added = {"source", "source_revision", "source_split", "source_row", "label_source", "licence", "role"}
    assert set(canonical(Pair("p", "a", "b"))) | added == set(PAIRS.names)


@given(st.text(max_size=200))
def test_canonical_text_is_stable(text):
    try:
        once = canonical_text(text, "prompt")
    except BadRow:
        return
    assert canonical_text(once, "prompt") == once
    assert "\r" not in once
