"""Reward disagreement: calibrated, at equal length, and silent where the model is not to be trusted."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from filter_frames import pairs, row

from filters._apply import decide, run_signal, with_signal
from filters._calibration import (
    FLIP_LIMIT,
    fit_noise,
    judge,
    label_right,
    length_share,
    reward_scaling,
    wilson_low,
)
from filters.reward_disagreement import Rule, report

MARGINS = pl.List(pl.Struct({"model": pl.String, "margin": pl.Float64}))
# Starts from the estimated share of wrong labels, and judges at equal length.
CAREFUL = {"prior": "estimated", "at_equal_length": "judge", "below": 0.4, "min_agreement": 0.55}
QUIET = {"spread": 0.0, "votes_against": 0, "models": 1, "silenced": 0}


def frames(margins, differences=None, source="s", **facts):
    names = [f"{source}{number:05}" for number in range(len(margins))]
    differences = [0] * len(margins) if differences is None else [int(value) for value in differences]
    signal = pl.DataFrame(
        {
            "pair_id": names,
            "reward_margin": pl.Series([None if m is None else float(m) for m in margins], dtype=pl.Float64),
            "margins": pl.Series(
                [[] if m is None else [{"model": "m", "margin": float(m)}] for m in margins], dtype=MARGINS
            ),
            **{name: [value] * len(names) for name, value in QUIET.items()},
            "length_difference": differences,
        }
    )
    return pl.DataFrame([row(source, name, **facts) for name in names]), signal


def noisy(count=2000, flips=0.1, seed=11, habit=0.0):
    """Margins of a sound model over labels of which a share was flipped; returns margins, differences, flipped.

    `habit` is what the model adds per 100 characters, right or wrong; the labels know nothing of length.
    """
    chance = np.random.default_rng(seed)
    differences = chance.normal(0, 150, count).round()
    flipped = chance.random(count) < flips
    margins = np.where(flipped, -1, 1) * (chance.normal(2, 1.2, count)) + habit * differences / 100
    return margins, differences, flipped


def rewards_of(table, **margins):
    """Rewards by model from margins by prompt."""
    ids = {values["prompt"][0]["content"]: values for values in table.iter_rows(named=True)}
    rows = [
        {"model": model, "completion_id": ids[prompt][side], "reward": sign * margin / 2}
        for model, given in margins.items()
        for prompt, margin in given.items()
        for side, sign in (("chosen_id", 1), ("rejected_id", -1))
    ]
    return pl.DataFrame(rows, schema_overrides={"reward": pl.Float64}), {
        q: row["pair_id"] for q, row in ids.items()
    }


def told(table, rewards):
    made = run_signal("reward_disagreement", {"pairs": table.lazy(), "rewards": rewards.lazy()})
    return {values["pair_id"]: values for values in made.to_pylist()}


def test_the_signal_averages_models_in_log_odds_and_counts_votes():
    table = pairs(
        ("a", "q", "long yes", "no"), ("a", "z", "yes", "no"), ("b", "z", "yes", "no"), ("a", "y", "1", "2")
    )
    rewards, ids = rewards_of(table, big={"q": 30.0, "z": -10.0}, small={"q": 0.1, "z": math.nan})
    found = told(table, rewards)
    q, z, y = (found[ids[prompt]] for prompt in "qzy")
    margins = {one["model"]: one["margin"] for one in q["margins"]}
    assert list(margins) == ["big", "small"]
    assert q["reward_margin"] == pytest.approx(np.mean(list(margins.values())))
    assert q["spread"] == pytest.approx(np.std(list(margins.values())))
    assert (q["votes_against"], q["models"], q["length_difference"]) == (0, 2, 6)
    assert (z["reward_margin"], z["votes_against"], z["models"]) == (pytest.approx(-margins["big"] / 3), 1, 1)
    assert (y["reward_margin"], y["spread"], y["votes_against"], y["models"]) == (None, None, 0, 0)


def test_the_unit_of_a_model_does_not_matter_but_what_its_margins_tell_does():
    chance = np.random.default_rng(8)
    table = pairs(*(("a", f"q{n}", "yes", "no") for n in range(400)))
    truth = np.where(np.arange(400) < 340, 1, -1)
    sharp = dict(zip((f"q{n}" for n in range(400)), truth * chance.normal(3, 1, 400), strict=True))
    dull = dict(zip(sharp, chance.normal(0.3, 3, 400), strict=True))
    rewards, ids = rewards_of(table, sharp=sharp, dull=dull)
    found = told(table, rewards)
    unit = pl.when(pl.col("model") == "dull").then(1024.0).otherwise(1.0)
    again = told(table, rewards.with_columns(reward=pl.col("reward") * unit))
    margins = [found[ids[q]]["reward_margin"] for q in sharp]
    assert np.allclose(margins, [again[ids[q]]["reward_margin"] for q in sharp])
    assert np.corrcoef(margins, list(sharp.values()))[0, 1] > 0.95


def test_a_model_that_scores_everything_alike_has_no_vote():
    table = pairs(("a", "q", "yes", "no"))
    ids = table.row(0, named=True)
    rewards = pl.DataFrame(
        [{"model": "flat", "completion_id": ids[side], "reward": 1.0} for side in ("chosen_id", "rejected_id")]
    )
    made = run_signal("reward_disagreement", {"pairs": table.lazy(), "rewards": rewards.lazy()}).to_pylist()
    assert (made[0]["reward_margin"], made[0]["models"]) == (None, 0)


def test_a_model_that_contradicts_a_large_source_may_still_know_a_small_one():
    table = pairs(*(("a", f"q{n}", "yes", "no") for n in range(400)))
    margins = dict(zip((f"q{n}" for n in range(400)), np.where(np.arange(400) < 150, 2.0, -2.0), strict=True))
    rewards, ids = rewards_of(table, m=margins)
    found = told(table, rewards)
    assert found[ids["q0"]]["margins"] == [{"model": "m", "margin": 1.0}], "in units of their mean size"
    assert found[ids["q399"]]["votes_against"] == 1


def test_planted_flips_are_found():
    margins, differences, flipped = noisy()
    made = decide("reward_disagreement", *frames(margins, differences), Rule(**CAREFUL))
    picked = made["pair_id"].str.slice(1).cast(pl.Int64).to_numpy()
    assert set(made["action"]) == {"drop"}
    assert (made["value"] < 0.4).all()
    assert flipped[picked].mean() > 0.9
    assert flipped[picked].sum() > 0.65 * flipped.sum()


def test_never_more_than_the_quantile_goes_and_the_least_probable_go_first():
    margins, differences, _ = noisy()
    free = {**CAREFUL, "at_equal_length": "no"}
    all_of_them = decide("reward_disagreement", *frames(margins, differences), Rule(**free, quantile=1))
    few = decide("reward_disagreement", *frames(margins, differences), Rule(quantile=0.02, **free))
    assert all_of_them.height > few.height == 40
    assert few["value"].max() <= all_of_them.join(few, on="pair_id", how="anti")["value"].min()


def test_clean_labels_lose_hardly_anything():
    margins, differences, _ = noisy(flips=0)
    assert decide("reward_disagreement", *frames(margins, differences), Rule(**CAREFUL)).height < 0.01 * len(
        margins
    )


@pytest.mark.parametrize("policy", ["drop", "flip", "soften"])
def test_a_policy_names_its_action_on_the_same_pairs(policy):
    margins, differences, _ = noisy()
    rows = frames(margins, differences)
    made = decide("reward_disagreement", *rows, Rule(**CAREFUL, policy=policy, floor=0.1))
    assert set(made["action"]) == {policy}
    assert made["pair_id"].equals(decide("reward_disagreement", *rows, Rule(**CAREFUL))["pair_id"])
    if policy == "soften":
        assert made["value"].min() == 0.1
        assert made["value"].max() < 0.4


def test_weights_grow_with_the_probability_and_have_mean_one_per_source():
    margins, differences, flipped = noisy()
    made = decide(
        "reward_disagreement", *frames(margins, differences), Rule(**CAREFUL, policy="weight", max_weight=3)
    )
    assert made.height == len(margins)
    assert made["value"].mean() == pytest.approx(1)
    assert made["value"].is_between(1 / 3 - 1e-9, 3 + 1e-9).all()
    weights = made["value"].to_numpy()
    assert weights[flipped].mean() < 0.6 < 1 < weights[~flipped].mean()


def test_dynamic_scaling_lets_sure_pairs_count_up_to_half_more():
    assert reward_scaling(np.array([0.0, 0.2, 0.5])).tolist() == [1, 1, 1]
    odds = np.array([1.0, 4.0])
    found = reward_scaling(1 / (1 + np.exp(-odds)))
    assert found == pytest.approx(1 + 0.5 * (1 - np.exp(-0.5 * odds)))
    assert reward_scaling(np.array([1.0]))[0] == 1.5
    margins, differences, _ = noisy()
    free = {"policy": "weight", "at_equal_length": "no"}
    steep, flat = (
        decide("reward_disagreement", *frames(margins, differences), Rule(**free, scaling=scaling))["value"]
        for scaling in ("probability", "margin")
    )
    assert flat.mean() == pytest.approx(1)
    assert flat.max() / flat.min() == pytest.approx(1.5, abs=0.05)
    assert steep.max() / steep.min() > 3


def test_disagreement_at_equal_length_does_not_favour_the_longer():
    margins, differences, _ = noisy(flips=0.2, habit=1.5)
    share = (differences > 0).mean()

    def longer_share(**params):
        made = decide("reward_disagreement", *frames(margins, differences), Rule(**{**CAREFUL, **params}))
        assert made.height > 40
        gone = made["pair_id"].str.slice(1).cast(pl.Int64).to_numpy()
        return (np.delete(differences, gone) > 0).mean()

    assert longer_share(at_equal_length="no") > share + 0.02
    assert share - 0.01 < longer_share() <= share


def test_weights_at_equal_length_give_no_side_more():
    margins, differences, _ = noisy(habit=1.5)

    def of_longer(**params):
        made = decide(
            "reward_disagreement", *frames(margins, differences), Rule(**{**CAREFUL, "policy": "weight", **params})
        )
        weights = made.sort("pair_id")["value"].to_numpy()
        return weights[differences > 0].sum() / weights.sum()

    share = (differences > 0).mean()
    assert of_longer(at_equal_length="no") > share + 0.02
    assert of_longer() == pytest.approx(share, abs=0.005)


def test_margins_at_equal_length_find_more_flips_than_margins_as_they_stand():
    margins, differences, flipped = noisy(flips=0.2, habit=1.5)

    def found(**params):
        made = decide("reward_disagreement", *frames(margins, differences), Rule(**{**CAREFUL, **params}))
        return flipped[made["pair_id"].str.slice(1).cast(pl.Int64).to_numpy()].sum() / flipped.sum()

    assert found() > found(at_equal_length="no") + 0.3


def left_alone(made):
    return set(made.group_by("action", "reason").len().iter_rows())


def test_a_source_whose_labels_follow_length_is_left_alone():
    margins, differences, _ = noisy(habit=0.5)
    rows, signal = frames(margins, np.abs(differences) + 1)
    made = decide("reward_disagreement", rows, signal, Rule(**CAREFUL))
    assert left_alone(made) == {("keep", "label_follows_length", rows.height)}
    told = report(with_signal("reward_disagreement", rows, signal), Rule(**CAREFUL))
    assert told["abstains"].to_list() == ["label_follows_length"]


def test_a_model_that_agrees_little_or_has_too_few_rewards_is_not_followed():
    chance = np.random.default_rng(2)
    guess = frames(chance.normal(0.05, 1, 600), source="guess")
    against = frames(chance.normal(-1, 1, 600), source="against")
    few = frames([*chance.normal(1, 1, 99), *[None] * 50], source="few")
    rows, signal = (pl.concat(parts) for parts in zip(guess, against, few, strict=True))
    for policy in ("drop", "flip", "soften", "weight"):
        made = decide("reward_disagreement", rows, signal, Rule(**CAREFUL, policy=policy))
        assert left_alone(made) == {
            ("keep", "rewards_disagree_too_often", 1200), ("keep", "too_few_scored_pairs", 149)}  # fmt: skip
        guessed = made.filter(source="guess")["value"]
        assert guessed.n_unique() == 1, "the ledger has the agreement that was too low"
        assert 0.4 < guessed[0] < 0.55
    told = report(with_signal("reward_disagreement", rows, signal), Rule(**CAREFUL))
    assert told.select("source", "pairs", "without_rewards", "abstains").rows() == [
        ("against", 600, 0, "rewards_disagree_too_often"),
        ("few", 149, 50, "too_few_scored_pairs"),
        ("guess", 600, 0, "rewards_disagree_too_often"),
    ]


def test_agreement_counts_by_its_lower_bound():
    for agreeing, followed in ((336, False), (372, True)):  # 56% and 62% of 600: lower ends 0.52 and 0.58
        rows = frames([1.0] * agreeing + [-1.0] * (600 - agreeing))
        made = decide("reward_disagreement", *rows, Rule(**CAREFUL, policy="weight"))
        assert set(made["action"]) == ({"weight"} if followed else {"keep"})


def test_criteria_of_one_source_are_judged_apart():
    helpful = noisy(600, seed=1)[0]
    rows, signal = frames([*helpful, *-helpful])
    criterion = ["helpfulness"] * 600 + ["harmlessness"] * 600
    rows = rows.with_columns(criterion=pl.Series(criterion))
    made = decide("reward_disagreement", rows, signal, Rule(**CAREFUL))
    acted = made.filter(pl.col("action") != "keep")
    assert not acted.is_empty()
    assert acted["pair_id"].max() < "s00600"


def test_pairs_without_rewards_stay_and_are_counted():
    margins, differences, _ = noisy(500)
    rows, signal = frames([*margins, *[None] * 40], [*differences, *[0] * 40])
    made = decide("reward_disagreement", rows, signal, Rule(**CAREFUL, policy="weight"))
    assert made.height == 500
    assert report(with_signal("reward_disagreement", rows, signal), Rule(**CAREFUL))[
        "without_rewards"
    ].to_list() == [40]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_margin_that_is_not_finite_is_dropped_and_moves_no_other(number):
    margins, differences, _ = noisy(500)
    clean = decide("reward_disagreement", *frames(margins, differences), Rule(**CAREFUL))
    made = decide("reward_disagreement", *frames([*margins, number], [*differences, 0]), Rule(**CAREFUL))
    assert made["reason"].to_list().count("reward_disagreement_signal_missing") == 1
    assert made.filter(pl.col("reason") == "reward_disagreement").equals(clean)


@pytest.mark.parametrize("policy", ["drop", "weight"])
def test_the_order_of_rows_and_the_unit_of_rewards_decide_nothing(policy):
    margins, differences, _ = noisy(600)
    rows, signal = frames(margins, differences)
    made = decide("reward_disagreement", rows, signal, Rule(**CAREFUL, policy=policy))
    assert not made.is_empty()
    shuffled = rows.sample(fraction=1, shuffle=True)
    assert decide("reward_disagreement", shuffled, signal.reverse(), Rule(**CAREFUL, policy=policy)).equals(made)
    scaled = decide("reward_disagreement", *frames(margins * 1024, differences), Rule(**CAREFUL, policy=policy))
    assert scaled["pair_id"].equals(made["pair_id"])
    assert np.allclose(scaled["value"], made["value"])


@pytest.mark.parametrize("flips", [0.0, 0.1, 0.3])
def test_the_fit_finds_temperature_and_share_of_flips(flips):
    chance = np.random.default_rng(4)
    strength = chance.normal(0, 3, 40_000)
    right = chance.random(40_000) < 1 / (1 + np.exp(-np.abs(strength) / 0.7))
    margins = np.abs(strength) * np.where(right ^ (chance.random(40_000) < flips), 1, -1)
    temperature, rate = fit_noise(margins)
    assert temperature == pytest.approx(0.7, rel=0.05)
    assert rate == pytest.approx(flips, abs=0.01)
    assert fit_noise(-margins) is None


def test_a_fit_stays_in_bounds_where_margins_say_little_or_all():
    assert 0 < fit_noise(np.array([1.0, 2.0]))[0] < 0.05
    assert fit_noise(np.zeros(50)) is None
    coin = np.where(np.arange(4000) % 100 < 51, 5.0, -5.0)
    assert fit_noise(coin)[1] <= FLIP_LIMIT


def test_few_pairs_do_not_make_noise_out_of_chance():
    chance = np.random.default_rng(9)
    rates = []
    for _ in range(20):
        strength = np.abs(chance.normal(0, 2, 150))
        right = chance.random(150) < 1 / (1 + np.exp(-strength))
        rates.append(fit_noise(strength * np.where(right, 1, -1))[1])
    assert np.mean(rates) < 0.03


def test_probabilities_are_those_of_right_labels_not_of_agreement():
    chance = np.random.default_rng(6)
    margins, _, flipped = noisy(20_000, flips=0.2, seed=int(chance.integers(99)))
    right = label_right(margins, *fit_noise(margins))
    for low, high in ((0.0, 0.2), (0.2, 0.8), (0.8, 1.0)):
        where = (right >= low) & (right <= high)
        assert right[where].mean() == pytest.approx((~flipped)[where].mean(), abs=0.06)
    assert (label_right(np.array([-30.0, 0.0, 30.0]), 1.0, 0.0) == 1).all()


def test_of_several_views_the_one_that_finds_most_wrong_labels_counts():
    sharp = noisy(flips=0.2)[0]
    believing = np.abs(sharp)  # learned every label by heart
    alone, both = judge([sharp], 100, 0.55), judge([believing, sharp], 100, 0.55)
    assert both.flip_rate == alone.flip_rate > 0.15
    assert np.array_equal(both.probabilities, alone.probabilities)
    assert both.agreement == 1.0


def test_the_wilson_bound_is_the_published_one():
    assert wilson_low(0.5, 100) == pytest.approx(0.4038, abs=1e-4)
    assert wilson_low(1.0, 10) == pytest.approx(0.7225, abs=1e-4)


def test_the_reward_for_length_is_read_off_the_margins():
    margins, differences, _ = noisy(8000, habit=1.0)
    share = length_share(margins, differences)
    assert np.abs(share - differences / 100).mean() < 0.25
    one_sided = np.concatenate([np.tile([10.0, -10.0], 300), np.full(100, 900.0)])
    assert length_share(1 + 0.5 * np.sign(one_sided), one_sided)[-1] == 0.5  # the source's, for want of its own
    assert (length_share(margins, np.zeros(8000)) == 0).all()
    assert length_share(margins, np.abs(differences) + 1) is None
