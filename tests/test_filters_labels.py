"""Soft labels: what lengths say of them is what the loss will see, and rules balance that."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from test_filters_length_bias import biased, frames

from filters._apply import decide, with_signal
from filters.length_bias import Rule, report


def softened(lengths, soft):
    rows, signal = frames(lengths)
    return rows.with_columns(soft_label=pl.Series(soft, dtype=pl.Float64)), signal


def seen_by_the_loss(rows, signal, weight=None):
    """Each pair both ways round, by its label's probability and the complement."""
    table = with_signal("length_bias", rows, signal).drop("flipped")
    soft = table["soft_label"].fill_null(1.0)
    own = pl.Series([1.0] * len(soft)) if weight is None else weight
    straight = table.drop("soft_label").with_columns(weight=own * soft)
    turned = table.drop("soft_label").with_columns(
        weight=own * (1 - soft), chosen_chars="rejected_chars", rejected_chars="chosen_chars"
    )
    return report(pl.concat([straight, turned.select(straight.columns)]).filter(pl.col("weight") > 0))


def test_a_soft_label_counts_both_ways_in_the_report():
    rows, signal = softened([(9, 1), (1, 4), (5, 5), (2, 1)], [0.9, 0.2, None, None])
    made, told = report(with_signal("length_bias", rows, signal)), seen_by_the_loss(rows, signal)
    assert made["longer_share"][0] == pytest.approx((0.9 + 0.8 + 0.5 + 1) / 4)
    assert made["auc"][0] == pytest.approx(told["auc"][0])
    assert made["pairs"][0] == 4


def test_a_flipped_pair_counts_the_other_way_round_in_the_report():
    rows, signal = frames([(9, 1), (1, 4)])
    flipped = with_signal("length_bias", rows.with_columns(flipped=pl.Series([True, False])), signal)
    assert report(flipped)["longer_share"][0] == 0.0
    assert report(flipped.drop("flipped"))["longer_share"][0] == 0.5


@pytest.mark.parametrize("policy", ["match", "weight"])
def test_after_the_rule_length_says_nothing_about_soft_labels(policy):
    """Half of the pairs in which the shorter one won are held wrong: softened, the labels lean on length."""
    lengths = [*biased(1500, tilt=0.0), *[(40, 40)] * 20]
    doubted = np.random.default_rng(3).random(len(lengths)) < 0.5
    soft = [0.05 if doubt and a < b else None for doubt, (a, b) in zip(doubted, lengths, strict=True)]
    rows, signal = softened(lengths, soft)
    assert report(with_signal("length_bias", rows, signal))["auc"][0] > 0.65
    made = decide("length_bias", rows, signal, Rule(policy=policy))
    told = made.select("source", "pair_id", "action", factor="value")
    left = rows.join(told, on=["source", "pair_id"], how="left").filter(pl.col("action").ne_missing("drop"))
    left = left.sort("source_order", "source", "pair_id")
    weight = left["factor"] if policy == "weight" else None
    assert seen_by_the_loss(left.drop("factor", "action"), signal, weight)["auc"][0] == pytest.approx(
        0.5, abs=0.01
    )


def test_a_label_of_which_nothing_is_left_is_left_alone():
    rows, signal = softened([(20, 10)] * 4 + [(10, 20)] * 2, [0.5, 0.5, None, None, None, None])
    for policy in ("match", "weight"):
        made = decide("length_bias", rows, signal, Rule(policy=policy))
        assert not made.filter(pl.col("pair_id").is_in(["s0", "s1"])).height
        assert not made.filter(action="drop").height
