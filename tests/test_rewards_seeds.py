"""Several seed models for one mixture: how they are named, what each leaves, where it is believed."""

from __future__ import annotations

import polars as pl
import pytest
from reward_server import RewardServer
from test_rewards_embedded import fill
from test_rewards_transformers import classifier  # noqa: F401

from filters import _apply
from filters._trust import trust, trusted
from mixtures._recipe import load_recipe
from mixtures._seeds import LocalRecipe
from pairs.errors import RecipeError
from pipelines import scored, steps
from rewards.load import load_reward_model
from rewards.train import TrainSettings

TEXTS = [(f"question {n}", f"a good answer {n} " * 2, f"bad {n}") for n in range(60)]


def recipe(tmp_path, rewards, sources=("toy",)):
    file = tmp_path / "seeds.toml"
    named = "".join(f"[sources.{name}]\n" for name in sources)
    file.write_text(f"{named}[rules.reward_disagreement]\n[rewards]\n{rewards}")
    return load_recipe(file, rules=_apply.rules(), sources=sources, train=TrainSettings)


def judge_by(path, body):
    """A server of three kinds: longer is better."""
    if path == "/classify":
        return {"data": [{"probs": [float(len(body["messages"][-1]["content"]))]}]}
    first, second = body["messages"][0]["content"].split("# Answer 1")[1].split("# Answer 2")
    winner = 1 if len(first) > len(second.split("# Your task")[0]) else 2
    return {"choices": [{"message": {"content": f"<answer>{winner}</answer>"}}]}


def test_every_kind_of_seed_model_leaves_its_rewards(tmp_path, store, classifier):  # noqa: F811
    fill(store, TEXTS)
    with RewardServer(judge_by) as server:
        made = recipe(
            tmp_path,
            f'models = ["embedded", "{classifier}"]\n'
            f'[[rewards.servers]]\nkind = "vllm-classify"\nurl = "{server.url}"\nmodel = "judge"\n'
            f'[[rewards.servers]]\nkind = "judge"\nurl = "{server.url}"\nmodel = "judge"\nvotes = 4\n',
        )
        steps.signal(store, made, "groups")
        books = steps.score(store, made)
        asked = len(server.posts)
        assert [book.cached for book in steps.score(store, made)] == [120] * 5
        assert len(server.posts) == asked == 120 + 60 * 4
    kinds = [book.model.rsplit("-", 1)[0] for book in books]
    assert kinds[:2] == ["cross-fit", "dynamics"]
    assert books[2].model == load_reward_model(classifier).fingerprint
    assert kinds[3] == "vllm-classify"
    assert kinds[4].startswith("judge-")
    counted = dict(store.scan("rewards").group_by("model").len().collect().iter_rows())
    assert counted == {book.model: 120 for book in books}
    steps.signal(store, made, "reward_disagreement")
    signal = steps.signals(store, made, "reward_disagreement").collect()
    assert signal["models"].max() >= 3
    found = steps.trust(store, made).filter(pl.col("model") == books[3].model).to_dicts()
    assert [(row["source"], row["modality"], row["pairs"], row["agreement"]) for row in found] == [
        ("toy", "text", 60, 1.0)
    ]


def test_what_is_unscored_is_told_by_model_source_and_reason(tmp_path, store):
    fill(store, [*TEXTS, ("a question", "an inappropriate answer", "one for both")])
    fill(store, [("a question", "one for both", "hopelessly long")], source="terse")

    def answer(path, body):
        said = body["messages"][-1]["content"]
        if said == "one for both":
            return 413, "request entity too large"
        return (400, "data_inspection_failed") if "inappropriate" in said else judge_by(path, body)

    with RewardServer(answer) as server:
        text = f'[[rewards.servers]]\nkind = "vllm-classify"\nurl = "{server.url}"\nmodel = "judge"\n'
        made = recipe(tmp_path, text, ("toy", "terse"))
        done, pairs = steps.score(store, made), steps.training(store, made)
        assert [(books.scored, books.unscored) for books in done] == [(121, 2)]
        for _ in range(2):  # the second time nothing is scored, and the same is told
            assert scored.unscored(pairs, done).select("source", "reason", "completions").rows() == [
                ("terse", "longer, or with more pictures, than the server takes", 1),
                ("toy", "held back by the server's content filter", 1),
                ("toy", "longer, or with more pictures, than the server takes", 1),
            ]
            done = steps.score(store, made)
    assert not len(scored.unscored(pairs, []))


def test_a_model_has_no_vote_where_it_is_not_believed(tmp_path, store):
    backwards = [(f"other {n}", f"no {n}", f"a much longer answer {n}") for n in range(60)]
    fill(store, TEXTS)
    fill(store, backwards, source="terse")
    with RewardServer(judge_by) as server:
        text = f'[[rewards.servers]]\nkind = "vllm-classify"\nurl = "{server.url}"\nmodel = "judge"\n'
        every = recipe(tmp_path, text, ("toy", "terse"))
        steps.score(store, every)
        steps.signal(store, every, "reward_disagreement")
        assert set(steps.signals(store, every, "reward_disagreement").collect()["models"]) == {1}
        some = recipe(tmp_path, f"min_trust = 0.6\n{text}", ("toy", "terse"))
        assert steps.signal(store, some, "reward_disagreement").changed
    votes = steps.pairs(store, some).join(steps.signals(store, some, "reward_disagreement"), on="pair_id")
    heard = votes.group_by("source").agg(pl.col("models", "silenced").max()).sort("source").collect()
    assert heard.rows() == [("terse", 0, 1), ("toy", 1, 0)]
    assert dict(steps.trust(store, some).select("source", "silent").iter_rows()) == {"toy": False, "terse": True}
    assert not steps.trust(store, every)["silent"].any()


def frames(cells):
    """Pairs and rewards of one model: per (source, modality) how many labels it agrees with, ties, the rest."""
    pairs, rewards = [], []
    for (source, modality), sizes in cells.items():
        for number, margin in enumerate([1.0] * sizes[0] + [0.0] * sizes[1] + [-1.0] * sizes[2]):
            ids = [f"{source}{modality}{number}{side}" for side in "cr"]
            pairs.append((source, modality, *ids))
            rewards += [("m", ids[0], margin), ("m", ids[1], 0.0)]
    return (
        pl.LazyFrame(pairs, schema=["source", "modality", "chosen_id", "rejected_id"], orient="row"),
        pl.LazyFrame(rewards, schema=["model", "completion_id", "reward"], orient="row"),
    )


def test_trust_is_agreement_with_wilsons_interval():
    pairs, rewards = frames({("a", "text"): (80, 0, 20), ("a", "image"): (6, 2, 2), ("b", "text"): (3, 0, 0)})
    found = {(row["source"], row["modality"]): row for row in trust(pairs, rewards, None, {}).to_dicts()}
    # Wilson's interval for 80 of 100: the textbook's 0.711 to 0.867.
    assert found["a", "text"] == {
        "model": "m", "source": "a", "modality": "text", "measured_on": "labels", "pairs": 100, "agreement": 0.8,
        "low": pytest.approx(0.7112, abs=1e-3), "high": pytest.approx(0.8666, abs=1e-3),
    }  # fmt: skip
    assert found["a", "image"]["agreement"] == pytest.approx(0.7)
    assert found["b", "text"]["low"] < 0.5 < found["b", "text"]["high"] == 1.0
    lonely = rewards.filter(~pl.col("completion_id").str.ends_with("r"))
    assert not len(trust(pairs, lonely, None, {}))


def test_a_completion_stays_where_one_of_its_sources_is_believed():
    pairs, rewards = frames({("a", "text"): (80, 0, 20), ("b", "text"): (3, 0, 0)})
    cells = trust(pairs, rewards, None, {})
    kept = trusted(pairs, rewards, cells, 0.6).collect()
    assert len(kept) == 200
    assert set(kept["completion_id"].str.head(1)) == {"a"}
    shared = pl.concat(
        [pairs, pl.LazyFrame([("b", "text", "atext0c", "atext0r")], schema=pairs.collect_schema(), orient="row")]
    )
    assert len(trusted(shared, rewards, cells, 0.6).collect()) == 200
    assert trusted(shared, rewards, cells, 0.0).collect().height == 206


@pytest.mark.parametrize(
    ("rewards", "said"),
    [
        ('model = "a"\nmodels = ["b"]', "both model and models; keep one"),
        ('models = ["a", "a"]', "names a twice"),
        ('[[rewards.servers]]\nkind = "vllm"\nurl = "http://h"\nmodel = "m"', "vllm-classify"),
        ('[[rewards.servers]]\nkind = "judge"\nurl = "http://h"\nmodel = "m"\nvotes = 3', "multiple of 2"),
        (
            '[[rewards.servers]]\nkind = "judge"\nurl = "http://h"\nmodel = "m"\nhead = "x"',
            "a judge takes no head",
        ),
        ('[[rewards.servers]]\nkind = "vllm-pooling"\nurl = "http://h"\nmodel = "m"', "vllm-pooling needs head"),
        ('[[rewards.servers]]\nkind = "judge"\nmodel = "m"', "lacks the key 'url'"),
        ('[[rewards.servers]]\nkind = "judge"\nurl = "http://h"\nmodel = "m"\nvote = 2', "no key 'vote'"),
    ],
)
def test_what_cannot_be_meant_is_said(tmp_path, rewards, said):
    with pytest.raises(RecipeError) as caught:
        recipe(tmp_path, rewards)
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_new_keys_leave_the_fingerprints_of_older_recipes(tmp_path):
    plain = recipe(tmp_path, 'model = "embedded"').fingerprint
    assert recipe(tmp_path, "folds = 5").fingerprint == plain
    assert recipe(tmp_path, 'models = ["embedded"]').fingerprint != plain
    assert recipe(tmp_path, "min_trust = 0.5").fingerprint != plain


def test_only_the_servers_judge_where_only_they_are_named(tmp_path):
    server = '[[rewards.servers]]\nkind = "judge"\nurl = "http://h"\nmodel = "m"\n'
    assert recipe(tmp_path, server).rewards.here() == []
    assert recipe(tmp_path, f'model = "embedded"\n{server}').rewards.here() == [LocalRecipe(model="embedded")]
    assert recipe(tmp_path, "").rewards.here() == [LocalRecipe(model="embedded")]


def test_a_rule_that_only_takes_what_rewards_there_are_asks_for_none(tmp_path, store):
    """Lengths alone are cheap: balancing them must not train a reward model."""
    fill(store, TEXTS)
    file = tmp_path / "lengths.toml"
    file.write_text("[sources.toy]\n[rules.length_bias]\n")
    lengths = load_recipe(file, rules=_apply.rules(), sources=("toy",), train=TrainSettings)
    steps.signal(store, lengths, "groups")
    assert steps.score(store, lengths) == []
    steps.signal(store, lengths, "length_bias")
    assert steps.signals(store, lengths, "length_bias").collect()["margin"].null_count() == 60
    file.write_text(file.read_text() + "[rules.reward_disagreement]\n[rewards]\nfolds = 2\n")
    both = load_recipe(file, rules=_apply.rules(), sources=("toy",), train=TrainSettings)
    assert len(steps.score(store, both)) == 2
    assert steps.signal(store, both, "length_bias").changed
    assert steps.signals(store, both, "length_bias").collect()["margin"].null_count() == 0
