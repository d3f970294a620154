"""Contradictions: the same two completions labelled both ways."""

from __future__ import annotations

import polars as pl
import pytest
from filter_frames import pairs, survivors

from filters._apply import decide, run_signal
from filters.contradictions import Rule


def judged(table, policy="drop", left=None, **params):
    signal = pl.from_arrow(run_signal("contradictions", {"pairs": table.lazy()}))
    rows = (survivors(table, "abc") if left is None else left).sample(fraction=1, shuffle=True, seed=3)
    return signal, decide("contradictions", rows, signal, Rule(policy=policy, **params))


YES, NO = ("yes", "no"), ("no", "yes")


def gone(made):
    return [source for source, *_ in made.rows()], set(made["reason"])


def test_the_planted_contradiction_is_found_and_names_the_other_side():
    table = pairs(("a", "q", *YES), ("b", "q", *NO), ("b", "z", *YES), ("c", "q", "yes", "maybe"))
    signal, made = judged(table)
    ids = table["pair_id"]
    assert made.select("source", "pair_id", "reason", "value", "by").rows() == [
        ("a", ids[0], "contradiction", 0.5, ids[1]),
        ("b", ids[1], "contradiction", 0.5, ids[0]),
    ]
    counts = {pair_id: (for_, against) for pair_id, _, for_, against, *_ in signal.rows()}
    assert counts == {ids[0]: (1, 1), ids[1]: (1, 1), ids[2]: (1, 0), ids[3]: (1, 0)}


def test_opposed_labels_under_two_criteria_are_no_contradiction():
    table = pairs(("a", "q", *YES, "helpfulness"), ("a", "q", *NO, "harmlessness"))
    assert judged(table)[1].is_empty()


def test_opposed_labels_under_two_criteria_contradict_on_demand():
    table = pairs(
        ("a", "q", *YES, "helpfulness"),
        ("a", "q", *YES, "honesty"),
        ("b", "q", *NO),
        ("b", "z", *NO),
        ("c", "q", *NO, "honesty"),
        ("c", "z", *NO, "honesty"),
    )
    ids = table["pair_id"]
    signal, made = judged(table, across_criteria=True)
    yes, no = sorted(ids[:2]), sorted([ids[2], ids[4]])
    assert made.select("source", "pair_id", "reason", "value", "by").rows() == [
        *(("a", each, "contradiction", 0.5, no[0]) for each in yes),
        ("b", ids[2], "contradiction", 0.5, yes[0]),
        ("c", ids[4], "contradiction", 0.5, yes[0]),
    ]
    counted = table.join(signal, on="pair_id", how="left", maintain_order="left")
    assert counted["against_any"].to_list() == [2, 2, 2, 0, 2, 0]
    assert counted["against_label"].to_list() == [0, 1, 0, 0, 1, 0]
    more = pl.concat([table, pairs(("c", "q", *NO, "truth"))])
    assert gone(judged(more, "majority", across_criteria=True)[1]) == (["a", "a"], {"contradiction_minority"})
    first = judged(table, "first_source", across_criteria=True)[1]
    assert gone(first) == (["b", "c"], {"contradiction_later_source"})


def test_two_labels_inside_one_source_contradict():
    assert judged(pairs(("a", "q", *YES), ("a", "q", *NO)))[1].height == 2


def test_a_majority_keeps_its_label_and_a_tie_loses_both():
    table = pairs(("a", "q", *YES), ("b", "q", *NO), ("c", "q", *NO), ("a", "z", *YES), ("b", "z", *NO))
    made = judged(table, "majority")[1]
    told = made.join(table, on=["source", "pair_id"])
    prompt = pl.col("prompt").list.first().struct.field("content")
    assert sorted(told.select("source", prompt, "reason", "value").rows()) == [
        ("a", "q", "contradiction_minority", 2 / 3),
        ("a", "z", "contradiction_tie", 0.5),
        ("b", "z", "contradiction_tie", 0.5),
    ]


def test_the_first_source_keeps_its_label_unless_it_says_both():
    table = pairs(("a", "q", *YES), ("b", "q", *NO), ("c", "q", *NO))
    assert gone(judged(table, "first_source")[1]) == (["b", "c"], {"contradiction_later_source"})
    both = pairs(("a", "q", *YES), ("a", "q", *NO), ("b", "q", *NO))
    assert gone(judged(both, "first_source")[1]) == (["a", "a", "b"], {"contradiction_tie"})


@pytest.mark.parametrize("policy", ["drop", "majority", "first_source"])
def test_only_pairs_that_are_still_in_count(policy):
    table = pairs(("a", "q", *YES), ("b", "q", *NO), ("c", "q", *NO))
    left = survivors(table, "abc").filter(pl.col("source") != "a")
    signal, made = judged(table, policy, left)
    assert set(signal["against_label"]) == {1, 2}
    assert made.is_empty()


@pytest.mark.parametrize("policy", ["drop", "majority", "first_source"])
def test_after_any_policy_no_contradiction_is_left(policy):
    rows = [
        (source, f"q{n}", *(YES if (n * 7 + k * 5) % 3 else NO))
        for n in range(40)
        for k, source in enumerate("abc")
    ]
    table = pairs(*rows)
    signal, made = judged(table, policy)
    assert not made.is_empty()
    kept = survivors(table, "abc").join(made, on=["source", "pair_id"], how="anti")
    assert decide("contradictions", kept, signal, Rule()).is_empty()
    assert kept.height >= sum(len({row[2] for row in rows if row[1] == f"q{n}"}) == 1 for n in range(40))


def test_priority_names_whose_label_stays_before_the_recipes_order():
    table = pairs(("a", "q", *YES), ("b", "q", *NO), ("c", "q", *NO))
    signal = pl.from_arrow(run_signal("contradictions", {"pairs": table.lazy()}))

    def lost(*priority):
        params = Rule(policy="first_source", priority=list(priority))
        return gone(decide("contradictions", survivors(table, "abc"), signal, params))

    assert lost() == (["b", "c"], {"contradiction_later_source"})
    assert lost("c") == lost("c", "a") == lost("b") == (["a"], {"contradiction_later_source"})
    assert lost("a", "c") == (["b", "c"], {"contradiction_later_source"})


def test_a_priority_that_would_decide_nothing_is_an_error():
    with pytest.raises(ValueError, match="priority decides nothing under the policy majority"):
        Rule(policy="majority", priority=["a"])
