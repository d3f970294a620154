"""Chosen and rejected in one sequence: the loss and the gradients of two sequences, on tiny real backbones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_rewards_backbones import internvl, qwen2, qwen3
from test_rewards_embedded import own_cache, publish, row  # noqa: F401
from test_rewards_prefixes import PLAIN, noisy
from test_rewards_transformers import TEXT_CONFIG, colour_rows, tokenizer, vision_backbone  # noqa: F401
from transformers import AutoConfig, AutoModel

from pairs.errors import PrefmillError
from rewards import training_rows
from rewards.finetune import _fresh
from rewards.head import bradley_terry
from rewards.train import TrainSettings, train
from rewards.training_rows import PER_PAIR, Collator, Scales

torch.set_num_threads(1)


def text_model(kind, folder, **more):
    torch.manual_seed(2)
    AutoModel.from_config(AutoConfig.for_model(kind, **TEXT_CONFIG, **more)).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["llama", "qwen2", "qwen3", "qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
def backbone(request, tmp_path_factory, vision_backbone):  # noqa: F811
    """The folder of a tiny backbone of each kind that is known to be exact."""
    if request.param == "qwen2_5_vl":
        return vision_backbone
    folder = tmp_path_factory.mktemp(request.param)
    if not request.param.endswith("vl"):
        return text_model(request.param, folder)
    torch.manual_seed(3)
    words = tokenizer()
    model, pictures = {"qwen2_vl": qwen2, "qwen3_vl": qwen3}[request.param](words)
    for part in (model, words, pictures):
        part.save_pretrained(folder)
    return folder


def texts():
    """Pairs that share a prompt, all but a token, and next to nothing."""
    return [
        row(0, "which colour is the square", "it is red " * 9, "it is blue and no"),
        row(1, "word", "it is red", "it is red and yes"),
        row(2, "yes and no", "no", "it is good " * 5),
    ]


def pictures():
    first, second, third = noisy(1), noisy(2, 140, 60), noisy(3, 60, 200)
    own = row(5, "which colour", "this <image>", "or this <image>")
    return [
        row(3, "which colour", "it is red", "it is blue " * 4, images=[first]),
        row(4, "before <image> then <image>\nafter", "yes", "no and no", images=[second, third]),
        {**own, "images": [], "chosen_images": [{"bytes": second}], "rejected_images": [{"bytes": third}]},
    ]


def learned(model, batch):
    """Loss of a batch and the gradient of each weight."""
    told = {name: batch.pop(name) for name in PER_PAIR if name in batch}
    model.zero_grad()
    chosen, rejected = model(**batch).logits[: 2 * len(told["soft"]), 0].chunk(2)
    loss = bradley_terry(chosen - rejected, told["soft"], told["weight"])
    loss.backward()
    return loss.item(), {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}


def batches(encoder, body, rows, witness=False):
    """The batch of `rows` in one sequence a pair, and in two with the padding right and left."""
    options = {"ahead": 0, "lengths": False, "witness": witness}
    yield Collator(encoder, Scales(1.0, {}), **options, shares=body)(rows)
    for side in ("right", "left"):
        encoder.tokenizer.padding_side = side
        yield Collator(encoder, Scales(1.0, {}), **options)(rows)


def same_lesson(one, other):
    assert one[0] == pytest.approx(other[0], abs=1e-6)
    scale = max(float(grad.abs().max()) for grad in one[1].values())
    assert scale > 1e-3
    for name in {**one[1], **other[1]}:
        grads = [told[1][name] if name in told[1] else torch.zeros(()) for told in (one, other)]
        torch.testing.assert_close(*torch.broadcast_tensors(*grads), atol=2e-5 * scale, rtol=1e-4, msg=name)


@pytest.mark.parametrize("checkpointing", [False, True], ids=["", "checkpointing"])
def test_one_sequence_teaches_what_two_teach(backbone, checkpointing):
    model, encoder = _fresh(TrainSettings(backbone=str(backbone), max_pixels=70 * 70))
    if checkpointing:
        model.activation_checkpointing_enable()
    model.train()
    # The last of `pictures` has them in its completions, and a witness is of no pair: sequences of their own.
    lessons = [(texts(), False, 3)]
    if encoder.processor is not None:
        lessons += [(pictures(), False, 4), (texts() + pictures(), False, 7), (texts(), True, 4)]
    for rows, witness, sequences in lessons:
        found = list(batches(encoder, model.backbone, rows, witness))
        assert len(found[0]["input_ids"]) == sequences
        assert int((found[0]["segments"] >= 0).sum()) < int(found[1]["attention_mask"].sum())
        one, *two = (learned(model, batch) for batch in found)
        for other in two:
            same_lesson(one, other)


def test_a_pair_too_long_for_one_sequence_is_two(backbone, monkeypatch):
    model, encoder = _fresh(TrainSettings(backbone=str(backbone), max_pixels=70 * 70))
    monkeypatch.setattr(training_rows, "LONGEST", 50)
    one, two, _ = batches(encoder, model.backbone, texts())
    assert len(one["input_ids"]) == 4
    same_lesson(learned(model, one), learned(model, two))


def test_a_side_that_the_other_begins_with_ends_where_it_ends(tmp_path):
    model, encoder = _fresh(TrainSettings(backbone=str(text_model("llama", tmp_path))))
    encoder.tokenizer.chat_template = PLAIN
    rows = [row(0, "word", "it is red", "it is"), row(1, "word", "no", "no and no")]
    one, *two = batches(encoder, model.backbone, rows)
    assert len(one["input_ids"]) == 2
    lesson = learned(model, one)
    for other in two:
        same_lesson(lesson, learned(model, other))


def test_pictures_after_the_first_token_that_differs_make_two_sequences(vision_backbone):  # noqa: F811
    model, encoder = _fresh(TrainSettings(backbone=str(vision_backbone), max_pixels=70 * 70))
    encoder.tokenizer.chat_template = encoder.tokenizer.chat_template.replace(
        "in messages", "in messages | reverse"
    )
    one, two, _ = batches(encoder, model.backbone, pictures()[:1])
    assert len(one["input_ids"]) == 2
    same_lesson(learned(model, one), learned(model, two))


def test_a_training_is_the_same_in_one_sequence_and_in_two(vision_backbone, tmp_path):  # noqa: F811
    data = publish(tmp_path / "data", colour_rows(16), images=True)
    settings = TrainSettings(
        backbone=str(vision_backbone), batch_size=8, micro_batch_size=4, learning_rate=1e-3, head_hidden=16,
        max_pixels=56 * 56, epochs=2, share_prompts=True,
    )  # fmt: skip
    shared, apart = (
        train(data, "demo", tmp_path / name, settings.model_copy(update=told), progress=False)
        for name, told in (("shared", {}), ("apart", {"share_prompts": False}))
    )
    assert (shared.apart, apart.apart) == ("", "share_prompts is false")
    np.testing.assert_allclose(shared.curve, apart.curve, atol=1e-5)


def sliding(folder):
    return text_model("qwen2", folder, use_sliding_window=True, sliding_window=4, max_window_layers=1)


def own_way(folder):
    words = tokenizer()
    for part in (*internvl(words), words):
        part.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("make", "reason"),
    [(sliding, "not all of its layers see the whole sequence"), (own_way, "internvl is none of llama, qwen2")],
)
def test_a_backbone_that_cannot_share_says_why_and_trains_all_the_same(make, reason, tmp_path):
    data = publish(tmp_path / "data", [row(n, f"word {n}", "it is good", "it is bad") for n in range(4)])
    settings = TrainSettings(backbone=str(make(tmp_path / "backbone")), batch_size=4)
    assert reason in train(data, "demo", tmp_path / "model", settings, progress=False).apart
    told = settings.model_copy(update={"share_prompts": True})
    with pytest.raises(PrefmillError, match=f"share_prompts is true, but .* cannot: {reason}"):
        train(data, "demo", tmp_path / "never", told, progress=False)
