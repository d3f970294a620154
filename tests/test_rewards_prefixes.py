"""Completions of one prompt in one sequence: the same rewards as each alone, on tiny real models."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from test_rewards_served import ours  # noqa: F401
from test_rewards_transformers import TEXT_CONFIG, classifier, item, tokenizer, vision_backbone  # noqa: F401

from pairs.errors import PrefmillError
from pairs.media import encode_image
from rewards.load import load_reward_model
from rewards.prefixes import Forest
from rewards.sequence import Rows

TAILS = ["it is red", "it is blue and yes", "no", "it is", "it is red " * 9, "word good bad", "it is green"]

PLAIN = "{% for m in messages %}{{ m.role }}: {{ m.content }}{% if not loop.last %}\n{% endif %}{% endfor %}"


def alone(model, items):
    """Each item by itself, in full: nothing is shared and nothing padded."""
    return np.concatenate([model.rewards([one]) for one in items])


def texts():
    return [
        item(tail, prompt) for prompt in ("which colour is the square", "yes and no", "word") for tail in TAILS
    ]


def noisy(seed, high=56, wide=56):
    return encode_image(np.random.default_rng(seed).integers(0, 255, (high, wide, 3)).astype(np.uint8))


def pictured():
    """Prompts with one picture, with two of other sizes, and without, several completions each."""
    first, second, third = noisy(1), noisy(2, 140, 60), noisy(3, 60, 200)
    prompts = [
        ("which colour", (first,)),
        ("before <image> then <image>\nafter", (second, third)),
        ("which colour", (second,)),
        ("word", ()),
    ]
    return [item(tail, *prompt) for prompt in prompts for tail in TAILS]


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3"])
def test_texts_get_the_rewards_they_get_alone(kind, tmp_path):
    from transformers import AutoConfig, AutoModelForSequenceClassification

    torch.manual_seed(4)
    config = AutoConfig.for_model(kind, **TEXT_CONFIG, num_labels=1, pad_token_id=2)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    model = load_reward_model(tmp_path)
    items = texts()
    items = items[::2] + items[1::2]  # those of a prompt need not stand together
    batches = model.batches(items)
    assert [type(batch) for batch in batches] == [Forest]
    assert sum(tree.length for tree in batches[0].trees) < 0.75 * model.encoder.lengths(items).sum()
    np.testing.assert_allclose(model.rewards(items), alone(model, items), atol=1e-5)
    assert np.ptp(alone(model, items)) > 1e-3


def test_pictures_get_the_rewards_they_get_alone(ours):  # noqa: F811
    model = load_reward_model(ours)
    items = pictured()
    assert len(np.unique(model.rewards(items))) == len(items)
    np.testing.assert_allclose(model.rewards(items), alone(model, items), atol=1e-5)
    np.testing.assert_allclose(model.rewards(texts()), alone(model, texts()), atol=1e-5)
    shuffled = np.random.default_rng(0).permutation(len(items))
    np.testing.assert_allclose(
        model.rewards([items[n] for n in shuffled]), alone(model, items)[shuffled], atol=1e-5
    )


def test_no_order_of_the_items_changes_a_reward(ours, monkeypatch):  # noqa: F811
    """Other orders make other batches: here of at most 150 tokens."""
    monkeypatch.setattr("rewards.sequence.TOKEN_BUDGET", 150)
    model, items = load_reward_model(ours), pictured()
    found = model.rewards(items)
    assert len(model.batches(items)) > 3
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(items))
        np.testing.assert_allclose(model.rewards([items[place] for place in order]), found[order], atol=1e-4)


def test_in_bfloat16_as_on_a_gpu_shared_rewards_are_those_of_items_alone(ours, monkeypatch):  # noqa: F811
    """Body in bfloat16, head in float32; what rounding leaves between the two is under a tenth of the spread."""
    monkeypatch.setattr("rewards.sequence.dtype_and_device", lambda: (torch.bfloat16, "cpu"))
    model, items = load_reward_model(ours), pictured()
    assert next(model.logits.body.parameters()).dtype == torch.bfloat16
    shared = model.rewards(items)
    assert shared.dtype == np.float32
    each = alone(model, items)
    assert np.abs(shared - each).max() < 0.1 * np.ptp(each)


def test_each_picture_goes_through_the_tower_once(ours):  # noqa: F811
    model = load_reward_model(ours)
    seen = []
    model.logits.body.visual.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    model.rewards(pictured()[:7])
    once = sum(seen)
    seen.clear()
    alone(model, pictured()[:7])
    assert sum(seen) == 7 * once


def test_completions_with_pictures_of_their_own_are_judged_alone(ours):  # noqa: F811
    from dataclasses import replace

    model = load_reward_model(ours)
    items = [replace(item(f"{n} <image>"), completion_images=(noisy(n),)) for n in range(3)]
    assert {type(batch) for batch in model.batches(items)} == {Rows}
    np.testing.assert_allclose(model.rewards(items), alone(model, items), atol=1e-5)


def test_completions_that_are_alike_keep_their_last_token(classifier):  # noqa: F811
    model = load_reward_model(classifier)
    items = [item("it is red"), item("it is red")]
    assert [type(batch) for batch in model.batches(items)] == [Forest]
    np.testing.assert_allclose(model.rewards(items), alone(model, items), atol=1e-5)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1)])
def test_a_completion_that_others_begin_with_keeps_its_own_reward(classifier, order):  # noqa: F811
    """Without a mark at the end of a turn the shared part may be a completion as a whole."""
    model = load_reward_model(classifier)
    model.encoder.tokenizer.chat_template = PLAIN
    items = [(item("it is"), item("it is red"), item("it is blue"))[place] for place in order]
    assert () in model.batches(items)[0].trees[0].tails
    np.testing.assert_allclose(model.rewards(items), alone(model, items), atol=1e-5)


def test_long_groups_are_cut_between_completions(ours, monkeypatch):  # noqa: F811
    model = load_reward_model(ours)
    items = pictured()
    whole = model.rewards(items)
    monkeypatch.setattr("rewards.prefixes.LONGEST", 60)
    trees = [tree for batch in model.batches(items) if isinstance(batch, Forest) for tree in batch.trees]
    assert len(trees) > 4
    assert all(tree.length <= 60 for tree in trees)
    np.testing.assert_allclose(model.rewards(items), whole, atol=1e-5)


@pytest.mark.parametrize("most", [400, 200, 90])
def test_batches_halve_until_they_fit(ours, most):  # noqa: F811
    model = load_reward_model(ours)
    items = [*pictured(), item("alone", "a prompt of its own")]
    whole, sizes = model.rewards(items), []

    def full(_, args, given):
        sizes.append(given["input_ids"].numel())
        if sizes[-1] > most:
            raise torch.OutOfMemoryError

    model.logits.body.register_forward_pre_hook(full, with_kwargs=True)
    np.testing.assert_allclose(model.rewards(items), whole, atol=1e-5)
    assert max(sizes) > most
    assert len(sizes) > len(model.batches(items))


def test_one_completion_that_does_not_fit_is_one_line(classifier):  # noqa: F811
    model = load_reward_model(classifier)

    def full(*_):
        raise torch.OutOfMemoryError

    model.logits.body.register_forward_pre_hook(full)
    with pytest.raises(PrefmillError, match="ran out of memory on one completion alone"):
        model.rewards([item("it is red"), item("no")])


def test_models_that_count_in_their_own_way_share_nothing(tmp_path):
    from transformers import AutoConfig, AutoModelForSequenceClassification

    config = AutoConfig.for_model(
        "qwen2", **TEXT_CONFIG, num_labels=1, use_sliding_window=True, sliding_window=4, max_window_layers=1
    )
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    model = load_reward_model(tmp_path)
    assert not model.shares
    np.testing.assert_allclose(model.rewards(texts()), alone(model, texts()), atol=1e-5)


def test_pictures_of_several_batches_are_made_ready_at_once(ours, monkeypatch):  # noqa: F811
    """Two batches must be at their pictures together, or the barrier breaks."""
    monkeypatch.setattr("rewards.sequence.TOKEN_BUDGET", 60)
    model = load_reward_model(ours)
    items = [item("it is red", f"word {n}", (noisy(n),)) for n in range(4)]
    expected = alone(model, items)
    together, kind = threading.Barrier(2), type(model.encoder.processor.image_processor)
    made = kind.preprocess

    def waiting(self, *given, **options):
        together.wait(timeout=20)
        return made(self, *given, **options)

    monkeypatch.setattr(kind, "preprocess", waiting)
    batches = model.batches(items)
    assert [type(batch) for batch in batches] == [Rows] * 4
    np.testing.assert_allclose(model.rewards(items), expected, atol=1e-5)


@pytest.mark.parametrize("prompts", [1, 7], ids=["shared", "alone"])
def test_an_item_is_read_once(ours, monkeypatch, prompts):  # noqa: F811
    """To see what fits, to make batches, and to fill them."""
    model = load_reward_model(ours)
    fill, filled = model.encoder.tokenizer.apply_chat_template, []
    monkeypatch.setattr(
        model.encoder.tokenizer,
        "apply_chat_template",
        lambda *given, **more: filled.append(1) or fill(*given, **more),
    )
    items = [item(tail, f"word {n % prompts}") for n, tail in enumerate(TAILS)]
    assert model.fits(items).all()
    found = model.rewards(items)
    assert len(filled) == len(items)
    np.testing.assert_allclose(model.rewards(items), found, atol=1e-6)
