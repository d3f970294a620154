"""Groups: what counts as the same prompt."""

from __future__ import annotations

import polars as pl
from filter_frames import pairs
from hypothesis import given, settings
from hypothesis import strategies as st

from filters._apply import run_signal


def group_of(prompt, images=()):
    table = pairs(("s", prompt, "yes", "no"), images=images)
    return run_signal("groups", {"pairs": table.lazy()})["group_id"][0].as_py()


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
    made = pl.from_arrow(run_signal("groups", {"pairs": table.lazy()}))
    assert made.height == 3
    assert made["group_id"].n_unique() == 2


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30).filter(str.strip))
def test_any_text_has_a_group_that_spacing_does_not_change(text):
    assert group_of(text) == group_of(f"  {text} ")
