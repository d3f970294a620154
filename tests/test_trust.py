"""Trust: by verified labels where a recipe names some, never by labels that a model has learned itself."""

from __future__ import annotations

import json
import random

import polars as pl
import pytest
from reward_server import RewardServer
from test_rewards_embedded import fill, own_cache, publish  # noqa: F401
from test_rewards_seeds import TEXTS, judge_by, recipe

from filters._trust import trust, trusted
from pairs.errors import PrefmillError, RecipeError
from pairs.tables import REWARDS
from pipelines import notes, scored, steps
from pipelines import trust as trusts
from pipelines.life import life
from rewards.load import load_reward_model
from rewards.train import TrainSettings, train

# The longer one of a pair is better, but this source's labels say the contrary.
BACKWARDS = [(f"other {n}", f"no {n}", f"a much longer answer {n}") for n in range(60)]
SOURCES = ("toy", "terse")


@pytest.fixture
def filled(store):
    fill(store, TEXTS)
    fill(store, BACKWARDS, source="terse")
    return store


def labels(store, name, right, count=60):
    """Lines of a gold file for the first pairs of a source."""
    ids = store.scan("pairs", [name]).select("pair_id").collect()["pair_id"].sort()[:count]
    return "".join(json.dumps({"pair_id": pair_id, "right": right}) + "\n" for pair_id in ids)


def by_cell(found):
    return {
        (row["source"], row["measured_on"]): (row["pairs"], row["agreement"], row["silent"])
        for row in found.iter_rows(named=True)
    }


def test_verified_labels_decide_whom_to_believe_where_there_are_some(tmp_path, filled):
    """A judge that is right where a source's labels are wrong has no vote by these labels, and has it by gold."""
    gold = tmp_path / "gold.jsonl"
    gold.write_text(labels(filled, "terse", right=False, count=40))
    with RewardServer(judge_by) as server:
        judge = f'[[rewards.servers]]\nkind = "vllm-classify"\nurl = "{server.url}"\nmodel = "judge"\n'
        plain = recipe(tmp_path, f"min_trust = 0.6\n{judge}", SOURCES)
        steps.score(filled, plain)
    assert by_cell(steps.trust(filled, plain)) == {
        ("toy", "labels"): (60, 1.0, False), ("terse", "labels"): (60, 0.0, True),
    }  # fmt: skip
    steps.signal(filled, plain, "reward_disagreement")
    made = recipe(tmp_path, f'min_trust = 0.6\ngold = "{gold}"\n{judge}', SOURCES)
    steps.signal(filled, made, "groups")
    assert by_cell(steps.trust(filled, made)) == {
        ("toy", "labels"): (60, 1.0, False), ("terse", "gold"): (40, 1.0, False),
    }  # fmt: skip
    assert steps.signal(filled, made, "reward_disagreement").changed
    assert set(steps.signals(filled, made, "reward_disagreement").collect()["models"]) == {1}
    assert not steps.signal(filled, made, "reward_disagreement").changed
    gold.write_text(labels(filled, "terse", right=True))
    assert steps.signal(filled, made, "reward_disagreement").changed
    votes = steps.pairs(filled, made).join(steps.signals(filled, made, "reward_disagreement"), on="pair_id")
    assert dict(votes.group_by("source").agg(pl.col("models").max()).collect().iter_rows()) == {
        "toy": 1, "terse": 0,
    }  # fmt: skip


def test_a_source_may_be_the_gold_of_another(tmp_path, filled):
    """Its pairs say which of two completions is better, also where the other source has them turned round."""
    fill(filled, [(prompt, rejected, chosen) for prompt, chosen, rejected in BACKWARDS[:20]], source="checked")
    made = recipe(tmp_path, 'gold = "checked"\n', (*SOURCES, "checked"))
    rewards = pl.concat(
        [
            filled.scan("pairs", ["terse"]).select(
                pl.lit("m").alias("model"), completion_id=pl.col(side), reward=pl.lit(reward)
            )
            for side, reward in (("chosen_id", 0.0), ("rejected_id", 1.0))
        ]
    )
    pairs = steps.training(filled, made)
    found = trust(pairs, rewards, trusts.gold(filled, made, pairs), {})
    cells = found.select("source", "measured_on", "pairs", "agreement").rows()
    assert sorted(cells) == [("checked", "gold", 20, 1.0), ("terse", "gold", 20, 1.0)]


def test_what_learned_the_labels_is_believed_as_far_as_its_cross_fitted_twin(tmp_path, filled):
    """Its own agreement is memory: by that it would never be silent."""
    made = recipe(tmp_path, "min_trust = 0.6", SOURCES)
    pairs = steps.training(filled, made)
    ids = pairs.select("source", "chosen_id", "rejected_id").collect()
    rows = []
    for source, chosen, rejected in ids.iter_rows():
        cross = 1.0 if source == "toy" else -1.0
        rows += [("cross-fit-1", chosen, cross), ("cross-fit-1", rejected, 0.0)]
        rows += [("dynamics-1", chosen, 1.0), ("dynamics-1", rejected, 0.0)]
    rewards = pl.DataFrame(rows, schema=["model", "completion_id", "reward"], orient="row").lazy()
    cells = trust(pairs, rewards, None, {"dynamics-1": "cross-fit-1"})
    told = {(row["model"], row["source"]): (row["agreement"], row["measured_on"]) for row in cells.to_dicts()}
    assert told["dynamics-1", "toy"] == (1.0, "cross-fit")
    assert told["dynamics-1", "terse"] == (0.0, "cross-fit")
    voting = trusted(pairs, rewards, cells, 0.6).join(pairs, left_on="completion_id", right_on="chosen_id")
    assert set(voting.select("model", "source").unique().collect().rows()) == {
        ("cross-fit-1", "toy"), ("dynamics-1", "toy"),
    }  # fmt: skip
    alone = trust(pairs, rewards.filter(pl.col("model") == "dynamics-1"), None, {"dynamics-1": ""})
    assert alone["low"].null_count() == 2
    assert trusted(pairs, rewards, alone, 0.0).collect().height == 0


def test_what_two_runs_at_a_time_have_scored_counts_once(tmp_path, filled):
    """One model has one vote, and a pair says one thing of it, whichever run wrote last."""
    with RewardServer(judge_by) as server:
        made = recipe(
            tmp_path, f'[[rewards.servers]]\nkind = "vllm-classify"\nurl = "{server.url}"\nmodel = "judge"\n'
        )
        steps.score(filled, made)
    steps.signal(filled, made, "groups")
    steps.signal(filled, made, "reward_disagreement")
    once, trusted_once = steps.signals(filled, made, "reward_disagreement").collect(), steps.trust(filled, made)
    (model,) = scored.models(filled, made)
    again = filled.scan("rewards").with_columns(pl.col("reward") + 1e-3).collect()
    filled.append("rewards", model, again.to_arrow().cast(REWARDS), {})
    assert filled.scan("rewards").collect().height == 240
    assert steps.trust(filled, made).equals(trusted_once)
    notes.write(filled, "scored", "seeds", {"models": [model], "rewards": {model: 0}})
    assert steps.signal(filled, made, "reward_disagreement").changed
    assert (
        steps.signals(filled, made, "reward_disagreement").collect().sort("pair_id").equals(once.sort("pair_id"))
    )
    assert len(life(filled, once["pair_id"][0])["rewards"]) == 1


def test_rewards_that_come_later_reach_the_signal(tmp_path, filled):
    """A server that takes longer prompts than before is the same model."""
    too_long = "This model's maximum context length is 9 tokens."
    with RewardServer(judge_by) as server:
        made = recipe(
            tmp_path, f'[[rewards.servers]]\nkind = "vllm-classify"\nurl = "{server.url}"\nmodel = "judge"\n'
        )
        server.faults += [(400, too_long)] * 40
        for lost in (40, 0):
            assert [books.unscored for books in steps.score(filled, made)] == [lost]
            steps.signal(filled, made, "groups")
            assert steps.signal(filled, made, "reward_disagreement").changed
            assert not steps.signal(filled, made, "reward_disagreement").changed
            signal = steps.signals(filled, made, "reward_disagreement")
            voted = signal.filter(pl.col("models") > 0).collect().height
            assert 20 <= voted <= 40 if lost else voted == 60
        steps.score(filled, made)
        assert not steps.signal(filled, made, "reward_disagreement").changed


def test_training_dynamics_never_learn_a_gold_prompt(tmp_path, filled):
    gold = tmp_path / "gold.jsonl"
    gold.write_text(labels(filled, "toy", right=True, count=10))
    plain = recipe(tmp_path, "folds = 2", SOURCES)
    steps.signal(filled, plain, "groups")
    made = recipe(tmp_path, f'folds = 2\ngold = "{gold}"', SOURCES)
    steps.signal(filled, made, "groups")
    learned = [list(steps.reward_models(filled, one))[1][0].keys["pair_id"] for one in (plain, made)]
    assert (len(learned[0]), len(learned[1])) == (120, 110)
    assert not set(learned[1]) & {json.loads(line)["pair_id"] for line in gold.read_text().splitlines()}
    gold.write_text(labels(filled, "toy", right=True) + labels(filled, "terse", right=True))
    with pytest.raises(PrefmillError, match="leave some prompts out of the gold pairs"):
        list(steps.reward_models(filled, made))


def test_a_model_trained_here_is_not_believed_by_the_labels_that_taught_it(tmp_path, store):
    """It remembers chance labels, and cannot know those of pairs that it was not shown."""
    rng = random.Random(3)
    words = [["red", "blue", "green", "round", "flat", "tall"][n % 6] + f"{n * 7919 % 997}" for n in range(600)]
    texts = [(f"question {n}", *(" ".join(rng.sample(words, 12)) for _ in "ab")) for n in range(240)]
    fill(store, texts)
    fill(store, [(f"{prompt} seen", a, b) for prompt, a, b in texts[:40]], source="terse")
    rows = store.scan("pairs").collect().sort("pair_id").with_columns(group_id="prompt_id")
    rows = rows.select("prompt", "chosen", "rejected", "pair_id", "chosen_id", "rejected_id", "group_id", "source",
                       "modality").to_dicts()  # fmt: skip
    taught = [row for place, row in enumerate(rows) if row["source"] == "terse" or place % 2]
    settings = TrainSettings(weight_decay=0, epochs=60)
    train(publish(tmp_path / "data", taught), "demo", tmp_path / "model", settings, progress=False)
    made = recipe(tmp_path, f'min_trust = 0.4\nmodels = ["{tmp_path / "model"}"]', SOURCES)
    steps.score(store, made)
    found = {(row["source"], row["measured_on"]): row for row in steps.trust(store, made).to_dicts()}
    assert set(found) == {("toy", "unseen labels"), ("terse", "nothing")}
    unseen = found["toy", "unseen labels"]
    assert unseen["pairs"] == 280 - len(taught)
    assert unseen["agreement"] < 0.65
    model = load_reward_model(tmp_path / "model")
    (own,) = trust(
        steps.training(store, made).filter(pl.col("source") == "toy"), store.scan("rewards"), None, {}
    ).to_dicts()
    assert own["agreement"] > unseen["agreement"] + 0.1  # by all labels, those that taught it among them
    assert (found["terse", "nothing"]["pairs"], found["terse", "nothing"]["silent"]) == (0, True)
    assert own["model"] == model.fingerprint
    steps.signal(store, made, "groups")
    steps.signal(store, made, "reward_disagreement")
    votes = steps.pairs(store, made).join(steps.signals(store, made, "reward_disagreement"), on="pair_id")
    assert votes.filter(pl.col("source") == "terse").collect()["models"].max() == 0
    (tmp_path / "model" / "trained_on.parquet").unlink()
    assert set(steps.trust(store, made)["measured_on"]) == {"nothing"}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("gold.txt", "", r"expected a name that ends with \.csv, \.jsonl, \.parquet"),
        ("gold.jsonl", '{"pair_id": "a"}\n', r"expected pair_id \(text\) and right \(true or false\)"),
        ("gold.jsonl", '{"pair_id": "a", "right": null}\n{"pair_id": "b", "right": true}\n', "none empty"),
        ("gold.csv", "pair_id,right\na,true\na,false\n", "pair a is both right and wrong"),
        ("gold.csv", "pair_id,right\na,true\nb,false\n", "none of its 2 pair ids is among"),
        ("gold.parquet", "no Parquet", "cannot be read"),
    ],
)
def test_a_gold_file_that_cannot_be_meant_is_said_in_one_line(tmp_path, filled, name, text, said):
    (tmp_path / name).write_text(text)
    made = recipe(tmp_path, f'gold = "{tmp_path / name}"', SOURCES)
    with pytest.raises(RecipeError, match=said) as caught:
        trusts.gold(filled, made, steps.training(filled, made))
    assert len(str(caught.value).splitlines()) == 1
    missing = recipe(tmp_path, 'min_trust = 0.5\ngold = "nowhere.csv"', SOURCES)
    with pytest.raises(RecipeError, match="expected a source of this recipe or a file of pair ids"):
        trusts.gold(filled, missing, steps.training(filled, missing))
