"""Reward disagreement as it is by default: who votes, what goes, and that lengths say no more afterwards."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from filter_frames import row
from pydantic import ValidationError

from filters._apply import decide, with_signal
from filters._strata import kept_alike, lean_auc
from filters.reward_disagreement import Rule, report
from pairs.errors import PrefmillError

MARGINS = pl.List(pl.Struct({"model": pl.String, "margin": pl.Float64}))


def frames(margins, differences=None, **facts):
    """Survivors and signal of one source; `margins` by model, None where a model abstains."""
    count = len(next(iter(margins.values())))
    each = [
        [
            {"model": name, "margin": float(own[place])}
            for name, own in sorted(margins.items())
            if own[place] is not None
        ]
        for place in range(count)
    ]
    signal = {
        "pair_id": [f"s{place:05}" for place in range(count)],
        "reward_margin": pl.Series([np.mean([one["margin"] for one in told]) if told else None for told in each]),
        "margins": pl.Series(each, dtype=MARGINS),
        "spread": [0.0] * count,
        "votes_against": [sum(one["margin"] < 0 for one in told) for told in each],
        "models": [len(told) for told in each],
        "silenced": [0] * count,
        "length_difference": [0] * count if differences is None else [int(value) for value in differences],
    }
    rows = [row(**{"source": "s", "pair_id": name, **{key: values[place] for key, values in facts.items()}})
            for place, name in enumerate(signal["pair_id"])]  # fmt: skip
    return pl.DataFrame(rows), pl.DataFrame(signal)


def noisy(count=2000, flips=0.2, seed=11, habit=0.0):
    """Margins of a sound model, length differences, and which labels were flipped; longer ones win 60%."""
    chance = np.random.default_rng(seed)
    differences = chance.normal(40, 150, count).round()
    flipped = chance.random(count) < flips
    return (
        np.where(flipped, -1, 1) * chance.normal(2, 1.2, count) + habit * differences / 100,
        differences,
        flipped,
    )


def places(made, action="drop"):
    return made.filter(action=action)["pair_id"].str.slice(1).cast(pl.Int64).to_numpy()


def test_what_the_votes_hold_wrong_goes_and_most_of_it_is():
    margins, differences, flipped = noisy()
    made = decide("reward_disagreement", *frames({"m": margins}, differences), Rule())
    gone = places(made)
    assert flipped[gone].mean() > 0.75
    assert flipped[gone].sum() > 0.85 * flipped.sum()
    assert 0.5 < made.filter(action="drop")["value"].max() < 0.65
    turned = decide("reward_disagreement", *frames({"m": margins}, differences), Rule(policy="flip"))
    assert turned["value"].max() < 0.5, "a label that is more likely right than wrong is not turned"
    assert len(places(decide("reward_disagreement", *frames({"m": margins}), Rule(below=0.1)))) < len(gone)
    assert len(places(decide("reward_disagreement", *frames({"m": margins}), Rule(quantile=0.05)))) == 100


def test_a_prior_from_the_estimated_noise_spares_clean_labels():
    margins, _, _ = noisy(flips=0)
    bold, careful = (
        decide("reward_disagreement", *frames({"m": margins}), Rule(prior=prior)).height
        for prior in ("even", "estimated")
    )
    assert careful < 0.01 * len(margins) < bold < 0.07 * len(margins)


def test_lengths_say_no_more_than_before_in_what_is_left():
    margins, differences, _ = noisy(habit=1.5)
    share = (differences > 0).mean()

    def longer_share(**params):
        made = decide("reward_disagreement", *frames({"m": margins}, differences), Rule(**params))
        weights = np.ones(len(margins))
        weights[places(made)] = 0
        weights[places(made, "weight")] = made.filter(action="weight")["value"].to_numpy()
        assert (weights == 0).sum() > 200
        assert weights.max() <= params.get("max_weight", 4.0) + 1e-9
        assert weights[weights > 0].mean() == pytest.approx(1, abs=0.02)
        return weights[differences > 0].sum() / weights.sum()

    assert longer_share(at_equal_length="no") > share + 0.05
    assert share - 0.02 < longer_share() <= share + 0.005
    assert longer_share(max_weight=1.2) <= share + 0.005


def test_no_stratum_loses_all_winners_of_its_smaller_side():
    differences = np.array([10] * 60 + [-10] * 40)
    gone = differences < 0
    right = np.linspace(0, 0.4, 100)
    left, weights = kept_alike(differences, gone, right, 4.0)
    assert np.flatnonzero(~left & gone).tolist() == list(range(90, 100)), "the most probable of them stay"
    assert weights[~left & gone].sum() / weights[~left].sum() == pytest.approx(0.4)
    assert weights.max() <= 4
    turned, same = kept_alike(-differences, gone, right, 4.0)
    assert np.array_equal(turned, left), "where the longer ones win less often, their winners are kept alike"
    assert np.array_equal(same, weights)
    untouched, ones = kept_alike(differences, ~gone & (right < 0.05), right, 4.0)
    assert np.array_equal(untouched, ~gone & (right < 0.05)), "the larger side may lose pairs without amends"
    assert (ones == 1).all()


@pytest.mark.parametrize("lean", [40, -40, 5, -5])
def test_the_auc_of_length_moves_no_further_from_one_half(lean):
    chance, turn = np.random.default_rng(0), np.sign(lean)
    differences = np.round(turn * chance.normal(abs(lean), 150, 1000))
    right = chance.random(1000)
    # Large differences go less often than small ones of the same stratum, and more so on the smaller side.
    gone = (right < 0.5) & ((np.abs(differences) < 120) | (turn * differences < 0))
    before = lean_auc(differences, np.ones(1000))
    left, weights = kept_alike(differences, gone, right, 4.0)
    after = lean_auc(differences, np.where(left, 0.0, weights))
    assert abs(after - 0.5) <= abs(before - 0.5) + 1e-6
    assert abs(abs(after - 0.5) - abs(before - 0.5)) < 0.01, "nor nearer than it was"
    assert weights[~left].mean() == pytest.approx(1, abs=0.01)


def test_a_model_that_contradicts_every_third_label_has_no_vote():
    margins, differences, _ = noisy()
    guess = np.random.default_rng(3).normal(0.2, 3, len(margins))
    alone, signal = (
        frames({"sound": margins}, differences),
        frames({"sound": margins, "guess": guess}, differences),
    )
    made = decide("reward_disagreement", *signal, Rule())
    assert made.equals(decide("reward_disagreement", *alone, Rule()))
    assert not made.equals(decide("reward_disagreement", *signal, Rule(min_agreement=0.5)))
    told = report(with_signal("reward_disagreement", *signal), Rule()).row(0, named=True)
    assert (told["modality"], told["models"], told["trusted"], told["abstains"]) == ("text", 2, 1, None)
    only = report(with_signal("reward_disagreement", *frames({"guess": guess})), Rule()).row(0, named=True)
    assert (only["trusted"], only["abstains"]) == (0, "rewards_disagree_too_often")


def test_modalities_of_one_source_are_judged_apart():
    margins, _, _ = noisy(800)
    kinds = ["text"] * 400 + ["image"] * 400
    made = decide("reward_disagreement", *frames({"m": [*margins[:400], *-margins[400:]]}, modality=kinds), Rule())
    assert made.height > 0
    assert places(made).max() < 400


def test_pairs_that_another_criterion_opposes_are_no_noise():
    margins, _, _ = noisy(600)
    worst = int(np.argmin(margins))
    ids = {"chosen_id": [f"c{n}" for n in range(601)], "rejected_id": [f"r{n}" for n in range(601)]}
    ids["chosen_id"][600], ids["rejected_id"][600] = ids["rejected_id"][worst], ids["chosen_id"][worst]
    told = {"m": [*margins, -margins[worst]]}

    def gone(criterion):
        table = frames(told, **ids, criterion=["overall"] * 600 + [criterion])
        made = decide("reward_disagreement", *table, Rule(below=0.5))
        return set(places(made))

    assert worst in gone("overall")
    assert worst not in gone("harmlessness")
    assert gone("overall") - {worst} == gone("harmlessness")


AGREE = {"policy": "keep_if_agree", "gold": "gold", "others": ["judge", "best-"], "at_equal_length": "no"}


def test_a_pair_stays_when_gold_and_one_of_the_others_agree():
    sound = np.abs(noisy(400)[0]) + 0.1
    gold, judge, best = sound.copy(), sound.copy(), sound.copy()
    gold[0], judge[1], best[1], judge[2], best[3] = -1, -1, -1, -1, -1
    silent = [*gold[:399], None]
    signal = frames({"gold-7": silent, "judge": judge, "best-1": best, "extra": -sound})
    made = decide("reward_disagreement", *signal, Rule(**AGREE))
    assert made.select("pair_id", "action", "reason").rows() == [
        ("s00000", "drop", "not_agreed"), ("s00001", "drop", "not_agreed")]  # fmt: skip
    assert made["value"].to_list() == [-1, gold[1]]
    against = frames({"gold-7": -gold, "judge": judge, "best-1": best})
    made = decide("reward_disagreement", *against, Rule(**AGREE))
    assert set(made.select("action", "reason").rows()) == {("keep", "rewards_disagree_too_often")}, "earn the vote"


def test_agreement_needs_models_that_are_named_and_there():
    signal = frames({"gold-7": np.ones(200), "judge": np.ones(200)})
    with pytest.raises(PrefmillError, match=r"no model 'best-' has scored these pairs, .*gold-7, judge"):
        decide("reward_disagreement", *signal, Rule(**AGREE))
    for lacking in ({"gold": "", "others": ["judge"]}, {"gold": "gold"}):
        with pytest.raises(ValidationError, match="needs the names of a gold model and of others"):
            Rule(policy="keep_if_agree", **lacking)


def test_agreement_drops_keep_lengths_as_they_were():
    margins, differences, _ = noisy(habit=1.5)
    signal = frames({"gold": margins, "judge": margins}, differences)
    made = decide(
        "reward_disagreement", *signal, Rule(**{**AGREE, "others": ["judge"], "at_equal_length": "weigh"})
    )
    weights = np.ones(len(margins))
    weights[places(made)] = 0
    weights[places(made, "weight")] = made.filter(action="weight")["value"].to_numpy()
    assert weights[differences > 0].sum() / weights.sum() <= (differences > 0).mean() + 0.005


def test_agreement_at_equal_length_drops_no_more_shorter_winners_than_longer_ones():
    margins, differences, _ = noisy(habit=1.5)
    signal = frames({"gold": margins, "judge": margins}, differences)

    def lost(how):
        made = decide(
            "reward_disagreement", *signal, Rule(**{**AGREE, "others": ["judge"], "at_equal_length": how})
        )
        gone = np.zeros(len(margins), bool)
        gone[places(made)] = True
        return gone[differences < 0].mean() - gone[differences > 0].mean()

    assert lost("no") > 0.2
    assert abs(lost("judge")) < 0.05
    followed = frames({"gold": margins, "judge": margins}, np.abs(differences) + 1)
    made = decide(
        "reward_disagreement", *followed, Rule(**{**AGREE, "others": ["judge"], "at_equal_length": "judge"})
    )
    assert set(made.select("action", "reason").rows()) == {("keep", "label_follows_length")}


def test_the_report_of_agreement_is_of_the_gold_model():
    sound = np.abs(noisy(400)[0]) + 0.1
    rule = Rule(**{**AGREE, "others": ["judge"]})
    signal = frames({"gold": -sound, "judge": sound, "extra": sound})
    told = report(with_signal("reward_disagreement", *signal), rule).row(0, named=True)
    assert (told["trusted"], told["agreement"], told["abstains"]) == (0, 0, "rewards_disagree_too_often")
    signal = frames({"gold": sound, "judge": sound, "extra": -sound})
    told = report(with_signal("reward_disagreement", *signal), rule).row(0, named=True)
    assert (told["trusted"], told["agreement"], told["abstains"]) == (1, 1, None)


def test_what_learned_the_labels_votes_only_where_its_unseen_kind_beats_chance():
    margins, differences, _ = noisy(1000)
    chance = np.random.default_rng(5)
    coins = chance.normal(0, 1, 1000)
    by_heart = np.abs(margins) + 0.1

    def judged(unseen):
        told = {"dynamics-1": by_heart * np.where(chance.random(1000) < 0.9, 1, -1)}
        signal = frames({**told, **({} if unseen is None else {"cross-fit-1": unseen})}, differences)
        made = decide("reward_disagreement", *signal, Rule())
        return made, report(with_signal("reward_disagreement", *signal), Rule()).row(0, named=True)

    for unseen in (coins, None):
        made, told = judged(unseen)
        assert set(made.select("action", "reason").rows()) == {("keep", "rewards_disagree_too_often")}
        assert told["trusted"] == 0
        assert told["abstains"] == "rewards_disagree_too_often"
    weak = coins + 0.2
    made, told = judged(weak)
    assert made.filter(action="drop").height > 50
    assert told["trusted"] == 1
    assert told["agreement"] == pytest.approx((weak > 0).mean()), "not that of the labels it was taught"


def test_where_min_trust_silences_the_models_the_ledger_says_so():
    margins, _, _ = noisy(200)
    rows, signal = frames({"m": [*margins[:100], *[None] * 100]}, source=["heard"] * 100 + ["unheard"] * 100)
    untrusted = signal.with_columns(silenced=pl.Series([0] * 100 + [2] * 100, dtype=pl.Int32))
    kept = decide("reward_disagreement", rows, untrusted, Rule()).filter(action="keep")
    assert set(kept.select("source", "reason").rows()) == {("unheard", "seed_models_not_trusted")}
    kept = decide("reward_disagreement", rows, signal, Rule()).filter(action="keep")
    assert set(kept.select("source", "reason").rows()) == {("unheard", "too_few_scored_pairs")}


@pytest.mark.parametrize(("longer", "shorter"), [(50, 50), (45, 55), (55, 45)])
def test_no_stratum_leans_further_to_either_side(longer, shorter):
    """Longer winners go from small differences and shorter ones from large: over all that evens out."""
    small, large = np.array([10] * longer + [-10] * shorter), np.array([1000] * longer + [-1000] * shorter)
    differences = np.concatenate([small, large])
    gone = np.concatenate([small > 0, large < 0]) & (np.arange(200) % 3 > 0)
    left, weights = kept_alike(differences, gone, np.linspace(0, 1, 200), 4.0)
    for size in (10, 1000):
        stays = ~left & (np.abs(differences) == size)
        share = weights[stays & (differences > 0)].sum() / weights[stays].sum()
        assert abs(share - 0.5) <= abs(longer / 100 - 0.5) + 1e-6
        assert weights[stays].mean() == pytest.approx(1)
    assert weights.max() <= 4
