"""The kernel under near-duplicates and contamination: words, sets, minima, candidates, exact similarity."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters import _jaccard
from filters._jaccard import RunFile
from filters._minhash import BANDS, bands, candidates, minima
from filters._shingles import MAX_TEXTS, forms, shingle_sets, shingles, words
from filters._similar import SHORT, WIDTH, Texts, first_kept
from filters._spill import ROW, Keys, Records

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


def test_words_do_not_depend_on_how_many_texts_are_at_work(monkeypatch):
    texts = [" ".join(spelt(np.random.default_rng(seed), seed)) for seed in range(40)] + ["", "été", "日本語", ""]
    expected = lists(hashed(*texts))
    monkeypatch.setattr("filters._shingles._AT_ONCE", 100)
    assert lists(hashed(*texts)) == expected
    assert lists(words(pa.array(["x", *texts], pa.large_string())[1:])) == expected
    assert len(hashed().sizes) == 0


def test_a_word_ends_with_its_text():
    assert hashed("ab", "c", "", "d", "e f").sizes.tolist() == [1, 1, 1, 1, 2]
    assert lists(hashed("ab", "c", "", "d"))[1:] == lists(hashed("c", "", "d"))


def test_forms_are_equal_for_equal_words_in_equal_order():
    form = forms(hashed("a b c", "A, b; C", "b a c", "a b", "a b c c"))
    assert form[0] == form[1]
    assert len(set(form.tolist())) == 4


def test_a_run_file_measures_sets_whatever_repeats_in_the_runs(monkeypatch):
    rng = np.random.default_rng(1)
    texts = [" ".join(spelt(rng, size)[: size // 2 + 1] * 2) for size in rng.integers(3, 60, 300)]
    file, runs = RunFile(), [shingles(hashed(*part), 1, 1, np.inf) for part in (texts[:100], texts[100:])]
    begins = np.concatenate([file.add(part) for part in runs])
    places = np.column_stack([begins, np.concatenate([part.sizes for part in runs])])
    left, right = rng.integers(0, 300, (2, 5000))
    of = [set(text.split()) for text in texts]
    shared = [len(of[one] & of[two]) for one, two in zip(left, right, strict=True)]
    expected = [count / len(of[one] | of[two]) for one, two, count in zip(left, right, shared, strict=True)]
    assert file.similarity(places[left], places[right]).tolist() == expected
    monkeypatch.setattr(_jaccard, "_VALUES", 1)
    assert file.similarity(places[left[:50]], places[right[:50]]).tolist() == expected[:50]


def test_sets_count_what_they_share():
    rng = np.random.default_rng(1)
    sets = shingle_sets(hashed(*(" ".join(spelt(rng, size)) for size in rng.integers(5, 60, 300))), 1, 1, np.inf)
    left, right = rng.integers(0, 300, (2, _jaccard._PAIRS + 100))
    of = [set(each) for each in lists(sets)]
    expected = [len(of[one] & of[two]) for one, two in zip(left, right, strict=True)]
    assert _jaccard.common(sets, left, sets, right).tolist() == expected


@pytest.mark.parametrize("length", [6, SHORT - 2, SHORT + 10, 140, 250])
def test_similarity_is_the_exact_jaccard_similarity(length):
    rng = np.random.default_rng(length)
    texts = [spelt(rng, length) for _ in range(20)]
    texts += [edited(text, rng, min(edits, length - 1)) for edits, text in enumerate(texts, 1)]
    kept = Texts(0.5)
    numbers = kept.add(hashed(*map(" ".join, texts))).numbers
    measured = kept.similarity(numbers[:20], numbers[20:])
    assert measured.tolist() == [jaccard(*both) for both in zip(texts[:20], texts[20:], strict=True)]


def test_a_short_and_a_long_view_meet_at_the_border():
    rng = np.random.default_rng(5)
    long = spelt(rng, SHORT + 3)
    kept = Texts(0.7)
    sketches = kept.add(hashed(" ".join(long), " ".join(long[:SHORT])))
    assert kept.similarity(sketches.numbers[:1], sketches.numbers[1:]).tolist() == [jaccard(long, long[:SHORT])]
    assert sketches.both.tolist() == [True, False]
    assert (bands(sketches.short)[0] == bands(sketches.short)[1]).any()


def test_the_most_texts_at_once_pass():
    sets = shingle_sets(hashed(*(f"text {number}" for number in range(MAX_TEXTS))), 1, 1, np.inf)
    assert sets.sizes.tolist() == [2] * MAX_TEXTS


def held(keys, rows=None):
    keys = np.asarray(keys, np.uint64)
    out = Keys(keys.shape[1])
    out.add(keys, np.arange(len(keys)) if rows is None else rows)
    return out


def among(keys, rows):
    return candidates(keys, np.ones(rows, bool), np.negative)


def test_keys_come_back_by_band_in_order_whatever_is_held_at_once(monkeypatch):
    keys = np.random.default_rng(3).integers(0, 2**64, (700, 3), np.uint64)
    whole = [np.concatenate(list(held(keys).parts(band))) for band in range(3)]
    for band, entries in enumerate(whole):
        assert (np.diff(entries) > 0).all()
        assert (entries & ROW).tolist() == np.argsort(keys[:, band]).tolist()
    monkeypatch.setattr("filters._spill._RUN", 50)
    monkeypatch.setattr("filters._spill._AT_ONCE", 30)
    pieces = Keys(3)
    for first in range(0, 700, 7):
        pieces.add(keys[first : first + 7], np.arange(first, first + 7))
    assert len(list(pieces.parts(1))) > 20
    assert [np.concatenate(list(pieces.parts(band))).tolist() for band in range(3)] == [
        each.tolist() for each in whole
    ]


def test_no_keys_have_no_parts():
    assert list(Keys(2).parts(1)) == []
    assert [len(side) for side in candidates(Keys(BANDS), np.zeros(0, bool), np.negative)] == [0, 0]


def test_records_come_back_by_number(monkeypatch):
    monkeypatch.setattr("filters._spill._BLOCK", 100)
    records, rows = Records(np.dtype((np.int64, 3))), np.arange(300).reshape(100, 3)
    for part in np.split(rows, [10, 10, 55]):
        records.add(part)
    numbers = np.array([99, 0, 42, 42, 7])
    assert records.take(numbers).tolist() == rows[numbers].tolist()
    assert np.concatenate(list(records.blocks())).tolist() == rows.tolist()
    assert len(records) == 100


def test_candidates_are_the_same_however_many_entries_are_held_at_once(monkeypatch):
    keys = np.random.default_rng(4).integers(0, 2**64, (400, BANDS), np.uint64)[np.arange(3000) % 400]
    taken = np.arange(3000) % 7 > 0
    expected = candidates(held(keys), taken, np.negative)
    assert len(expected[0]) > 3000
    assert taken[np.concatenate(expected)].all()
    monkeypatch.setattr("filters._spill._RUN", 900)
    monkeypatch.setattr("filters._spill._AT_ONCE", 50)
    pieces = held(keys[:1000])
    pieces.add(keys[1000:], np.arange(1000, 3000))
    for one, other in zip(candidates(pieces, taken, np.negative), expected, strict=True):
        assert one.tolist() == other.tolist()


def test_candidates_do_not_depend_on_the_order_in_which_rows_come():
    rng = np.random.default_rng(6)
    keys = rng.integers(0, 2**64, (100, BANDS), np.uint64)[rng.integers(0, 100, 1500)]
    order = rng.permutation(1500)
    expected = candidates(held(keys), np.ones(1500, bool), np.arange(1500).take)
    found = order[np.stack(candidates(held(keys[order]), np.ones(1500, bool), order.take))]
    assert set(map(tuple, np.sort(found, axis=0).T.tolist())) == set(map(tuple, np.stack(expected).T.tolist()))


@pytest.mark.parametrize("length", [12, 40, 150])
def test_texts_alike_become_candidates(length):
    rng = np.random.default_rng(length)
    texts = [spelt(rng, length) for _ in range(1500)]
    copies = [edited(text, rng, max(1, length // 75)) for text in texts]
    kept = Texts(0.8)
    sketches = kept.add(hashed(*map(" ".join, texts + copies)))
    left, right = among(held(bands(sketches.short)), 3000)
    found = set(zip(left.tolist(), right.tolist(), strict=True))
    wanted = [number for number in range(1500) if jaccard(texts[number], copies[number]) >= 0.84]
    assert len(wanted) > 1000
    assert sum((number, number + 1500) in found for number in wanted) >= 0.99 * len(wanted)
    assert len(found) < 6000, "unlike texts are hardly ever held against each other"


def test_an_empty_set_has_no_minima_and_a_small_one_fills_all():
    least = minima(
        shingles(hashed("one two", "one two three four five six", "six five one two four three one"), 1, 3, np.inf)
    )
    assert (least[0] == ~np.uint64(0)).all()
    assert len(set(least[1].tolist())) == 6
    assert (least[1] == least[2]).all(), "neither order nor repeats count"


def test_a_giant_bucket_costs_no_square():
    keys = np.zeros((20_000, BANDS), np.uint64)
    left, right = among(held(keys), 20_000)
    assert len(left) < 5 * 20_000
    assert set(left.tolist()) == set(range(19_999)), "each is held against one before it, here a later row"
    assert (left < right).all()


def test_who_is_alike_one_that_went_stays():
    # 0 like 1, 1 like 2, 2 like 3: 1 goes for 0, 2 stays, 3 goes for 2.
    why = first_kept(np.array([2, 0, 1]), np.array([3, 1, 2]), 5)
    assert why.tolist() == [-1, 1, -1, 0, -1]
