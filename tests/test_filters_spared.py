"""A part of which matching would leave next to nothing is left alone, and the ledger says so."""

from __future__ import annotations

import polars as pl
import pytest
from test_filters_formatting_bias import frames as formatted
from test_filters_length_bias import frames

from filters import formatting_bias, length_bias
from filters._apply import decide


@pytest.fixture
def sides():
    """A source whose longer ones win 95 times in 100, and one where they do 60 times."""
    one = frames([(20, 10)] * 190 + [(10, 20)] * 10, "one")
    other = frames([(20, 10)] * 60 + [(10, 20)] * 40, "other", 1)
    return tuple(pl.concat(parts) for parts in zip(one, other, strict=True))


def told(made):
    found = made.group_by("source", "action", "reason", "value").len()
    return set(found.select("source", "action", "reason", "len").iter_rows())


def test_a_source_that_would_be_erased_stays_whole_and_the_ledger_says_why(sides):
    made = decide("length_bias", *sides, length_bias.Rule(max_dropped=0.89))
    kept = made.filter(action="keep")
    assert told(made) == {
        ("one", "keep", "would_drop_too_many", 200),
        ("other", "drop", "longer_wins_surplus", 20),
    }
    assert kept["value"].unique().to_list() == [0.9]


def test_up_to_the_limit_pairs_go(sides):
    made = decide("length_bias", *sides, length_bias.Rule())
    assert told(made) == {
        ("one", "drop", "longer_wins_surplus", 180),
        ("other", "drop", "longer_wins_surplus", 20),
    }


def test_over_all_sources_the_share_is_that_of_all_pairs(sides):
    rule = length_bias.Rule(per_source=False, max_dropped=0.7)
    assert decide("length_bias", *sides, rule).filter(action="drop").height == 200
    rule = length_bias.Rule(per_source=False, max_dropped=0.6)
    assert told(decide("length_bias", *sides, rule)) == {
        ("one", "keep", "would_drop_too_many", 200),
        ("other", "keep", "would_drop_too_many", 100),
    }


def test_weights_drop_nothing_and_are_never_spared(sides):
    made = decide("length_bias", *sides, length_bias.Rule(policy="weight", max_dropped=0))
    assert set(made["action"]) == {"weight"}


def test_formatting_has_the_same_floor():
    rows, signal = formatted([(5, 1)] * 20)
    made = decide("formatting_bias", rows, signal, formatting_bias.Rule())
    assert told(made) == {("s", "keep", "would_drop_too_many", 20)}
    assert (
        decide("formatting_bias", rows, signal, formatting_bias.Rule(max_dropped=1))["action"].unique().item()
        == "drop"
    )
