"""Length bias: after the rule, length alone does not tell which completion was chosen."""

from __future__ import annotations

import gzip
import json
import math

import numpy as np
import polars as pl
import pytest
from filter_frames import pairs, row
from hypothesis import given, settings
from hypothesis import strategies as st

from filters._apply import decide, run_signal, with_signal
from filters._strata import bounded_weights, strata
from filters.length_bias import Rule, report, rule


def frames(lengths, source="s", order=0, start=0, margins=None):
    """Survivors and signal of one source whose completions have these lengths `(chosen, rejected)`."""
    names = [f"{source}{start + number}" for number in range(len(lengths))]
    logs = [math.log(chosen / rejected) if chosen and rejected else None for chosen, rejected in lengths]
    signal = {
        "pair_id": names,
        **{
            f"{side}_{unit}": [pair[place] // size for pair in lengths]
            for unit, size in (("chars", 1), ("words", 5), ("tokens", 4))
            for place, side in enumerate(("chosen", "rejected"))
        },
        "log_ratio": logs,
        "margin": [None] * len(names) if margins is None else list(margins),
    }
    numbers = dict.fromkeys(("log_ratio", "margin"), pl.Float64)
    schema = {"pair_id": pl.String, **dict.fromkeys(list(signal)[1:7], pl.Int64), **numbers}
    return pl.DataFrame([row(source, name, order) for name in names]), pl.DataFrame(signal, schema=schema)


def biased(count=2000, seed=5, tilt=1.5):
    """Lengths where the chance that the longer one is chosen grows with the difference."""
    chance = np.random.default_rng(seed)
    both = np.exp(chance.normal(5.5, 0.7, (count, 2))).astype(int) + 1
    difference = np.log(both[:, 0] / both[:, 1])
    swap = chance.random(count) > 1 / (1 + np.exp(-tilt * difference))
    both[swap] = both[swap][:, ::-1]
    return [(int(chosen), int(rejected)) for chosen, rejected in both]


def after(rows, signal, params):
    made = decide("length_bias", rows, signal, params)
    joined = with_signal("length_bias", rows, signal).join(
        made.select("source", "pair_id", "action", weight="value"), on=["source", "pair_id"], how="left"
    )
    kept = joined.filter(pl.col("action").ne_missing("drop"))
    return made, kept if params.policy == "weight" else kept.drop("weight")


def auc(frame):
    return dict(report(frame).select("source", "auc").iter_rows())


def test_lengths_are_counted_in_characters_and_words_over_all_messages():
    table = pairs(("s", "q", "né e\u0301t", "three little words"), ("s", "z", "一二三", "x"))
    signal = pl.from_arrow(run_signal("length_bias", {"pairs": table.lazy()}))
    told = {tuple(values[1:5]): values[7] for values in signal.rows()}
    assert told == {(5, 18, 2, 3): pytest.approx(math.log(5 / 18)), (3, 1, 1, 1): pytest.approx(math.log(3))}


def test_a_completion_without_text_has_no_ratio_and_the_rule_abstains():
    picture = [{"role": "assistant", "content": ""}]
    table = pairs(("s", "q", "yes", "no")).with_columns(chosen=pl.Series([picture]))
    assert run_signal("length_bias", {"pairs": table.lazy()})["log_ratio"].to_pylist() == [None]
    rows, signal = frames([(0, 40), (40, 0), (0, 0)] * 50)
    for policy in ("match", "weight", "cap"):
        assert decide("length_bias", rows, signal, Rule(policy=policy)).is_empty()


def test_the_auc_of_length_alone_is_what_its_definition_says():
    rows, signal = frames([(9, 1), (1, 4), (5, 5)])
    differences = [8, -3, 0]
    told = sum((a > -b) + 0.5 * (a == -b) for a in differences for b in differences) / 9
    made = report(with_signal("length_bias", rows, signal)).row(0, named=True)
    assert made == {"source": "s", "pairs": 3, "longer_share": 0.5, "auc": pytest.approx(told)}
    assert auc(with_signal("length_bias", *frames([(9, 1)] * 5))) == {"s": 1.0}


def test_matching_takes_length_out_of_biased_labels():
    rows, signal = frames(biased())
    assert auc(with_signal("length_bias", rows, signal))["s"] > 0.7
    made, kept = after(rows, signal, Rule())
    assert 0.47 <= auc(kept)["s"] <= 0.53
    assert report(kept)["longer_share"][0] == pytest.approx(0.5)
    assert made.height < 0.5 * rows.height
    assert set(made["reason"]) <= {"longer_wins_surplus", "shorter_wins_surplus"}
    longer = made.filter(reason="longer_wins_surplus")
    assert (longer["value"] > 0).all()
    assert longer.height > 0.9 * made.height


def test_which_pairs_of_a_surplus_go_does_not_follow_their_ids():
    rows, signal = frames([(20, 10)] * 90 + [(10, 20)] * 30)
    gone = decide("length_bias", rows, signal, Rule())["pair_id"].str.slice(1).cast(pl.Int64)
    assert gone.len() == 60
    assert 20 < (gone < 45).sum() < 40


def test_matching_works_inside_each_source_and_over_all_when_asked():
    one, other = frames(biased(seed=1), "one"), frames(biased(seed=2, tilt=-1.5), "other", 1)
    rows, signal = pl.concat([one[0], other[0]]), pl.concat([one[1], other[1]])
    _, kept = after(rows, signal, Rule())
    assert all(0.47 <= value <= 0.53 for value in auc(kept).values())
    over_all, loose = after(rows, signal, Rule(per_source=False))
    assert over_all.height < 0.2 * rows.height
    assert auc(loose)["one"] > 0.6
    assert 0.47 <= auc(loose.with_columns(source=pl.lit("all")))["all"] <= 0.53


def test_opposite_biases_of_two_criteria_do_not_hide_each_other():
    one, other = frames(biased(seed=1)), frames(biased(seed=2, tilt=-1.5), start=2000)
    rows = pl.concat(
        [one[0].with_columns(criterion=pl.lit("helpful")), other[0].with_columns(criterion=pl.lit("harmless"))]
    )
    signal = pl.concat([one[1], other[1]])
    before = with_signal("length_bias", rows, signal)
    assert auc(before)["s"] == pytest.approx(0.5, abs=0.03)
    assert (report(before, ["source", "criterion"])["auc"] - 0.5).abs().min() > 0.2
    assert (report(after(rows, signal, Rule())[1], ["source", "criterion"])["auc"] - 0.5).abs().max() < 0.03


def test_weighting_takes_length_out_without_dropping():
    rows, signal = frames([*biased(), *[(30, 30)] * 100])
    made, kept = after(rows, signal, Rule(policy="weight", max_weight=20))
    assert set(made["action"]) == {"weight"}
    assert made.height == rows.height  # equal lengths too: the mean is theirs as well
    assert kept["weight"].mean() == pytest.approx(1)
    assert 0.47 <= auc(kept)["s"] <= 0.53


def test_weights_stay_in_their_bounds():
    rows, signal = frames([(500, 20)] * 400 + [(20, 500)] * 4)
    made = decide("length_bias", rows, signal, Rule(policy="weight", max_weight=3))
    assert made["value"].max() == pytest.approx(3)
    assert made["value"].mean() == pytest.approx(1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=60), st.floats(1.01, 50))
def test_bounded_weights_have_mean_one_keep_their_order_and_their_bounds(raw, limit):
    values = np.array(raw)
    made = bounded_weights(values, limit)
    assert made.mean() == pytest.approx(1)
    assert made.min() >= 1 / limit - 1e-9
    assert made.max() <= limit + 1e-9
    assert (np.diff(made[np.argsort(values)]) >= 0).all()


def test_a_cap_drops_only_what_is_over_the_ratio_on_either_side():
    rows, signal = frames([(80, 10), (81, 10), (10, 81), (10, 10), (0, 10)])
    made = decide("length_bias", rows, signal, Rule(policy="cap", ratio=8))
    assert made.select("pair_id", "reason").rows() == [("s1", "length_ratio"), ("s2", "length_ratio")]


def test_equal_lengths_share_a_stratum_and_small_sources_have_few():
    made = strata(np.array([1] * 60 + [2] * 60), 10)
    assert made.tolist() == [0] * 60 + [1] * 60
    assert set(strata(np.arange(99), 10)) == {0}
    assert len(set(strata(np.arange(5000), 10))) == 10


@pytest.mark.parametrize("policy", ["match", "weight"])
def test_the_order_of_rows_decides_nothing(policy):
    rows, signal = frames(biased(400))
    made = decide("length_bias", rows, signal, Rule(policy=policy))
    assert not made.is_empty()
    mixed = decide("length_bias", rows.sample(fraction=1, shuffle=True), signal.reverse(), Rule(policy=policy))
    assert mixed.equals(made)


def test_a_grown_source_drops_the_same_pairs_of_an_unchanged_stratum():
    rows, signal = frames([(20, 10)] * 60 + [(10, 20)] * 30)
    more = frames([(900, 100)] * 40 + [(100, 900)] * 50, start=90)
    small = decide("length_bias", rows, signal, Rule())
    grown = decide("length_bias", pl.concat([rows, more[0]]), pl.concat([signal, more[1]]), Rule(bins=2))
    assert grown.filter(pl.col("pair_id").is_in(small["pair_id"].to_list())).height == small.height == 30


def hh(folder):
    for line in gzip.decompress((folder / "test.jsonl.gz").read_bytes()).decode().split("\n")[:-1]:
        sides = json.loads(line)
        yield tuple(sides[side].rpartition("\n\nAssistant:")[2].strip() for side in ("chosen", "rejected"))


def pandalm(folder):
    for native in json.loads((folder / "testset-v1.json").read_text()):
        votes = [native[f"annotator{n}"] for n in (1, 2, 3)]
        sides = native["response1"], native["response2"]
        if votes.count(1) != votes.count(2):
            yield sides if votes.count(1) > votes.count(2) else sides[::-1]


def ukp(folder):
    for path in sorted(folder.glob("*.csv")):
        for line in path.read_text(encoding="utf-8").splitlines()[1:]:
            _, label, one, other = line.split("\t")
            yield (one, other) if label == "a1" else (other, one)


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("hh-rlhf/helpful-base", hh),
        ("hh-rlhf/harmless-base", hh),
        ("pandalm", pandalm),
        ("ukp-convarg1-strict", ukp),
    ],
)
@pytest.mark.parametrize("policy", ["match", "weight"])
def test_length_says_nothing_about_real_labels_after_the_rule(real_data, name, read, policy):
    texts = [sides for sides in read(real_data / name) if all(isinstance(side, str) and side for side in sides)]
    rows, signal = frames([(len(chosen), len(rejected)) for chosen, rejected in texts])
    before = auc(with_signal("length_bias", rows, signal))["s"]
    _, kept = after(rows, signal, Rule(policy=policy))
    print(f"{name} {policy}: {rows.height} pairs, AUC {before:.3f} -> {auc(kept)['s']:.3f}, {kept.height} kept")
    assert abs(before - 0.5) > 0.05
    assert 0.47 <= auc(kept)["s"] <= 0.53


def test_a_flipped_pair_counts_with_its_lengths_swapped():
    rows = [
        row(
            "a",
            f"{number:032x}",
            flipped=number >= 5,
            chosen_chars=90,
            rejected_chars=10,
            log_ratio=math.log(9),
            margin=1.0,
        )
        for number in range(10)
    ]
    survivors = pl.DataFrame(rows)
    assert rule(survivors, Rule(bins=1)).is_empty(), "five longer and five, turned round, shorter winners balance"
    made = rule(survivors.with_columns(flipped=pl.lit(False)), Rule(bins=1, max_dropped=1))
    assert made["action"].to_list() == ["drop"] * 10


def test_matching_balances_pairs_and_then_their_weights():
    rows, signal = frames([(20, 10)] * 60 + [(10, 20)] * 30)
    weighed = rows.with_columns(weight=pl.Series([1.0] * 60 + [2.0] * 30))
    made = decide("length_bias", weighed, signal, Rule())
    assert made.filter(action="drop").height == 30, "a trainer that ignores weights sees the balance as well"
    factors = weighed.join(made.filter(action="weight"), on=["source", "pair_id"])
    assert made.filter(action="weight")["reason"].unique().to_list() == ["length_balance"]
    assert factors.height == 60
    assert (factors["weight"] * factors["value"]).to_numpy() == pytest.approx(4 / 3), "the mean weight of before"
    assert decide("length_bias", rows, signal, Rule()).height == 30
    half = rows.with_columns(weight=pl.Series([0.5] * 60 + [None] * 30, dtype=pl.Float64))
    made = decide("length_bias", half, signal, Rule(policy="weight"))
    assert made["value"].to_list() == pytest.approx([1.0] * 90), "alike already, by weight"


def dropped(rows, signal):
    return set(decide("length_bias", rows, signal, Rule())["pair_id"])


def test_what_seed_models_hold_wrong_goes_first():
    lengths = [(200, 100)] * 60 + [(100, 200)] * 30
    margins = np.array([1.0] * 30 + [-1.0] * 20 + [np.nan] * 10 + [1.0] * 30)
    wrong = {f"s{number}" for number in range(30, 50)}
    for habit in (0.0, 3.0, -3.0):  # what the models give for length itself
        leaning = margins + habit * np.array([1] * 60 + [-1] * 30)
        rows, signal = frames(lengths, margins=[None if np.isnan(one) else one for one in leaning])
        gone = dropped(rows, signal)
        assert wrong < gone
        assert len(gone) == 30
    rows, signal = frames(lengths, margins=[None if np.isnan(one) else one for one in margins])
    gone = dropped(rows.with_columns(flipped=pl.Series([number in (60, 61) for number in range(90)])), signal)
    assert len(gone) == 34
    assert wrong | {"s60", "s61"} < gone, "turned round they are longer winners that the models hold wrong"


def test_seed_models_that_agree_with_too_few_labels_pick_nobody():
    lengths, by_hash = biased(600), dropped(*frames(biased(600)))
    sides = np.where([chosen > rejected for chosen, rejected in lengths], 1.0, -1.0)
    assert dropped(*frames(lengths, margins=np.where(np.arange(600) < 280, 1.0, -1.0))) == by_hash
    assert dropped(*frames(lengths, margins=sides)) == by_hash, "all right within the larger side: the hash draws"
    assert dropped(*frames(lengths, margins=np.where(np.arange(600) < 400, 1.0, -1.0))) != by_hash


def test_margins_of_models_count_in_units_of_their_own():
    table = pairs(("s", "q", "a good answer", "bad"), ("s", "z", "yes it is", "no"))
    rewards = []
    for place, (chosen, rejected) in enumerate(table.select("chosen_id", "rejected_id").iter_rows()):
        for model, size in (("large", 100.0), ("small", 0.1)):
            sign = 1.0 if model == "large" or place == 0 else -1.0
            rewards += [(model, chosen, sign * size), (model, rejected, 0.0)]
    rewards = pl.DataFrame(rewards, schema=["model", "completion_id", "reward"], orient="row")
    found = pl.from_arrow(run_signal("length_bias", {"pairs": table.lazy(), "rewards": rewards.lazy()}))
    told = dict(found.select("pair_id", "margin").iter_rows())
    assert [told[pair_id] for pair_id in table["pair_id"]] == [1.0, 0.0]
    without = pl.from_arrow(run_signal("length_bias", {"pairs": table.lazy()}))
    assert without["margin"].null_count() == 2
