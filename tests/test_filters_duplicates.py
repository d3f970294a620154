"""Exact duplicates: the first source keeps the pair; swapped labels are not duplicates."""

from __future__ import annotations

import polars as pl
from filter_frames import pairs, survivors
from hypothesis import given, settings
from hypothesis import strategies as st

from filters._apply import decide, run_signal
from filters.duplicates import Rule


def judged(table, order=(), left=None, **params):
    signal = pl.from_arrow(run_signal("duplicates", {"pairs": table.lazy()}))
    return signal, decide("duplicates", survivors(table, order) if left is None else left, signal, Rule(**params))


def test_the_first_source_of_the_recipe_keeps_the_pair():
    table = pairs(
        ("a", "q", "yes", "no"), ("b", "q\r\n", "yes ", "no"), ("c", "q", "yes", "no"), ("c", "z", "1", "2")
    )
    pair_id = table["pair_id"][0]
    for order, gone in ((["a", "b", "c"], ["b", "c"]), (["c", "b", "a"], ["a", "b"])):
        made = judged(table, order)[1]
        assert made.select("source", "pair_id", "action", "reason", "by").rows() == [
            (source, pair_id, "drop", "exact_duplicate", pair_id) for source in gone
        ]


def test_a_source_of_priority_keeps_the_pair_whatever_the_recipe_s_order():
    table = pairs(("a", "q", "yes", "no"), ("b", "q", "yes", "no"), ("c", "q", "yes", "no"))
    signal, left = judged(table)[0], survivors(table, "abc")
    for priority, gone in ((["c"], ["a", "b"]), (["b", "a"], ["a", "c"]), (["a"], ["b", "c"])):
        made = decide("duplicates", left, signal, Rule(priority=priority))
        assert made["source"].to_list() == gone


def test_swapped_labels_are_one_cluster_and_none_of_them_is_dropped():
    table = pairs(("a", "q", "yes", "no"), ("b", "q", "no", "yes"), ("c", "q", "no", "yes"))
    signal, made = judged(table)
    assert signal["cluster"].n_unique() == 1
    assert signal["cluster_size"].to_list() == [3, 3]
    assert made.select("source", "pair_id").rows() == [("c", table["pair_id"][2])]


def test_another_criterion_prompt_or_picture_is_no_duplicate():
    table = pl.concat(
        [
            pairs(("a", "q", "yes", "no", "helpfulness"), ("a", "q", "yes", "no", "harmlessness")),
            pairs(("b", "q", "yes", "no"), ("b", "q two", "yes", "no")),
            pairs(("c", "q", "yes", "no"), images=["1" * 32]),
        ]
    )
    signal, made = judged(table, across_criteria=False)
    assert signal["cluster_size"].to_list() == [1] * 5
    assert made.is_empty()
    sizes = table.join(signal, on="pair_id", how="left", maintain_order="left")["comparison_size"]
    assert sizes.to_list() == [3, 3, 3, 1, 1]


def gone(table, order, **params):
    """Numbers of the rows that go, with the number of the row that stays."""
    numbers = {row: number for number, row in enumerate(table.select("source", "pair_id").rows())}
    of = {pair_id: number for (_, pair_id), number in reversed(numbers.items())}
    made = judged(table, order, **params)[1]
    return {numbers[source, pair]: of[by] for source, pair, by in made.select("source", "pair_id", "by").rows()}


def test_another_source_s_name_for_the_criterion_hides_no_copy():
    table = pairs(("a", "q", "yes", "no", "helpfulness"), ("b", "q", "yes", "no"), ("c", "q", "no", "yes"))
    assert gone(table, "abc") == {1: 0}
    assert gone(table, "bac") == {0: 1}
    assert gone(table, "abc", priority=["b"]) == {0: 1}
    assert gone(table, "abc", across_criteria=False) == {}


def test_what_one_source_says_under_two_criteria_stays_or_goes_together():
    table = pairs(
        ("a", "q", "yes", "no", "helpfulness"),
        ("a", "q", "yes", "no", "harmlessness"),
        ("b", "q", "yes", "no"),
        ("c", "q", "yes", "no", "harmlessness"),
        ("c", "q", "yes", "no", "helpfulness"),
    )
    least = table["pair_id"][:2].arg_min()
    assert gone(table, "abc") == {2: least, 3: 1, 4: 0}, "the pair of the same criterion is the one that is named"
    assert gone(table, "bca") == {0: 2, 1: 2, 3: 2, 4: 2}
    assert gone(table, "cab") == {0: 0, 1: 1, 2: least}
    assert gone(table, "abc", across_criteria=False) == {3: 1, 4: 0}


def test_a_pair_whose_twin_is_already_out_stays():
    table = pairs(("a", "q", "yes", "no"), ("b", "q", "yes", "no"))
    left = survivors(table).filter(pl.col("source") == "b")
    assert judged(table, left=left)[1].is_empty()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.booleans()), min_size=1, unique=True),
    st.randoms(),
)
def test_one_row_of_every_label_survives_whatever_the_order_of_rows(rows, random):
    made = [(source, f"q{prompt}", *(("no", "yes") if swap else ("yes", "no"))) for source, prompt, swap in rows]
    table = pairs(*made)
    signal, out = judged(table, "abc")
    kept = survivors(table, "abc").join(out, on=["source", "pair_id"], how="anti")
    assert sorted(kept["pair_id"]) == sorted(table["pair_id"].unique())
    random.shuffle(made)
    again = pairs(*made)
    assert judged(again, "abc")[0].equals(signal)
    assert decide("duplicates", survivors(again, "abc").sample(fraction=1, shuffle=True), signal, Rule()).equals(
        out
    )
