"""What a backbone's training honours: its loss, its options, streams, adapters, several processes."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from test_rewards_embedded import own_cache, publish, row  # noqa: F401
from test_rewards_transformers import colour_rows, item, text_backbone, vision_backbone  # noqa: F401

from pairs.errors import PrefmillError
from rewards.head import bradley_terry
from rewards.load import load_reward_model
from rewards.published import items, load_pairs, row_batches
from rewards.train import TrainSettings, train

torch.set_num_threads(1)


def graded(number):
    """Text pairs with all that may enter the loss; the two sources grade in units of their own."""
    rows = []
    for n in range(number):
        one = row(n, f"word {n}", "it is good " * (1 + n % 3), "it is bad", source=("a", "b")[n % 2])
        margin = None if n == 3 else (1.0 + n % 4) * (100 if n % 2 else 1)
        rows.append({**one, "soft_label": 1 - 0.1 * (n % 3), "weight": 1.0 + n % 4, "source_margin": margin})
    return rows


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return publish(tmp_path_factory.mktemp("graded") / "data", graded(8))


@pytest.fixture(scope="module")
def settings(text_backbone):  # noqa: F811
    return TrainSettings(backbone=str(text_backbone), batch_size=8, micro_batch_size=8, learning_rate=1e-3)


@pytest.fixture
def no_sleep(monkeypatch):
    """`datasets` sleeps for seconds after every pass over a stream."""
    import datasets

    monkeypatch.setattr(datasets.config, "SLEEP_TIME_ON_THREADS_SHUTDOWN", 0)


def picture(wide, high):
    from pairs.media import encode_image

    return encode_image(np.zeros((high, wide, 3), np.uint8))


def logsigmoid(values):
    return -np.log1p(np.exp(-values))


def expected_loss(model, data, options):
    """The loss of a model on the first eight pairs of a dataset, from its rewards by the formulas."""
    rows = next(row_batches(load_pairs(data, "demo", "train"), 8))
    chosen, rejected = (model.rewards(side).astype(np.float64) for side in items(rows))
    if "length_normalised" in options:
        words = model.encoder.tokenizer
        counts = [[len(words(one["content"])["input_ids"]) for row in rows for one in row[side]]
                  for side in ("chosen", "rejected")]  # fmt: skip
        chosen, rejected = (
            values / np.log(np.array(n) + 1) for values, n in zip((chosen, rejected), counts, strict=True)
        )
    soft, weight = (np.array([row[name] for row in rows]) for name in ("soft_label", "weight"))
    weight = weight / weight.mean()
    given = np.array([row["source_margin"] or 0 for row in rows])
    scale = {"a": np.mean([1, 3, 1, 3]), "b": np.mean([200, 200, 400])}  # of the margins that are there
    ahead = options.get("adaptive_margin", 0) * given / [scale[row["source"]] for row in rows]
    margin = chosen - rejected
    loss = -soft * logsigmoid(margin - ahead) - (1 - soft) * logsigmoid(-margin - ahead)
    return (weight * loss).mean() + options.get("centre", 0) * (weight * (chosen + rejected) ** 2).mean()


@pytest.mark.parametrize(
    "options",
    [{}, {"adaptive_margin": 0.5}, {"adaptive_margin": 0.5, "streaming": True}, {"centre": 0.3},
     {"length_normalised": True}],
    ids=["plain", "adaptive_margin", "streamed", "centre", "length_normalised"],
)  # fmt: skip
def test_the_loss_is_the_one_that_was_asked_for(data, settings, options, tmp_path, no_sleep):
    still = settings.model_copy(update={"learning_rate": 1e-12, **options})  # the model stays as it began
    done = train(data, "demo", tmp_path / "model", still, progress=False)
    expected = expected_loss(load_reward_model(done.path), data, options)
    assert done.curve[0][1] == pytest.approx(expected, abs=1e-5)


def test_a_margin_that_must_be_won_by_pushes_harder():
    margin = torch.tensor([0.5, 0.5], requires_grad=True)
    bradley_terry(margin, ahead=torch.tensor([0.0, 2.0])).backward()
    assert margin.grad[1] < margin.grad[0] < 0


@pytest.mark.parametrize("options", [{}, {"streaming": True}, {"freeze_backbone": True}], ids=str)
def test_pictures_that_are_scaled_and_pairs_left_out_are_counted_by_why(
    vision_backbone,  # noqa: F811
    tmp_path,
    options,
    no_sleep,
):
    """By hand: eight pairs of which six show a picture of 56 by 56 pixels; three more cannot be shown."""
    told = {"batch_size": 2, "max_length": 200, **options}
    long = row(20, "which", "it is good " * 200, "it is bad")
    marked = row(21, "which", "it is good", "it is <|image_pad|> bad")
    thin = row(22, "which", "it is good", "it is bad", images=[picture(1, 201)])
    data = publish(tmp_path / "data", [*colour_rows(8), long, marked, thin], images=True)
    for pixels, scaled in ((28 * 28, 6), (56 * 56, 0)):
        settings = TrainSettings(backbone=str(vision_backbone), max_pixels=pixels, **told)
        done = train(data, "demo", tmp_path / f"model{pixels}", settings, progress=False)
        assert (done.rows, done.left_out, done.scaled) == (8, 3, scaled)
        assert done.reasons == {
            "longer than max_length (200)": 1,
            "a text that spells a token of pictures": 1,
            "a picture more than 200 times as long as wide": 1,
        }


def test_pairs_with_pictures_are_left_out_of_a_training_on_texts_and_said(settings, tmp_path):
    data = publish(tmp_path / "data", colour_rows(8), images=True)
    done = train(data, "demo", tmp_path / "model", settings, progress=False)
    assert (done.rows, done.reasons) == (2, {"pictures for a backbone of texts": 6})


def test_adapters_and_head_learn_and_the_rest_stays(vision_backbone, tmp_path):  # noqa: F811
    pytest.importorskip("peft")
    from rewards.finetune import _fresh
    from rewards.lora import with_adapters

    data = publish(tmp_path / "data", colour_rows(8), images=True)
    settings = TrainSettings(
        backbone=str(vision_backbone), lora_rank=2, batch_size=4, learning_rate=1e-2, epochs=2, max_pixels=56 * 56,
    )  # fmt: skip
    done = train(data, "demo", tmp_path / "model", settings, progress=False)
    before, after = load_file(vision_backbone / "model.safetensors"), load_file(done.path / "model.safetensors")
    changed = {name for name in before if not torch.equal(before[name], after[f"backbone.{name}"])}
    assert changed == {name for name in before if "visual" not in name and name.endswith("proj.weight")}
    adapted = with_adapters(_fresh(settings)[0], 2, 32)
    assert any("score" in name for name, weight in adapted.named_parameters() if weight.requires_grad)
    assert not any("visual" in name or ".score.original" in name
                   for name, weight in adapted.named_parameters() if weight.requires_grad)  # fmt: skip
    assert len(set(load_reward_model(done.path).rewards([item("it is good"), item("it is bad")]))) == 2


def test_a_frozen_tower_stays_as_it_was(vision_backbone, tmp_path):  # noqa: F811
    data = publish(tmp_path / "data", colour_rows(4), images=True)
    settings = TrainSettings(
        backbone=str(vision_backbone), freeze_vision=True, batch_size=4, learning_rate=1e-2, max_pixels=56 * 56
    )
    done = train(data, "demo", tmp_path / "model", settings, progress=False)
    before, after = load_file(vision_backbone / "model.safetensors"), load_file(done.path / "model.safetensors")
    same = {name for name in before if torch.equal(before[name], after[f"backbone.{name}"])}
    assert {name for name in before if name.startswith("visual")} <= same < set(before)


def test_what_is_not_installed_is_one_clear_line(data, settings, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    for told, line in (
        ({"lora_rank": 4}, "pip install peft"),
        ({"report_to": ["tensor_bored"]}, "report_to names tensor_bored"),
        ({"fsdp": True}, "no GPU to spread weights over"),
    ):
        with pytest.raises(PrefmillError, match=line):
            train(data, "demo", tmp_path / "model", settings.model_copy(update=told), progress=False)
    assert not list(tmp_path.iterdir())


def test_a_stream_of_rows_trains_like_a_file_of_them(settings, tmp_path, no_sleep):
    rows = [row(n, f"word {n}", "it is good " * (60 if n == 5 else 1), "it is bad") for n in range(24)]
    data = publish(tmp_path / "data", rows)
    told = settings.model_copy(update={"streaming": True, "batch_size": 4, "max_length": 80, "epochs": 3})
    done = train(data, "demo", tmp_path / "model", told, progress=False)
    assert (done.rows, done.left_out, done.reasons) == (23, 1, {"longer than max_length (80)": 1})
    assert [step for step, _, _ in done.curve] == list(range(1, 19))
    again = train(data, "demo", tmp_path / "again", told, progress=False)
    assert again.curve == done.curve
    good, bad = load_reward_model(done.path).rewards([item("it is good", "word 3"), item("it is bad", "word 3")])
    assert good > bad
    with pytest.raises(PrefmillError, match="none of 24 pairs fits"):
        train(data, "demo", tmp_path / "none", told.model_copy(update={"max_length": 2}), progress=False)


def cut(data, settings, out, last, monkeypatch):
    """A training that ends after the step `last`, as a killed one does."""
    from transformers import TrainerCallback

    from rewards import finetune

    class Power(TrainerCallback):
        def on_step_end(self, args, state, control, **_):
            if state.global_step == last:
                raise KeyboardInterrupt

    class Cut(finetune.RewardTrainer):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.add_callback(Power())

    with monkeypatch.context() as patch:
        patch.setattr(finetune, "RewardTrainer", Cut)
        with pytest.raises(KeyboardInterrupt):
            train(data, "demo", out, settings, progress=False)


def test_a_killed_stream_goes_on_where_it_was(data, settings, tmp_path, monkeypatch, no_sleep):
    told = settings.model_copy(update={"streaming": True, "batch_size": 2, "epochs": 3, "save_steps": 5})
    whole = train(data, "demo", tmp_path / "whole", told, progress=False)
    cut(data, told, tmp_path / "cut", 8, monkeypatch)
    done = train(data, "demo", tmp_path / "cut", told, progress=False)
    assert done.resumed == 5
    assert done.curve == whole.curve


def test_training_uses_nothing_that_goes_away(data, settings, tmp_path, caplog):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        train(data, "demo", tmp_path / "model", settings.model_copy(update={"activation_checkpointing": True}),
              progress=False)  # fmt: skip
    said = [str(one.message) for one in told] + [record.getMessage() for record in caplog.records]
    assert not [line for line in said if "deprecat" in line.lower()]


@pytest.fixture(scope="module")
def pictures_and_texts(tmp_path_factory):
    return publish(tmp_path_factory.mktemp("mixed") / "data", colour_rows(16), images=True)


def test_a_batch_of_texts_alone_gets_a_picture_among_several_processes(vision_backbone):  # noqa: F811
    from rewards.finetune import _fresh
    from rewards.training_rows import Collator, Scales

    encoder = _fresh(TrainSettings(backbone=str(vision_backbone), max_pixels=56 * 56))[1]
    rows = colour_rows(4)
    for witness, texts in ((True, 3), (False, 2)):
        collate = Collator(encoder, Scales(1.0, {}), ahead=0, lengths=False, witness=witness)
        batch = collate(rows[3:])
        assert len(batch["input_ids"]) == texts
        assert ("pixel_values" in batch) == witness
        assert len(batch["soft"]) == 1
        assert len(collate(rows)["input_ids"]) == 8


@pytest.mark.slow
def test_batches_made_in_other_processes_are_the_same_also_after_a_kill(
    vision_backbone,  # noqa: F811
    pictures_and_texts,
    tmp_path,
    monkeypatch,
):
    alone = TrainSettings(
        backbone=str(vision_backbone), batch_size=4, micro_batch_size=2, learning_rate=1e-3, head_hidden=16,
        max_pixels=56 * 56, save_steps=2,
    )  # fmt: skip
    beside = alone.model_copy(update={"workers": 2})
    whole = train(pictures_and_texts, "demo", tmp_path / "whole", alone, progress=False)
    cut(pictures_and_texts, beside, tmp_path / "cut", 3, monkeypatch)
    done = train(pictures_and_texts, "demo", tmp_path / "cut", beside, progress=False)
    assert done.resumed == 2
    assert done.curve == whole.curve
    first, second = (load_file(result.path / "model.safetensors") for result in (whole, done))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
def test_two_processes_train_as_one(vision_backbone, pictures_and_texts, tmp_path, monkeypatch):  # noqa: F811
    """One pair a process: where one has a picture the other often has none."""
    import datasets

    monkeypatch.setenv("HF_DATASETS_CACHE", str(datasets.config.HF_DATASETS_CACHE))
    one = TrainSettings(
        backbone=str(vision_backbone), batch_size=4, micro_batch_size=1, learning_rate=1e-3, head_hidden=16,
        max_pixels=56 * 56,
    )  # fmt: skip
    two = one.model_copy(update={"processes": 2})
    done = [train(pictures_and_texts, "demo", tmp_path / f"model{n}", told, progress=False)
            for n, told in enumerate((one, two))]  # fmt: skip
    np.testing.assert_allclose(done[1].curve, done[0].curve, atol=1e-5)
    first, second = (load_file(result.path / "model.safetensors") for result in done)
    assert first.keys() == second.keys()
    for name in first:
        torch.testing.assert_close(first[name], second[name], atol=1e-4, rtol=0)
    assert not list(tmp_path.glob(".*"))


def test_every_setting_of_the_training_is_documented():
    page = (Path(__file__).parent.parent / "docs" / "mixtures.md").read_text()
    assert [name for name in TrainSettings.model_fields if f"`{name}`" not in page] == []


def test_bfloat16_training_follows_the_whole_one(data, settings, tmp_path):
    curves = []
    for precision in ("float32", "bfloat16"):
        told = settings.model_copy(update={"precision": precision, "epochs": 4})
        done = train(data, "demo", tmp_path / precision, told, progress=False)
        curves.append([loss for _, loss, _ in done.curve])
        assert {value.dtype for value in load_file(done.path / "model.safetensors").values()} == {torch.float32}
    assert curves[0] != curves[1]
    np.testing.assert_allclose(curves[1], curves[0], atol=0.03)


def test_small_heads_train_on_one_thread():
    """Two threads wait for each other longer than they work."""
    from rewards.features import features
    from rewards.fit import HeadSettings, PairRows, fit

    ones = np.ones(2, np.float32)
    pairs = PairRows(features([item("it is good")] * 2), features([item("it is bad")] * 2), ones, ones)
    seen = []
    torch.set_num_threads(2)
    try:
        fit(pairs, None, HeadSettings(epochs=1), after_epoch=lambda *_: seen.append(torch.get_num_threads()))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert seen == [1]
