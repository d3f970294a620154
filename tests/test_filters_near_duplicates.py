"""Near-duplicate pairs: what counts as one, what must not, and which of them stays."""

from __future__ import annotations

import random

import polars as pl
import pytest
from filter_frames import pairs, survivors
from pydantic import ValidationError

from filters import _apply
from filters.near_duplicates import Rule

PROMPT = "Please tell me in a few words how I can keep basil alive in a dark kitchen over winter"
GOOD = "Put it near the brightest window you have and water it from below twice a week when the soil is dry"
BAD = "Basil is a herb that many people like and there are many things one could say about it in general"
WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("", "n", "rt", "st")]


def alike(one, other):
    """Jaccard similarity of the words of two short texts without punctuation."""
    one, other = set(one.lower().split()), set(other.lower().split())
    return pytest.approx(len(one & other) / len(one | other))


NO_MEDIA = pl.DataFrame(schema={"media_id": pl.String, "phash": pl.String})


def run(table, media=NO_MEDIA):
    return _apply.run_signal("near_duplicates", {"pairs": table.lazy(), "media": media.lazy()})


def measured(table, media=NO_MEDIA):
    return pl.from_arrow(run(table, media))


def decided(table, media=NO_MEDIA, **params):
    seen = survivors(table)
    made = _apply.decide("near_duplicates", seen, measured(table, media), Rule(**params))
    names = dict(table.with_row_index().select(pl.concat_str("source", "pair_id"), "index").iter_rows())
    ids = {pair_id: number for number, pair_id in enumerate(table["pair_id"])}
    return {names[row["source"] + row["pair_id"]]: (ids[row["by"]], row["value"]) for row in made.to_dicts()}


def text(rng, count):
    return " ".join(rng.choice(WORDS) for _ in range(count))


def with_edit(text, place, word="gladly"):
    parts = text.split()
    return " ".join([*parts[:place], word, *parts[place + 1 :]])


def test_case_and_punctuation_hide_no_copy():
    table = pairs(("a", PROMPT, GOOD, BAD), ("b", PROMPT.upper() + "?", f"**{GOOD}**!", BAD + "..."))
    assert decided(table) == {1: (0, 1.0)}
    assert measured(table)["form"].n_unique() == 1


def test_a_small_edit_in_each_part_is_a_near_duplicate_with_each_similarity():
    table = pairs(("a", PROMPT, GOOD, BAD), ("b", with_edit(PROMPT, 3), with_edit(GOOD, 5), BAD))
    (near,) = measured(table)["near"].explode().drop_nulls().struct.unnest().to_dicts()
    assert near["prompt"] == alike(PROMPT, with_edit(PROMPT, 3))
    assert near["chosen"] == alike(GOOD, with_edit(GOOD, 5))
    assert near["rejected"] == 1
    assert decided(table) == {1: (0, min(near["prompt"], near["chosen"]))}


@pytest.mark.parametrize("part", [0, 1, 2])
def test_one_part_that_differs_is_enough_to_stay(part):
    other = [PROMPT, GOOD, BAD]
    other[part] = "Something else is said here that shares nothing with what the first pair had in this place"
    assert decided(pairs(("a", PROMPT, GOOD, BAD), ("b", *other))) == {}


def test_chosen_and_rejected_of_one_pair_may_be_alike():
    nearly = with_edit(GOOD, 4)
    assert (
        decided(pairs(("a", PROMPT, GOOD, nearly), ("a", PROMPT + " in Norway, where my sister lives", BAD, GOOD)))
        == {}
    )


def against(table):
    """Of each pair the places of those opposed to it, with what was measured."""
    ids = {pair_id: number for number, pair_id in enumerate(table["pair_id"])}
    lists = dict(measured(table).select("pair_id", "opposed").iter_rows())
    return [[{**each, "form": ids[each["form"]]} for each in lists[pair_id]] for pair_id in table["pair_id"]]


LONGER = PROMPT + " when it is cold and there is no sun at all"


def test_nearly_the_same_the_other_way_round_is_a_contradiction():
    asked = with_edit(LONGER, 3)
    table = pairs(("a", LONGER, GOOD, BAD), ("b", asked, BAD, with_edit(GOOD, 5)))
    similarity = min(alike(LONGER, asked).expected, alike(GOOD, with_edit(GOOD, 5)).expected)
    (one,), (two,) = against(table)
    assert (one["form"], two["form"], one["named"]) == (1, 0, True)
    assert one["similarity"] == two["similarity"] == pytest.approx(similarity)
    assert one["margin"] > 0.6
    assert decided(table) == {0: (1, pytest.approx(similarity)), 1: (0, pytest.approx(similarity))}
    assert decided(table, opposed="keep") == decided(table, text_jaccard=similarity + 0.001) == {}
    assert list(decided(table, opposed="first_source")) == [1]
    assert list(decided(table, opposed="first_source", priority=["b"])) == [0]
    both = pairs(("a", LONGER, GOOD, BAD), ("a", asked, BAD, with_edit(GOOD, 5)))
    assert sorted(decided(both, opposed="first_source")) == [0, 1], "nobody says both"


def test_a_majority_counts_all_that_nearly_say_so():
    rows = [
        ("a", LONGER, GOOD, BAD),
        ("b", LONGER, BAD, with_edit(GOOD, 5)),
        ("c", LONGER, BAD, with_edit(GOOD, 7)),
    ]
    seen = survivors(pairs(*rows))
    made = _apply.decide("near_duplicates", seen, measured(pairs(*rows)), Rule(opposed="majority"))
    assert dict(made.select("source", "reason").iter_rows()) == {
        "a": "near_contradiction_minority",
        "c": "near_duplicate",
    }
    tied = _apply.decide("near_duplicates", seen.head(2), measured(pairs(*rows)), Rule(opposed="majority"))
    assert set(tied.select("source", "reason").iter_rows()) == {
        ("a", "near_contradiction_tie"),
        ("b", "near_contradiction_tie"),
    }


def test_the_other_way_round_between_alike_completions_is_no_copy_and_no_contradiction():
    nearly = with_edit(GOOD, 4)
    table = pairs(("a", PROMPT, GOOD, nearly), ("b", PROMPT, with_edit(nearly, 7), GOOD))
    assert [each["named"] for (each,) in against(table)] == [True, True]
    assert decided(table) == {}
    assert len(decided(table, opposed_margin=0)) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Is the cat to the left of the dog in the picture", "Is the dog to the left of the cat in the picture"),
        ("Is the cat to the left of the dog in the picture", "Is the cat to the right of the dog in the picture"),
        (LONGER + " with cats left of dogs", LONGER + " with dogs left of cats"),
    ],
)
def test_a_prompt_of_short_answers_with_another_order_or_word_is_another_question(one, other):
    table = pairs(("a", one, "Yes, it is", "No, it is not"), ("b", other, "No, it is not", "Yes, it is"))
    assert [each["named"] for (each,) in against(table)] == [False, False]
    assert decided(table) == {}
    assert len(decided(pairs(("a", one, "Yes", "No"), ("b", one + "?", "No", "Yes")))) == 2


def test_short_answers_with_their_words_in_another_order_are_no_contradiction():
    table = pairs(("a", LONGER, "[5, 1, 3]", "[3, 1, 2]"), ("b", LONGER, "[3, 1, 2]", "[1, 3, 5]"))
    assert [(each["similarity"], each["named"]) for (each,) in against(table)] == [(1, False)] * 2
    assert decided(table) == {}


def test_under_two_criteria_opposite_labels_oppose_nothing():
    table = pairs(("a", PROMPT, GOOD, BAD, "helpfulness"), ("b", PROMPT, BAD, GOOD, "harmlessness"))
    assert against(table) == [[], []]


def test_other_pictures_make_another_pair():
    one = pairs(("a", PROMPT, GOOD, BAD), images=["1" * 32])
    other = pairs(("b", PROMPT, GOOD, BAD), images=["2" * 32])
    again = pairs(("c", PROMPT, with_edit(GOOD, 2), BAD), images=["1" * 32])
    assert decided(pl.concat([one, other, again])) == {2: (0, alike(GOOD, with_edit(GOOD, 2)))}


def test_other_pictures_as_completions_make_another_pair():
    def drawn(source, chosen, rejected, other=BAD):
        return pairs((source, PROMPT, GOOD, other)).with_columns(
            pair_id=pl.lit(source * 32),
            chosen_media_ids=pl.Series([[chosen * 32]]),
            rejected_media_ids=pl.Series([[rejected * 32]]),
        )

    table = [drawn("a", "1", "2"), drawn("b", "1", "2"), drawn("c", "1", "3"), drawn("d", "2", "1")]
    assert decided(pl.concat(table)) == {1: (0, 1.0)}
    assert against(pl.concat(table)) == [[], [], [], []], "d turns the pictures but not the texts"
    twin = GOOD + "!"
    turned = [drawn("a", "1", "2", twin), drawn("d", "2", "1", twin), drawn("e", "3", "1", twin)]
    assert [[each["form"] for each in of] for of in against(pl.concat(turned))] == [[1], [0], []]


def test_when_both_directions_fit_alike_nothing_is_dropped():
    versions = [with_edit(GOOD, place, f"edit{place}") for place in (2, 5, 8)]
    table = pairs(("a", PROMPT, GOOD, versions[0]), ("b", PROMPT, versions[1], versions[2]))
    assert decided(table) == {}
    assert [each["similarity"] for (each,) in against(table)] == [alike(versions[0], versions[1])] * 2


SHORT = "Yes, two of them stand on the sill and"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((PROMPT + " in Norway", GOOD, BAD), (PROMPT + " in Sweden", GOOD, BAD)),
        ((PROMPT + " at 5 degrees", GOOD, BAD), (PROMPT + " at 15 degrees", GOOD, BAD)),
        ((PROMPT, SHORT + " cost 4 euros", BAD), (PROMPT, SHORT + " cost 9 euros", BAD)),
        ((PROMPT, GOOD, SHORT + " are called Anna"), (PROMPT, GOOD, SHORT + " are called Berta")),
    ],
)
def test_another_number_or_name_in_a_prompt_or_a_short_completion_makes_another_pair(one, other):
    table = pairs(("a", *one), ("b", *other))
    assert decided(table) == {}
    assert list(decided(table, differing_names=True)) == [1]


def test_a_word_before_the_first_capital_and_numbers_in_long_completions_make_no_other_pair():
    longer = GOOD + " and do not wait until"
    table = pairs(("a", PROMPT, longer + " day 3", BAD), ("b", "and now " + PROMPT, longer + " day 4", BAD))
    assert list(decided(table)) == [1]


def test_criteria_are_told_apart_on_demand():
    table = pairs(("a", PROMPT, GOOD, BAD, "overall"), ("b", PROMPT, GOOD, BAD, "helpfulness"))
    assert decided(table) == {1: (0, 1.0)}
    assert decided(table, across_criteria=False) == {}


def test_what_one_source_says_under_two_criteria_is_no_duplicate_of_itself():
    table = pairs(
        ("a", PROMPT, GOOD, BAD, "helpfulness"),
        ("a", PROMPT, GOOD, BAD, "harmlessness"),
        ("b", PROMPT, with_edit(GOOD, 5), BAD),
        ("b", PROMPT, GOOD, BAD, "harmlessness"),
    )
    assert sorted(decided(table)) == [2, 3]
    assert sorted(decided(table, priority=["b"])) == [0, 1]
    assert sorted(decided(table, across_criteria=False)) == [3]


def test_the_threshold_belongs_to_the_rule():
    table = pairs(("a", PROMPT, GOOD, BAD), ("b", with_edit(PROMPT, 2), GOOD, BAD))
    similarity = len(set(PROMPT.split()) - {"me"}) / len({*PROMPT.split(), "gladly"})
    assert decided(table, text_jaccard=similarity + 0.001) == {}
    assert len(decided(table, text_jaccard=similarity - 0.001)) == 1
    with pytest.raises(ValidationError):
        Rule(text_jaccard=0.6)


def test_a_chain_removes_only_neighbours():
    parts = GOOD.split()
    chain = [" ".join(["w%d" % i for i in range(step)] + parts[step:]) for step in (0, 2, 4)]  # noqa: UP031
    table = pairs(*(("a", PROMPT, chosen, BAD) for chosen in chain))
    by = decided(table)
    assert all(value >= 0.8 for _, value in by.values())
    assert len(measured(table)["cluster"].unique()) == 1
    gone, stay = set(by), {0, 1, 2} - set(by)
    assert stay in ({0, 2}, {1}), gone


def test_the_earlier_source_stays_whatever_the_ids():
    table = pairs(("a", PROMPT, GOOD, BAD), ("b", PROMPT, with_edit(GOOD, 2), BAD))
    signal = measured(table)
    for order, gone in ((["a", "b"], "b"), (["b", "a"], "a")):
        made = _apply.decide("near_duplicates", survivors(table, order), signal, Rule())
        assert made["source"].to_list() == [gone]
        assert made["reason"].to_list() == ["near_duplicate"]
        made = _apply.decide("near_duplicates", survivors(table, order), signal, Rule(priority=["b"]))
        assert made["source"].to_list() == ["a"]


def test_copies_find_each_other_when_the_first_of_them_has_gone():
    rng = random.Random(3)
    spellings = [GOOD, GOOD + ".", GOOD.upper(), f"*{GOOD}*", with_edit(GOOD, 2), with_edit(GOOD, 2) + "!"]
    table = pairs(*(("a", PROMPT, spelling, BAD) for spelling in rng.sample(spellings, 6)))
    signal = measured(table)
    left = survivors(table).filter(~pl.col("pair_id").is_in(signal["form"].implode()))
    assert left.height == 4
    assert _apply.decide("near_duplicates", left, signal, Rule()).height == 3


def test_the_same_pair_in_two_sources_counts_as_alike():
    table = pairs(("a", PROMPT, GOOD, BAD), ("b", PROMPT, GOOD, BAD))
    (made,) = _apply.decide("near_duplicates", survivors(table), measured(table), Rule()).to_dicts()
    assert (made["source"], made["by"]) == ("b", made["pair_id"])


def test_ranked_answers_to_one_prompt_all_stay():
    rng = random.Random(1)
    answers = [text(rng, 60) for _ in range(7)]
    ranked = [("a", PROMPT, answers[i], answers[j]) for i in range(7) for j in range(i + 1, 7)]
    assert decided(pairs(*ranked)) == {}


def planted(rng, count):
    """Pairs, and after them an edited copy of each."""
    rows = [
        ("a", text(rng, 14), text(rng, rng.randint(10, 160)), text(rng, rng.randint(10, 160)))
        for _ in range(count)
    ]
    copies = [("b", *(with_edit(part, rng.randrange(len(part.split()))) for part in row[1:])) for row in rows]
    return pairs(*rows, *copies)


def test_planted_copies_are_found_and_nothing_else():
    table = planted(random.Random(2), 300)
    by = decided(table)
    assert {gone: stays for gone, (stays, _) in by.items()} == {300 + number: number for number in range(300)}


def test_the_order_of_rows_and_the_size_of_batches_change_no_byte(monkeypatch):
    rng = random.Random(4)
    family = pairs(*(("c", PROMPT, with_edit(GOOD, place % 20, text(rng, 1)), BAD) for place in range(40)))
    table = pl.concat([planted(rng, 60), family])
    expected = run(table)
    assert pl.from_arrow(expected)["near"].list.len().max() > 3, "some are held against more than their neighbours"
    monkeypatch.setattr("filters._pair_texts.ROWS", 7)
    monkeypatch.setattr("filters._spill._RUN", 30)
    monkeypatch.setattr("filters._spill._AT_ONCE", 10)
    for seed in (1, 2):
        shuffled = table.sample(fraction=1, shuffle=True, seed=seed)
        assert run(shuffled).equals(expected)


def test_no_pairs_give_no_signal():
    assert measured(pairs(("a", PROMPT, GOOD, BAD)).clear()).is_empty()


def test_the_signal_goes_into_the_store_and_back(store):
    table = planted(random.Random(5), 5)
    signal = run(table)
    stored = signal.append_column("mixture", [["m"] * signal.num_rows])
    store.replace("signals/near_duplicates", "m", stored, {})
    back = store.scan("signals/near_duplicates", ["m"]).drop("mixture").collect().sort("pair_id")
    assert back.equals(pl.from_arrow(signal))
