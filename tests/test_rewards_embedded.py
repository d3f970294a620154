"""The embedded reward model: features, cross-fitting, the cache of rewards, training, evaluation."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from pairs.errors import PrefmillError
from pairs.media import encode_image
from pairs.schema import Pair, canonical_pair
from pairs.store import file_hash
from pairs.tables import PAIRS
from rewards import score as scoring
from rewards.embedded import cross_fit
from rewards.evaluate import evaluate
from rewards.features import BUCKETS, DENSE_WIDTH, Features, features
from rewards.fit import HeadSettings
from rewards.head import HashedSums
from rewards.interface import Item
from rewards.load import load_reward_model
from rewards.pictures import COLOURS, dominant, picture_measures
from rewards.score import completions, score
from rewards.train import TrainSettings, train

TEXTS = ("", "one red cat, one blue cat", "one", "a longer answer about a red cat that sat")


def solid(colour, noise=0, side=56):
    """A picture of one colour; `noise` makes it a file of its own."""
    pixels = np.full((side, side, 3), colour, np.int16)
    pixels[:4, :4] += noise % 32
    return encode_image(pixels.clip(0, 255).astype(np.uint8))


def row(index, prompt, chosen, rejected, images=(), group=None, source="toy"):
    """One published row."""
    ids = canonical_pair(
        Pair(prompt, chosen, rejected, images=list(images)),
        media_ids=[hashlib.sha256(data).hexdigest() for data in images],
        chosen_media_ids=[], rejected_media_ids=[],
    )  # fmt: skip
    made = {name: ids[name] for name in ("pair_id", "prompt_id", "chosen_id", "rejected_id", "chosen", "rejected")}
    return {
        **made, "prompt": [{"role": "user", "content": prompt}], "group_id": group or f"g{index:05}",
        "source": source, "modality": "image" if images else "text", "copy": 0,
        "images": [{"bytes": data, "path": None} for data in images],
    }  # fmt: skip


def publish(folder, rows, images=False, **splits):
    """A published folder with the config `demo`."""
    (folder / "data").mkdir(parents=True)
    lines = []
    for name, part in {"train": rows, **splits}.items():
        kept = part if images else [{key: value for key, value in one.items() if key != "images"} for one in part]
        table = pa.Table.from_pylist(kept)
        if images:
            features_ = {"info": {"features": _hf_features(table)}}
            table = table.replace_schema_metadata({"huggingface": json.dumps(features_)})
        pq.write_table(table, folder / "data" / "shard")
        # The cache of `datasets` knows a local folder by its card alone: only content in the names keeps two
        # folders of one name apart.
        path = f"data/{name}-{file_hash(folder / 'data' / 'shard')[:8]}.parquet"
        (folder / "data" / "shard").rename(folder / path)
        lines.append(f"  - split: {name}\n    path: {path}\n")
    card = "---\nconfigs:\n- config_name: demo\n  default: true\n  data_files:\n" + "".join(lines) + "---\n"
    (folder / "README.md").write_text(card)
    return str(folder)


def _hf_features(table):
    from datasets import Features, Image, Sequence

    plain = Features.from_arrow_schema(table.schema)
    plain["images"] = Sequence(Image())
    return plain.to_dict()


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    import datasets

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("hf")))
        yield


def item(prompt, completion, images=(), completion_images=()):
    messages = [{"role": "user", "content": prompt}], [{"role": "assistant", "content": completion}]
    return Item("0" * 32, *messages, images, completion_images)


WORDS = [f"w{index}" for index in range(400)]


def sentences(number, seed, good=0.0):
    """Texts of random words; a share of them holds a telling word."""
    draw = np.random.default_rng(seed)
    return [
        " ".join(draw.choice(WORDS, 12)) + (" splendid" if draw.random() < good else "") for _ in range(number)
    ]


def fill(store, pairs, source="toy"):
    """Pairs (prompt, chosen, rejected) into the store's table."""
    rows = [
        {
            **canonical_pair(Pair(*pair), media_ids=(), chosen_media_ids=(), rejected_media_ids=()),
            "source": source, "source_revision": "r", "source_split": "train", "source_row": str(number),
            "label_source": "human", "licence": "MIT", "role": "train",
        }
        for number, pair in enumerate(pairs)
    ]  # fmt: skip
    store.append("pairs", source, pa.Table.from_pylist(rows, schema=PAIRS), {})


def grouped(store):
    return store.scan("pairs").with_columns(pl.col("prompt_id").alias("group_id"))


def margins(store, model):
    rewards = store.scan("rewards", [model]).select("completion_id", "reward").collect()
    found = dict(rewards.iter_rows())
    keys = store.scan("pairs").select("chosen_id", "rejected_id").collect()
    return np.array([found[chosen] - found[rejected] for chosen, rejected in keys.iter_rows()])


def test_the_gradient_of_the_table_of_words_is_torchs_own():
    torch.manual_seed(0)
    rows = features([Item(str(n), [], [{"role": "assistant", "content": text}]) for n, text in enumerate(TEXTS)])
    table = torch.randn(BUCKETS, 3, dtype=torch.float64, requires_grad=True)
    pull = torch.randn(len(rows), 3, dtype=torch.float64)
    (HashedSums.apply(table, rows) * pull).sum().backward()
    ours, table.grad = table.grad, None
    buckets, starts = torch.from_numpy(rows.buckets).long(), torch.from_numpy(rows.starts[:-1])
    values = torch.from_numpy(rows.values).double()
    sums = torch.nn.functional.embedding_bag(buckets, table, starts, mode="sum", per_sample_weights=values)
    (sums * pull).sum().backward()
    assert ours.count_nonzero() > 10
    assert torch.allclose(ours, table.grad, rtol=0, atol=1e-12)


def test_features_have_one_form_and_do_not_depend_on_their_company():
    items = [
        item("why is it red", text) for text in ["It is red. It is red!", "不知道 but maybe", "", "- a\n- b\n1. c"]
    ]
    together = features(items)
    assert len(together) == 4
    assert together.dense.shape == (4, DENSE_WIDTH)
    assert together.dense.dtype == together.values.dtype == np.float32
    assert together.buckets.min() >= 0
    assert together.buckets.max() < BUCKETS
    assert np.isfinite(together.dense).all()
    for number, one in enumerate(items):
        alone, taken = features([one]), together.take(np.array([number]))
        for column in ("starts", "buckets", "values", "dense"):
            assert np.array_equal(getattr(alone, column), getattr(taken, column)), column
    again = Features.joined([together.take(np.array([0, 1])), together.take(np.array([2, 3]))])
    assert np.array_equal(again.values, together.values)


def test_features_of_a_text_never_change():
    rows = features([item("why is it red", "It is red, I am sorry. Is it?", images=(solid((220, 20, 20)),))])
    assert len(rows.buckets) == 28
    assert int(rows.buckets.astype(np.int64).sum()) == 251329
    assert float(rows.dense.sum()) == pytest.approx(16.212, abs=0.01)


@pytest.mark.parametrize(
    ("colour", "name"),
    [((220, 20, 20), "red"), ((20, 20, 220), "blue"), ((20, 180, 20), "green"), ((250, 250, 250), "white"),
     ((5, 5, 5), "black"), ((128, 128, 128), "grey"), ((250, 220, 20), "yellow"), ((110, 60, 20), "brown")],
)  # fmt: skip
def test_a_solid_picture_is_called_by_its_colour(colour, name):
    measures = picture_measures(solid(colour))
    assert [COLOURS[index] for index in dominant(measures)] == [name]
    assert measures[4:].sum() == pytest.approx(1)


def test_random_labels_are_learned_in_sample_but_not_across_folds(store, monkeypatch):
    """A model that had seen a pair's group would know its label: memorised labels show any leak."""
    texts = sentences(600, 1)
    fill(store, [(f"question {n // 2}", texts[2 * n], texts[2 * n + 1]) for n in range(300)])
    memorise = HeadSettings(epochs=30, patience=30, learning_rate=1e-2, weight_decay=0.0)
    monkeypatch.setattr("rewards.embedded.HELD_OUT", 0.0)
    judge = cross_fit(grouped(store), store.media, seed=3, settings=memorise)
    score(store, judge, completions(store, ["toy"]), progress=False)
    across = (margins(store, judge.fingerprint) > 0).mean()
    assert 0.38 < across < 0.62
    first = judge.models[0]
    rows = scoring.items(completions(store, ["toy"]).collect(), {})
    found = dict(zip([one.completion_id for one in rows], first.rewards(rows), strict=True))
    right = judge.keys.with_columns(
        right=pl.Series(
            [found[c] > found[r] for c, r in judge.keys.select("chosen_id", "rejected_id").iter_rows()]
        )
    )
    assert right.filter(pl.col("fold") != 0)["right"].mean() > 0.97
    assert right.filter(pl.col("fold") == 0)["right"].mean() < 0.7
    assert right.group_by("group_id").agg(pl.col("fold").n_unique())["fold"].max() == 1


def test_cross_fitting_learns_what_can_be_learned_and_repeats_its_bytes(store):
    chosen, rejected = sentences(300, 2, good=0.9), sentences(300, 3, good=0.1)
    fill(store, [(f"question {n}", chosen[n], rejected[n]) for n in range(300)])
    judge = cross_fit(grouped(store), store.media)
    books = score(store, judge, completions(store, ["toy"]), progress=False)
    assert (books.cached, books.scored, books.unscored) == (0, 600, 0)
    first = margins(store, judge.fingerprint)
    assert (first > 0).mean() > 0.75
    shuffled = cross_fit(grouped(store).reverse(), store.media)
    assert shuffled.fingerprint == judge.fingerprint
    rows = scoring.items(completions(store, ["toy"]).collect(), {})
    assert np.array_equal(judge.rewards(rows), shuffled.rewards(rows[::-1])[::-1])
    assert cross_fit(grouped(store), store.media, seed=4).fingerprint != judge.fingerprint


def test_a_second_run_scores_nothing_and_trains_nothing(store):
    fill(store, [(f"question {n}", "good " * (n + 1), "bad " * (n + 1)) for n in range(40)])
    score(store, cross_fit(grouped(store), store.media), completions(store, ["toy"]), progress=False)
    again = cross_fit(grouped(store), store.media)
    books = score(store, again, completions(store, ["toy"]), progress=False)
    assert (books.cached, books.scored) == (80, 0)
    assert "models" not in vars(again)


def test_folds_that_no_group_falls_into_are_not_used(store):
    """Groups fall by a hash: few of them leave folds empty, and more would move no fold of theirs."""
    fill(store, [(f"question {n}", f"good {n}", f"bad {n}") for n in range(6)])
    judge = cross_fit(grouped(store), store.media)
    used = set(judge.fold_of["fold"])
    assert 2 <= len(used) < 5
    books = score(store, judge, completions(store, ["toy"]), progress=False)
    assert (books.scored, set(judge.models)) == (12, used)
    assert np.isfinite(margins(store, judge.fingerprint)).all()
    before = dict(judge.fold_of.iter_rows())
    fill(store, [(f"question {n}", f"good {n}", f"bad {n}") for n in range(6, 60)])
    after = dict(cross_fit(grouped(store), store.media).fold_of.iter_rows())
    assert len(set(after.values())) == 5
    assert {completion: after[completion] for completion in before} == before


def test_a_fold_of_one_group_teaches_the_other(store, monkeypatch):
    """Also where the group would decide when to stop: then nothing stops the training early."""
    monkeypatch.setattr("rewards.embedded.HELD_OUT", 1.0)
    fill(store, [(f"question {n}", f"good {n}", f"bad {n}") for n in range(2)])
    judge = cross_fit(grouped(store), store.media, folds=2, seed=1)
    assert score(store, judge, completions(store, ["toy"]), progress=False).scored == 4


def test_too_few_groups_are_refused(store):
    fill(store, [("one question", f"good {n}", f"bad {n}") for n in range(9)])
    with pytest.raises(PrefmillError, match="9 pairs in 1 groups fill only one of 5 folds"):
        cross_fit(grouped(store), store.media)


class Length:
    """A judge that counts characters, refuses the longest and may break."""

    fingerprint = "length"

    def __init__(self, most=10**9, breaks_after=10**9, nan_at=None):
        self.most, self.breaks_after, self.nan_at, self.seen = most, breaks_after, nan_at, []

    def fits(self, items):
        return np.array([len(one.completion[0]["content"]) <= self.most for one in items])

    def rewards(self, items):
        if len(self.seen) >= self.breaks_after:
            raise KeyboardInterrupt
        self.seen += [one.completion_id for one in items]
        out = np.array([len(one.completion[0]["content"]) for one in items], np.float32)
        if self.nan_at is not None:
            out[self.nan_at] = np.nan
        return out


def test_a_completion_in_many_pairs_is_scored_once(store):
    answers = [f"answer {n}" for n in range(7)]
    fill(store, [("q", a, b) for n, a in enumerate(answers) for b in answers[n + 1 :]])
    model = Length()
    assert score(store, model, completions(store, ["toy"]), progress=False).scored == 7
    assert len(model.seen) == len(set(model.seen)) == 7


def test_an_interrupted_run_goes_on_where_it_stood(store, monkeypatch):
    monkeypatch.setattr(scoring, "CHUNK", 16)
    fill(store, [(f"q{n}", f"good {n}", f"bad {n}") for n in range(40)])
    with pytest.raises(KeyboardInterrupt):
        score(store, Length(breaks_after=40), completions(store, ["toy"]), progress=False)
    model = Length()
    books = score(store, model, completions(store, ["toy"]), progress=False)
    assert (books.cached, books.scored) == (48, 32)
    rewards = store.scan("rewards").collect()
    assert len(rewards) == rewards["completion_id"].n_unique() == 80


def test_what_does_not_fit_gets_no_row_and_is_counted(store):
    fill(store, [(f"q{n}", "long " * 9, f"short {n}") for n in range(5)])
    books = score(store, Length(most=20), completions(store, ["toy"]), progress=False)
    assert (books.scored, books.unscored) == (5, 5)
    assert score(store, Length(most=20), completions(store, ["toy"]), progress=False).unscored == 5


def test_a_reward_that_is_no_number_names_its_completion(store):
    fill(store, [("q", "good", "bad")])
    ids = completions(store, ["toy"]).collect()["completion_id"]
    with pytest.raises(PrefmillError, match=f"completion {ids[1]} is nan"):
        score(store, Length(nan_at=1), completions(store, ["toy"]), progress=False)
    assert not len(store.scan("rewards").collect())


def toy_rows(number, seed, source="toy"):
    good, bad = sentences(number, seed, good=0.9), sentences(number, seed + 1, good=0.1)
    return [row(n, f"question {seed} {n}", good[n], bad[n], source=source) for n in range(number)]


def swapped(rows):
    names = {"chosen": "rejected", "rejected": "chosen", "chosen_id": "rejected_id", "rejected_id": "chosen_id"}
    return [{names.get(key, key): value for key, value in one.items()} for one in rows]


def learn(folder, rows, **splits):
    return train(
        publish(folder / "data", rows, **splits), "demo", folder / "model", TrainSettings(), progress=False
    )


def test_training_learns_stops_early_and_loads_back(tmp_path):
    done = learn(tmp_path, toy_rows(400, 1), validation=toy_rows(80, 50), test=toy_rows(150, 90, "other"))
    assert done.rows == 400
    assert done.held_out
    assert done.curve[-1][1] < done.curve[0][1]
    model = load_reward_model(done.path)
    found = evaluate(model, str(tmp_path / "data"), "demo", "test", progress=False)
    assert found.accuracy > 0.75
    assert found.interval[0] < found.accuracy < found.interval[1]
    assert found.by_source == {"other": {"pairs": 150, "accuracy": found.accuracy}}
    assert found.model == model.fingerprint
    json.dumps(found.as_dict())


def test_more_pairs_than_memory_allows_are_counted_as_left_out(tmp_path):
    folder = publish(tmp_path / "data", toy_rows(50, 1))
    done = train(folder, "demo", tmp_path / "model", TrainSettings(max_pairs=20), progress=False)
    assert (done.rows, done.left_out, done.reasons) == (20, 30, {"beyond max_pairs (20)": 30})
    json.dumps(done.as_dict())


def test_swapped_labels_learn_below_chance(tmp_path):
    done = learn(tmp_path, swapped(toy_rows(400, 1)), test=toy_rows(150, 90))
    found = evaluate(load_reward_model(done.path), str(tmp_path / "data"), "demo", "test", progress=False)
    assert found.accuracy < 0.25


def test_soft_labels_and_weights_turn_the_result(tmp_path):
    test = toy_rows(150, 90)
    sound, noise = toy_rows(200, 1), swapped(toy_rows(300, 7))
    accuracies = []
    for name, marks in (
        ("plain", ({}, {})),
        ("soft", ({"soft_label": None}, {"soft_label": 0.1})),
        ("weight", ({"weight": 1.0}, {"weight": 0.01})),
    ):
        folder = tmp_path / name
        done = learn(folder, [{**r, **marks[0]} for r in sound] + [{**r, **marks[1]} for r in noise], test=test)
        model = load_reward_model(done.path)
        accuracies.append(evaluate(model, str(folder / "data"), "demo", "test", progress=False).accuracy)
    assert accuracies[0] < 0.45
    assert accuracies[1] > 0.7
    assert accuracies[2] > 0.7


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path):
    folder = publish(tmp_path / "data", toy_rows(100, 1))
    weights = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        done = train(folder, "demo", tmp_path / name, TrainSettings(seed=seed), progress=False)
        weights.append((done.path / "model.safetensors").read_bytes())
    assert weights[0] == weights[1] != weights[2]
    items = [item("q", text) for text in sentences(5, 3)]
    first, second = (load_reward_model(tmp_path / name) for name in ("a", "b"))
    assert np.array_equal(first.rewards(items), second.rewards(items))
    assert first.fingerprint == second.fingerprint != load_reward_model(tmp_path / "c").fingerprint


@pytest.mark.parametrize("names", [("red", "blue", "green"), ("fire", "water", "leaf")])
def test_pictures_decide_where_words_alone_cannot(names, tmp_path):
    colours = dict(zip(names, [(220, 20, 20), (20, 20, 220), (20, 180, 20)], strict=True))

    def rows(number, start):
        made = []
        for n in range(start, start + number):
            right, wrong = names[n % 3], names[(n + 1 + n // 3 % 2) % 3]
            picture = solid(colours[right], n)
            made.append(row(n, f"what is this, {n}?", f"It is {right}.", f"It is {wrong}.", images=[picture]))
        return made

    folder = publish(tmp_path / "data", rows(240, 0), images=True, test=rows(60, 1000))
    done = train(folder, "demo", tmp_path / "model", TrainSettings(), progress=False)
    found = evaluate(load_reward_model(done.path), folder, "demo", "test", progress=False)
    assert found.accuracy > 0.8
    assert found.length_correlation is None or abs(found.length_correlation) < 1


def test_ties_count_half_and_length_is_told_apart(tmp_path):
    rows = [row(0, "a", "long answer", "short"), row(1, "b", "tiny", "longer one"), row(2, "c", "same", "size")]
    folder = publish(tmp_path / "data", rows)
    found = evaluate(Length(), folder, "demo", "train", progress=False)
    assert found.accuracy == found.length_accuracy == 0.5
    assert found.balanced_accuracy == 0.5
    assert found.length_correlation == pytest.approx(1)
    assert evaluate(Length(most=10), folder, "demo", "train", progress=False).unjudged == 1


def test_a_softened_pair_counts_for_its_likelier_side(tmp_path):
    texts = [("longest answer", "short"), ("a longer one", "tiny")]
    rows = [{**row(n, str(n), *texts[n]), "soft_label": soft} for n, soft in enumerate((0.2, 0.7))]
    found = evaluate(Length(), publish(tmp_path / "data", rows), "demo", "train", progress=False)
    assert found.accuracy == found.length_accuracy == 0.5
    assert found.length_correlation == pytest.approx(1)


def test_a_failed_training_leaves_the_old_model(tmp_path, monkeypatch):
    folder = publish(tmp_path / "data", toy_rows(20, 1))
    done = train(folder, "demo", tmp_path / "model", TrainSettings(), progress=False)
    before = (done.path / "model.safetensors").read_bytes()

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr("rewards.embedded.EmbeddedModel.save", full)
    with pytest.raises(OSError, match="No space"):
        train(folder, "demo", tmp_path / "model", TrainSettings(seed=5), progress=False)
    assert (done.path / "model.safetensors").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "model"]


def test_settings_name_the_key_they_do_not_know():
    with pytest.raises(ValueError, match="learnin_rate"):
        TrainSettings(learnin_rate=1)


def test_a_dataset_of_others_is_refused_by_name(tmp_path):
    folder = publish(tmp_path / "data", [{"prompt": "a", "chosen": "b", "rejected": "c"}])
    with pytest.raises(PrefmillError, match="has no column pair_id"):
        train(folder, "demo", tmp_path / "model", TrainSettings(), progress=False)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(PrefmillError, match=r"no config\.json"):
        load_reward_model(tmp_path)


def test_human_preferences_are_learned_beyond_length(real_data, store):
    """Human arguments of UKPConvArg1Strict, each topic judged by a model of other topics."""
    pairs = []
    for place, path in enumerate(sorted((real_data / "ukp-convarg1-strict").glob("*.csv"))[::2]):
        for line in path.read_text().splitlines()[1::3]:
            _, label, first, second = line.split("\t")
            best, other = (first, second) if label == "a1" else (second, first)
            pairs.append((f"topic {place}", best, other))
    fill(store, dict.fromkeys(pairs))
    judge = cross_fit(grouped(store), store.media, folds=4)
    score(store, judge, completions(store, ["toy"]), progress=False)
    texts = store.scan("pairs").select("chosen", "rejected").collect()
    length = np.array([len(c[0]["content"]) - len(r[0]["content"]) for c, r in texts.iter_rows()])
    right = margins(store, judge.fingerprint) > 0
    assert right.mean() > 0.7
    assert (right[length > 0].mean() + right[length < 0].mean()) / 2 > 0.55
