"""Groups: what counts as the same prompt."""

from __future__ import annotations

import json

import polars as pl
import pytest
from filter_frames import pairs
from hypothesis import given, settings
from hypothesis import strategies as st

from filters import _apply
from pairs import tables
from pairs.schema import IMAGE_MARK

NONE = pl.from_arrow(tables.MEDIA.empty_table())


def run_signal(table, media=NONE):
    return _apply.run_signal("groups", {"pairs": table.lazy(), "media": media.lazy()})


def group_of(prompt, images=()):
    table = pairs(("s", prompt, "yes", "no"), images=images)
    return run_signal(table)["group_id"][0].as_py()


def test_case_punctuation_and_spacing_do_not_make_a_group():
    assert group_of("What is  the\ncapital of France?") == group_of("what is the capital of FRANCE")
    assert group_of("Straße!") == group_of("STRASSE")
    assert group_of("Name a colour.") != group_of("Name a flavour.")


def test_the_same_question_on_another_picture_is_another_group():
    one, other = "1" * 32, "2" * 32
    assert group_of("What is this?", [one]) != group_of("What is this?", [other])
    assert group_of("What is this?", [one]) != group_of("What is this?")
    assert group_of("What is this?", [one]) == group_of("What is <image> this", [one])
    assert group_of("Which is older?", [one, other]) == group_of("Which is older?", [other, one])


def test_a_dialogue_groups_by_what_was_asked_and_not_by_what_was_replied():
    def dialogue(reply, *, system="Be kind.", last="And then?"):
        turns = [("system", system), ("user", "Hi"), ("assistant", reply), ("user", last)]
        return [{"role": role, "content": content} for role, content in turns]

    assert group_of(dialogue("Hello")) == group_of(dialogue("Good day"))
    assert group_of(dialogue("Hello")) != group_of(dialogue("Hello", last="Bye"))
    assert group_of(dialogue("Hello")) != group_of(dialogue("Hello", system="Be rude."))


def test_prompts_of_punctuation_alone_are_not_all_one_group():
    assert group_of("?!") != group_of("...")
    assert group_of("1+1") != group_of("1 1")


def test_pairs_of_one_prompt_share_a_group_across_sources():
    table = pairs(("a", "Q one", "yes", "no"), ("b", "q one!", "yes", "maybe"), ("b", "q two", "yes", "no"))
    made = pl.from_arrow(run_signal(table))
    assert made.height == 3
    assert made["group_id"].n_unique() == 2


@settings(max_examples=50, deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30).filter(
        lambda text: text.strip() and IMAGE_MARK not in text
    )
)
def test_any_text_has_a_group_that_spacing_does_not_change(text):
    assert group_of(text) == group_of(f"  {text} ")


LONG = (
    "i run a small bakery in the old town and every week two or three people ask me whether i could bake bread "
    "that has no wheat in it, because they cannot stand it, and now i want to know what kind of flour would do "
    "for a loaf that rises well and stays fresh until the next day, without costing much more than what my other "
    "bread costs"
)


def groups_of(*prompts, images=()):
    """The groups of prompts, in their order."""
    table = pairs(*(("s", prompt, "yes", "no") for prompt in prompts), images=images)
    made = dict(pl.from_arrow(run_signal(table)).iter_rows())
    return [made[pair_id] for pair_id in table["pair_id"]]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (LONG, LONG.replace("small", "tiny"), True),
        (LONG, f"{LONG} please and thanks", True),
        (f"{LONG} for 30 people", f"{LONG} for 40 people", False),
        (f"{LONG} in Ghent", f"{LONG} in Bruges", False),
        (f"And now in Ghent {LONG}", f"and now in Ghent {LONG}", True),
        (LONG, LONG.replace("bread", "cake").replace("loaf", "tart").replace("flour", "sugar"), False),
        ("tell me how a potter makes a red bowl", "tell me how a potter makes a blue bowl", False),
        ("now say all of that again but in the style of a very old sailor", "now say all of that again but in the "
         "style of a very old baker", False),
    ],
)  # fmt: skip
def test_long_prompts_with_a_few_words_changed_are_one_group(one, other, same):
    first, second = groups_of(one, other)
    assert (first == second) == same


def test_near_prompts_on_other_pictures_are_other_groups():
    table = [
        pairs(("s", prompt, "yes", "no"), images=images)
        for prompt, images in ((LONG, ["1" * 32]), (f"{LONG} today", ["2" * 32]), (f"{LONG} now", ["1" * 32]))
    ]
    made = dict(pl.from_arrow(run_signal(pl.concat(table))).iter_rows())
    one, two, three = (made[each["pair_id"][0]] for each in table)
    assert one == three != two


def test_chains_of_near_prompts_are_one_group_named_by_its_least_prompt():
    spelt = [LONG, *(f"{LONG} {'so it is'[:count]}" for count in (2, 5, 8))]
    alone = [group_of(prompt) for prompt in spelt]
    assert set(groups_of(*spelt)) == {min(alone)}


def test_new_prompts_leave_the_groups_of_others_as_they_are():
    strangers = [f"{word} {LONG.replace('bread', word)}" for word in ("cake", "soup", "beer")]
    before = groups_of(*strangers, "Who sings?")
    after = groups_of(*strangers, "Who sings?", f"{strangers[0]} indeed", "Who dances?")
    assert after[1:4] == before[1:]
    assert after[0] == after[4] == min(group_of(strangers[0]), group_of(f"{strangers[0]} indeed"))


def test_a_prompt_of_a_later_source_never_renames_a_group():
    spelt = [f"{LONG} {word}" for word in ("yes", "no", "maybe so", "or not at all", "ever", "again", "at last")]
    old, new = pairs(*(("old", prompt, "a", "b") for prompt in spelt[:2])), spelt[2:]
    before = set(run_signal(old)["group_id"].to_pylist())
    assert min(map(group_of, spelt)) not in before, "a new prompt's own id is less"
    twice = pairs(*(("new", prompt, "a", "b") for prompt in [*new, spelt[0]]))
    for order in (["old", "new"], ["old"]):
        table = pl.concat([twice, old]).sample(fraction=1, shuffle=True, seed=1)
        tables = {"pairs": table.lazy(), "media": NONE.lazy(), "order": order}
        assert set(_apply.run_signal("groups", tables)["group_id"].to_pylist()) == before
    tables["order"] = ["new", "old"]
    assert set(_apply.run_signal("groups", tables)["group_id"].to_pylist()) == {min(map(group_of, spelt))}


def test_the_order_of_rows_and_the_size_of_batches_change_no_group(monkeypatch):
    spelt = [f"{LONG} {word}" for word in ("yes", "no", "Yes", "maybe so", "or not at all")]
    table = pairs(*(("s", prompt, "a", "b") for prompt in [*spelt, "Who sings?", LONG.upper()]))
    expected = run_signal(table)
    monkeypatch.setattr("filters._pair_texts.ROWS", 2)
    for seed in (1, 2):
        mixed = table.sample(fraction=1, shuffle=True, seed=seed)
        assert run_signal(mixed).equals(expected)


HASHES = (0xF0E1D2C3B4A59687, 0xF0E1D2C3B4A59687 ^ 0b1011, 0xF0E1D2C3B4A59687 ^ 0b1111011, 0x0123456789ABCDEF)
PICTURES = [f"{number}" * 32 for number in range(1, 6)]
SEEN = pl.DataFrame({"media_id": PICTURES, "phash": [*(f"{value:016x}" for value in HASHES), None]})


def over(*shown, media=SEEN):
    """The groups of prompts `(words, places in PICTURES)`, in their order."""
    table = pl.concat(
        pairs(("s", words, "a", "b"), images=[PICTURES[at] for at in places]) for words, *places in shown
    )
    made = dict(pl.from_arrow(run_signal(table.sample(fraction=1, shuffle=True, seed=3), media)).iter_rows())
    return [made[pair_id] for pair_id in table["pair_id"]]


def test_a_prompt_over_a_picture_written_anew_stays_in_its_group():
    same, anew, stranger, other = over(
        ("What is it?", 0), ("what is it", 1), ("What is it?", 3), ("Who is it?", 1)
    )
    assert same == anew == min(over(("What is it?", 0)) + over(("What is it?", 1)))
    assert len({same, stranger, other}) == 3


def test_every_picture_of_a_prompt_must_look_alike():
    both, anew, one, more = over(("Which?", 0, 3), ("Which?", 3, 1), ("Which?", 0), ("Which?", 0, 3, 3))
    assert both == anew
    assert len({both, one, more}) == 3
    flat, grey = over(("Which?", 4), ("Which?", 0))
    assert flat != grey


def test_near_words_over_near_pictures_are_one_group_through_any_chain():
    first, near_words, near_picture, both, apart = over(
        (LONG, 0), (f"{LONG} now", 0), (LONG, 1), (f"{LONG} so it is", 2), (LONG, 3)
    )
    assert first == near_words == near_picture == both != apart


def test_pictures_that_no_prompt_shows_join_no_prompts():
    """The second hash lies between the first and the third, which are 6 bits apart."""
    first, third = over(("What is it?", 0), ("What is it?", 2))
    assert first != third
    joined = over(("What is it?", 0), ("What is it?", 2), ("Another?", 1))
    assert joined[0] == joined[1]


def grouped(*rows):
    """The group of each pair of (source, prompt, what the source names as its group or no name)."""
    table = pairs(*((source, prompt, "yes", "no") for source, prompt, _ in rows))
    extra = [None if name is None else json.dumps({"id": 7, "group": name}) for _, _, name in rows]
    table = table.with_columns(extra=pl.Series(extra, dtype=pl.String))
    found = pl.DataFrame(run_signal(table))
    return table.join(found, on="pair_id", how="left", maintain_order="left")["group_id"].to_list()


def test_what_a_source_names_one_group_is_one_whatever_the_prompts_say():
    one, other, third, fourth = grouped(
        ("tree", "Sum 3 and 4", "a"),
        ("tree", "Is it eight?", "a"),
        ("tree", "Is it nine?", "b"),
        ("tree", "Why?", None),
    )
    assert one == other
    assert len({one, third, fourth}) == 3


def test_names_of_two_sources_are_not_one_name_and_null_is_none():
    assert (
        len(set(grouped(("x", "Q one", "1"), ("y", "Q two", "1"), ("x", "Q three", None), ("x", "Q four", None))))
        == 4
    )


def test_a_group_inside_another_field_or_an_empty_one_is_no_name():
    table = pairs(("x", "Q one", "yes", "no"), ("x", "Q two", "yes", "no"), ("x", "Q three", "yes", "no"))
    extra = ['{"seen": {"group": "a"}}', '{"seen": {"group": "a"}}', '{"group":null}']
    found = run_signal(table.with_columns(extra=pl.Series(extra)))
    assert len(set(found["group_id"].to_pylist())) == 3


def test_names_join_prompts_and_prompts_join_names():
    rows = [
        ("x", "Q one", "1"),
        ("x", "Q two", "1"),
        ("y", "q two!", "9"),
        ("y", "Q three", "9"),
        ("z", "q THREE", None),
    ]
    for order in (rows, rows[::-1]):
        assert len(set(grouped(*order))) == 1
    assert len(set(grouped(*rows[:1], *rows[2:]))) == 2
    assert min(grouped(*rows)) in {group_of(prompt) for _, prompt, _ in rows}, "one of their own ids"
