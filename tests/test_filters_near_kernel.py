"""The kernel under near-duplicates and contamination: words, sets, minima, candidates, exact similarity."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters import _jaccard
from filters._jaccard import SetFile
from filters._minhash import Keys, bands, candidates, minima
from filters._shingles import MAX_TEXTS, forms, shingle_sets, words
from filters._similar import SHORT, WIDTH, Texts, first_kept

VOCABULARY = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("", "n", "rt", "lious", "stration")]


def hashed(*texts):
    return words(pa.array(texts, pa.string()))


def lists(ragged):
    return [run.tolist() for run in np.split(ragged.values, ragged.starts[1:-1])]


def same_words(one, other):
    of_one, of_other = lists(hashed(one, other))
    return of_one == of_other


def spelt(rng, count):
    return [VOCABULARY[place] for place in rng.integers(0, len(VOCABULARY), count)]


def edited(text, rng, edits):
    text = list(text)
    for place in rng.choice(len(text), edits, replace=False):
        text[place] = f"new{rng.integers(10**9)}"
    return text


def jaccard(one, other):
    width = 1 if min(len(one), len(other)) <= SHORT else WIDTH
    one, other = ({tuple(text[i : i + width]) for i in range(len(text) - width + 1)} for text in (one, other))
    return len(one & other) / len(one | other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hello, World!", "hello world"),
        ("don't stop", "DON’T  stop"),
        ("**Bold** `code`", "bold code"),
        ("Éclair", "éclair"),
        ("a\u00a0b", "a b"),
        ("「はい」、です。", "はい です"),
    ],
)
def test_case_punctuation_and_spacing_do_not_count(one, other):
    assert same_words(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("-5", "5"),
        ("a < b", "a > b"),
        ("x²", "x³"),
        ("3.5", "35"),
        ("✓", "✗"),
        ("!", "?"),
        ("", "!"),
        ("ab c", "a bc"),
        ("internationalisation", "internationalization"),
        ("x" * 70 + "a", "x" * 70 + "b"),
    ],
)
def test_what_carries_meaning_counts(one, other):
    assert not same_words(one, other)


def test_a_character_of_a_script_without_spaces_is_a_word():
    assert hashed("日本語です", "สวัสดี", "naïve café", "ok👍👍").sizes.tolist() == [5, 6, 2, 3]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.sampled_from("aB é.日👍’\u00a0-\n"), max_size=30), min_size=1, max_size=6))
def test_words_do_not_depend_on_the_neighbours_in_a_batch(texts):
    together = lists(hashed(*texts))
    assert together == [lists(hashed(text))[0] for text in texts]
    assert all(together), "each text has a word"


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_words_are_those_of_the_definition(text):
    separators = r"[\x00-\x20\x7f.,;:!?\"'()\[\]{}`*#|~\u00a0\u2000-\u203f\u3000-\u303f]"
    runs = [run for run in re.split(separators, text.lower()) if run]
    expected = sum(len(re.findall(r"[^\u0800-\U0010ffff]+|[\u0800-\U0010ffff]", run)) for run in runs)
    # Python folds a few capitals into more than one character; Arrow does not.
    if len(text.lower()) == len(text):
        assert hashed(text).sizes.tolist() == [max(expected, 1)]


def test_forms_are_equal_for_equal_words_in_equal_order():
    form = forms(hashed("a b c", "A, b; C", "b a c", "a b", "a b c c"))
    assert form[0] == form[1]
    assert len(set(form.tolist())) == 4


def test_a_set_file_counts_what_sets_share():
    rng = np.random.default_rng(1)
    texts = [" ".join(spelt(rng, size)) for size in rng.integers(5, 60, 300)]
    sets = shingle_sets(hashed(*texts), 1, 1, np.inf)
    file = SetFile()
    places = np.concatenate(
        [file.add(shingle_sets(hashed(*part), 1, 1, np.inf)) for part in (texts[:100], texts[100:])]
    )
    left, right = rng.integers(0, 300, (2, _jaccard._PAIRS + 100))
    of = [set(each) for each in lists(sets)]
    expected = [len(of[one] & of[two]) for one, two in zip(left, right, strict=True)]
    assert file.common(places[left], places[right]).tolist() == expected
    assert _jaccard.common(sets, left, sets, right).tolist() == expected


@pytest.mark.parametrize("length", [6, SHORT - 2, SHORT + 10, 140, 250])
def test_similarity_is_the_exact_jaccard_similarity(length):
    rng = np.random.default_rng(length)
    texts = [spelt(rng, length) for _ in range(20)]
    texts += [edited(text, rng, min(edits, length - 1)) for edits, text in enumerate(texts, 1)]
    kept = Texts(0.5)
    numbers = kept.add(hashed(*map(" ".join, texts))).numbers
    kept.seal()
    measured = kept.similarity(numbers[:20], numbers[20:])
    assert measured.tolist() == [jaccard(*both) for both in zip(texts[:20], texts[20:], strict=True)]


def test_a_short_and_a_long_view_meet_at_the_border():
    rng = np.random.default_rng(5)
    long = spelt(rng, SHORT + 3)
    kept = Texts(0.7)
    sketches = kept.add(hashed(" ".join(long), " ".join(long[:SHORT])))
    kept.seal()
    assert kept.similarity(sketches.numbers[:1], sketches.numbers[1:]).tolist() == [jaccard(long, long[:SHORT])]
    assert sketches.both.tolist() == [True, False]
    assert (bands(sketches.short)[0] == bands(sketches.short)[1]).any()


def test_the_most_texts_at_once_pass():
    sets = shingle_sets(hashed(*(f"text {number}" for number in range(MAX_TEXTS))), 1, 1, np.inf)
    assert sets.sizes.tolist() == [2] * MAX_TEXTS


def in_file(*parts):
    keys = Keys()
    for part in parts:
        keys.add(part)
    return keys


def test_keys_come_back_from_the_file_by_band():
    parts = [np.arange(16 * size, dtype=np.uint64).reshape(size, 16) + np.uint64(size) for size in (5, 0, 3)]
    for band in (0, 7, 15):
        assert in_file(*parts).band(band).tolist() == np.concatenate(parts)[:, band].tolist()


def test_candidates_are_the_same_however_many_entries_are_held_at_once(monkeypatch):
    keys = np.random.default_rng(4).integers(0, 2**64, (400, 16), np.uint64)[np.arange(3000) % 400]
    rows = np.where(np.arange(3000) % 7, np.arange(3000), -1)
    expected = candidates([in_file(keys)], rows)
    assert len(expected[0]) > 3000
    monkeypatch.setattr("filters._minhash._AT_ONCE", 50)
    for one, other in zip(candidates([in_file(keys[:1000]), in_file(keys[1000:])], rows), expected, strict=True):
        assert one.tolist() == other.tolist()


@pytest.mark.parametrize("length", [12, 40, 150])
def test_texts_alike_become_candidates(length):
    rng = np.random.default_rng(length)
    texts = [spelt(rng, length) for _ in range(1500)]
    copies = [edited(text, rng, max(1, length // 75)) for text in texts]
    kept = Texts(0.8)
    sketches = kept.add(hashed(*map(" ".join, texts + copies)))
    left, right = candidates([in_file(bands(sketches.short))], sketches.numbers)
    found = set(zip(left.tolist(), right.tolist(), strict=True))
    wanted = [number for number in range(1500) if jaccard(texts[number], copies[number]) >= 0.84]
    assert len(wanted) > 1000
    assert sum((number, number + 1500) in found for number in wanted) >= 0.99 * len(wanted)
    assert len(found) < 6000, "unlike texts are hardly ever held against each other"


def test_an_empty_set_has_no_minima_and_a_small_one_fills_all():
    least = minima(shingle_sets(hashed("one two", "one two three four five six"), 1, 3, np.inf))
    assert (least[0] == ~np.uint64(0)).all()
    assert len(set(least[1].tolist())) == 6


def test_a_giant_bucket_costs_no_square():
    keys = np.zeros((20_000, 16), np.uint64)
    left, right = candidates([in_file(keys)], np.arange(20_000))
    assert len(left) < 5 * 20_000
    assert set(right.tolist()) == set(range(1, 20_000)), "each is held against an earlier one"
    assert (left < right).all()


def test_who_is_alike_one_that_went_stays():
    # 0 like 1, 1 like 2, 2 like 3: 1 goes for 0, 2 stays, 3 goes for 2.
    why = first_kept(np.array([2, 0, 1]), np.array([3, 1, 2]), 5)
    assert why.tolist() == [-1, 1, -1, 0, -1]
