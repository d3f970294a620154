"""Cycles of preferences, against networkx."""

from __future__ import annotations

import networkx as nx
import numpy as np
import polars as pl
import pytest
from filter_frames import pairs, survivors
from hypothesis import given, settings
from hypothesis import strategies as st

from filters._apply import decide, run_signal
from filters._cycles import cycles, strong_components
from filters.contradictions import Rule

EDGES = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda edge: edge[0] != edge[1]), max_size=30
)


def decided(table, left=None, **params):
    signal = pl.from_arrow(run_signal("contradictions", {"pairs": table.lazy()}))
    return decide("contradictions", survivors(table) if left is None else left, signal, Rule(**params))


def labels(*sides, source="a", prompt="q", criterion="overall"):
    """`labels("AB", "BC")`: A over B, B over C."""
    return [(source, prompt, chosen, rejected, criterion) for chosen, rejected in sides]


@given(EDGES)
def test_components_are_those_of_networkx(edges):
    tails, heads = (np.array([edge[side] for edge in edges], np.int64) for side in (0, 1))
    graph = nx.DiGraph(edges)
    graph.add_nodes_from(range(10))
    expected = {node: min(members) for members in nx.strongly_connected_components(graph) for node in members}
    assert dict(enumerate(strong_components(tails, heads, 10).tolist())) == expected


@settings(deadline=None, max_examples=50)
@given(st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from("xy"))), st.randoms())
def test_the_pairs_on_cycles_are_those_of_networkx(made, random):
    rows = [
        {"pair_id": f"{a}{b}{c}", "criterion": c, "chosen_id": f"c{a}", "rejected_id": f"c{b}"}
        for a, b, c in sorted(made)
        if a != b
    ]
    expected = {}
    for criterion in "xy":
        mine = [each for each in rows if each["criterion"] == criterion]
        graph = nx.DiGraph([(each["chosen_id"], each["rejected_id"]) for each in mine])
        for members in nx.strongly_connected_components(graph):
            inside = [each for each in mine if {each["chosen_id"], each["rejected_id"]} <= members]
            expected |= {each["pair_id"]: (min(members), len(members)) for each in inside}
    random.shuffle(rows)
    schema = dict.fromkeys(("pair_id", "criterion", "chosen_id", "rejected_id"), pl.String)
    found = cycles(pl.LazyFrame(rows, schema=schema))
    assert {pair_id: tuple(rest) for pair_id, *rest in found.rows()} == expected
    assert found["pair_id"].is_sorted()


def test_a_ring_of_a_hundred_thousand_needs_no_recursion():
    nodes = np.arange(100_000)
    assert set(strong_components(nodes, np.roll(nodes, 1), len(nodes))) == {0}
    assert len(set(strong_components(nodes[:-1], nodes[1:], len(nodes)))) == len(nodes)


def test_a_cycle_goes_and_what_hangs_on_it_stays():
    table = pairs(*labels("AB", "BC", "CA", "AD", "EA"))
    made = decided(table)
    assert set(made["pair_id"]) == set(table["pair_id"][:3])
    assert set(made.select("action", "reason", "value").rows()) == {("drop", "preference_cycle", 3.0)}
    assert decided(table, cycles="keep").is_empty()


def test_a_cycle_across_sources_counts_and_one_across_criteria_or_prompts_does_not():
    assert decided(pairs(*labels("AB", "BC"), *labels("CA", source="b"))).height == 3
    assert decided(pairs(*labels("AB", "BC"), *labels("CA", criterion="harmlessness"))).is_empty()
    assert decided(pairs(*labels("AB", "BC"), *labels("CA", prompt="another"))).is_empty()


def test_a_cycle_across_criteria_counts_on_demand():
    table = pairs(*labels("AB", "BC"), *labels("CA", "CD", criterion="harmlessness"))
    made = decided(table, across_criteria=True)
    assert set(made["pair_id"]) == set(table["pair_id"][:3])
    assert set(made.select("reason", "value").rows()) == {("preference_cycle", 3.0)}
    assert decided(table, across_criteria=True, cycles="keep").is_empty()
    apart = pairs(*labels("AB", "BC"), *labels("CA", prompt="another", criterion="harmlessness"))
    assert decided(apart, across_criteria=True).is_empty()
    both = pairs(*labels("AB", "BC", "CA"), *labels("BA", "XY", criterion="harmlessness"))
    assert decided(both).height == 3
    assert set(decided(both, across_criteria=True)["reason"]) == {"contradiction"}


def test_ranked_answers_hold_no_cycle():
    assert decided(pairs(*labels(*(a + b for a in "ABCDEFG" for b in "ABCDEFG" if a < b)))).is_empty()


@pytest.mark.parametrize("policy", ["drop", "majority", "first_source"])
def test_two_contradictions_in_a_row_are_no_cycle(policy):
    table = pairs(*labels("AB", "BA", "BC", "CB"))
    assert "preference_cycle" not in set(decided(table, policy=policy)["reason"])


def test_a_cycle_that_an_earlier_rule_broke_does_not_count():
    table = pairs(*labels("AB", "BC", "CA"))
    assert decided(table, survivors(table)[1:]).is_empty()


def test_a_contradiction_that_goes_can_break_a_cycle_and_one_resolved_can_leave_it():
    table = pairs(*labels("AB", "BC", "CA"), *labels("BA", source="b"))
    assert sorted(decided(table)["reason"]) == ["contradiction", "contradiction"]
    kept = decided(table, policy="first_source")
    assert sorted(kept["reason"]) == ["contradiction_later_source", *["preference_cycle"] * 3]


def test_a_label_that_stands_in_two_sources_goes_from_both():
    table = pairs(*labels("AB", "BC", "CA"), *labels("AB", source="b"))
    assert sorted(decided(table)["source"]) == ["a", "a", "a", "b"]


def test_a_rule_without_survivors_decides_nothing():
    table = pairs(*labels("AB", "BC", "CA"))
    assert decided(table, survivors(table).clear()).is_empty()


def test_a_bridge_between_two_cycles_stays():
    table = pairs(*labels("AB", "BC", "CA", "DE", "EF", "FD", "CD"))
    bridge = table["pair_id"][6]
    assert cycles(table.lazy())["pair_id"].to_list() == sorted(set(table["pair_id"]) - {bridge})
    assert set(decided(table)["pair_id"]) == set(table["pair_id"]) - {bridge}
