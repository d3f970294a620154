"""Formatting bias: counted as readers see it, and taken out of the labels by the rules of length."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from filter_frames import pairs, row

from filters._apply import decide, run_signal, with_signal
from filters.formatting_bias import KINDS, Rule, report

RICH = "# Plan\n\n- **one** thing\n- two\n1. three\n2) four\n\n## More 🎉 and __bold type__ 😀"
PLAIN = "#hashtag is no heading, 5 * 3 * 2 is no bold, -1 no list\n2024. was a year"


def counts(text):
    made = run_signal("formatting_bias", {"pairs": pairs(("s", "q", text, "x")).lazy()}).to_pylist()[0]
    return [made[f"chosen_{kind}"] for kind in KINDS]


def test_headings_list_items_bold_spans_and_emoji_are_counted():
    assert counts(RICH) == [2, 4, 2, 2, 0]
    assert counts(PLAIN) == [0, 0, 0, 0, 0]


def test_what_is_inside_code_decorates_nothing():
    script = "# set up\n- a **b** c\nclass A:\n    def __init__(self): print('🎉')\n"
    for fenced in (
        f"```python\n{script}```",
        f"~~~\n{script}~~~\n",
        f"1. so:\n   ```\n{script}   ```",
        f"```\n{script}",
    ):
        assert counts(fenced) == [0, int(fenced[0] == "1"), 0, 0, 1]
    both = f"# One\n```sh\n{script}```\n\n## Two `**kwargs` and ``a ` b``\n```\n{script}```\n- `item`"
    assert counts(both) == [2, 1, 0, 0, 5]


def test_names_with_underscores_are_not_bold():
    assert counts("call __init__ of a__b c__d, or __main__.py") == [0, 0, 0, 0, 0]
    assert counts("(__do it__), __Note:__ and __two words__.") == [0, 0, 3, 0, 0]


def test_signs_that_only_their_variant_makes_an_emoji_are_counted():
    assert counts("❤️ is one, ❤ is text, 1️⃣ one, 2 none") == [0, 0, 0, 2, 0]


def frames(marks, kind="bold", **facts):
    """Survivors and signal of pairs with so many marks `(chosen, rejected)` of one kind."""
    names = [f"p{number:04}" for number in range(len(marks))]
    signal = {f"{side}_{each}": [0] * len(marks) for side in ("chosen", "rejected") for each in KINDS}
    signal[f"chosen_{kind}"], signal[f"rejected_{kind}"] = map(list, zip(*marks, strict=True))
    rows = [row("s", name, **{key: values[n] for key, values in facts.items()}) for n, name in enumerate(names)]
    return pl.DataFrame(rows), pl.DataFrame({"pair_id": names, **signal})


def tilted(count=1500, seed=3):
    """Marks where the more formatted one wins three times in four."""
    chance = np.random.default_rng(seed)
    both = chance.poisson(4, (count, 2))
    swap = (both[:, 0] < both[:, 1]) ^ (chance.random(count) < 0.25)
    both[swap] = both[swap][:, ::-1]
    return [(int(a), int(b)) for a, b in both]


def after(rows, signal, params):
    made = decide("formatting_bias", rows, signal, params)
    joined = with_signal("formatting_bias", rows, signal)
    told = made.select("source", "pair_id", "action", factor="value")
    left = joined.join(told, on=["source", "pair_id"], how="left").filter(pl.col("action").ne_missing("drop"))
    return made, left.with_columns(weight="factor" if params.policy == "weight" else pl.lit(1.0))


@pytest.mark.parametrize("policy", ["match", "weight"])
@pytest.mark.parametrize(("kind", "measure"), [("bold", "all"), ("emoji", "emoji")])
def test_after_the_rule_formatting_alone_says_nothing(policy, kind, measure):
    rows, signal = frames(tilted(), kind)
    assert report(with_signal("formatting_bias", rows, signal))["auc"][0] > 0.7
    made, left = after(rows, signal, Rule(policy=policy, measure=measure))
    assert report(left, measure=measure)["auc"][0] == pytest.approx(0.5, abs=0.03)
    reasons = {"formatting_balance"} if policy == "weight" else {"formatted_wins_surplus", "plain_wins_surplus"}
    assert set(made["reason"]) <= reasons


def test_code_counts_where_it_is_asked_for_alone():
    rows, signal = frames(tilted(), "code")
    assert decide("formatting_bias", rows, signal, Rule()).is_empty()
    assert report(after(rows, signal, Rule(measure="code"))[1], measure="code")["auc"][0] == pytest.approx(
        0.5, abs=0.03
    )


def test_another_kind_than_the_measured_one_is_left_alone():
    rows, signal = frames(tilted(), "headings")
    assert decide("formatting_bias", rows, signal, Rule(measure="emoji")).is_empty()


def test_a_cap_drops_pairs_over_the_ratio_on_either_side():
    rows, signal = frames([(7, 0), (8, 0), (0, 8), (3, 3)])
    made = decide("formatting_bias", rows, signal, Rule(policy="cap", ratio=8))
    assert made.select("pair_id", "reason").rows() == [
        ("p0001", "formatting_ratio"),
        ("p0002", "formatting_ratio"),
    ]
    assert made["value"].to_list() == pytest.approx([math.log(9), -math.log(9)])


def test_a_flipped_pair_counts_the_other_way_round():
    marks = [(5, 1)] * 10
    assert decide("formatting_bias", *frames(marks, flipped=[n < 5 for n in range(10)]), Rule()).is_empty()
    assert decide("formatting_bias", *frames(marks), Rule(max_dropped=1))["action"].to_list() == ["drop"] * 10
