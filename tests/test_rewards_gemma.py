"""Gemma 3 classifiers: pictures given row by row, and attention both ways inside a picture."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from test_rewards_prefixes import noisy
from test_rewards_transformers import TEMPLATE, TEXT_CONFIG, item, tokenizer

from pairs.media import decode_image
from rewards.load import load_reward_model

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def gemma(tmp_path_factory):
    """A tiny Gemma 3 with a classifier's head and pictures of four tokens."""
    from transformers import (
        Gemma3Config,
        Gemma3ForSequenceClassification,
        Gemma3ImageProcessorPil,
        PreTrainedTokenizerFast,
    )

    folder = tmp_path_factory.mktemp("gemma")
    torch.manual_seed(0)
    marks = {"boi_token": "<|vision_start|>", "eoi_token": "<|vision_end|>", "image_token": "<|image_pad|>"}
    words = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer().backend_tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>",
        extra_special_tokens=marks,
    )  # fmt: skip
    words.chat_template = TEMPLATE.replace("<|image_pad|><|vision_end|>", "")
    ids = {name: words.convert_tokens_to_ids(token) for name, token in marks.items()}
    config = Gemma3Config(
        text_config={**TEXT_CONFIG, "head_dim": 16, "sliding_window": 64},
        vision_config={"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
                       "num_attention_heads": 2, "image_size": 56, "patch_size": 14},
        mm_tokens_per_image=4, image_token_id=ids["image_token"], boi_token_index=ids["boi_token"],
        eoi_token_index=ids["eoi_token"],
    )  # fmt: skip
    config.num_labels = 1
    model = Gemma3ForSequenceClassification(config)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.3)  # of the library's own weights a picture hardly shows
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    Gemma3ImageProcessorPil(size={"height": 56, "width": 56}).save_pretrained(folder)
    (folder / "processor_config.json").write_text(
        json.dumps({"processor_class": "Gemma3Processor", "image_seq_length": 4})
    )
    return folder


def test_a_batch_of_pictures_and_texts_is_judged_as_each_item_alone(gemma):
    model = load_reward_model(gemma)
    assert not model.shares
    items = [
        item("it is red", images=(noisy(1),)),
        item("no", "word"),
        item("it is blue", "<image> or <image>", (noisy(2), noisy(3))),
    ]
    assert model.fits(items).all()
    alone = np.concatenate([model.rewards([one]) for one in items])
    assert len(set(alone)) == 3
    np.testing.assert_allclose(model.rewards(items), alone, atol=1e-5)
    np.testing.assert_allclose(model.rewards(items[::-1])[::-1], alone, atol=1e-5)


def test_a_picture_is_seen_as_the_model_itself_sees_it(gemma):
    from transformers import AutoProcessor, Gemma3ForSequenceClassification

    one = item("it is red", images=(noisy(1),))
    model = load_reward_model(gemma)
    whole = Gemma3ForSequenceClassification.from_pretrained(gemma).eval()
    given = AutoProcessor.from_pretrained(gemma)(
        text=[model.encoder.text(one)], images=[[decode_image(one.images[0])]], return_tensors="pt",
        add_special_tokens=False, input_data_format="channels_last",
    )  # fmt: skip
    with torch.no_grad():
        states = whole.model(**given).last_hidden_state[0, -1]
        blind = whole.model(**{**given, "token_type_ids": None}).last_hidden_state[0, -1]
        expected, other = (float(whole.score(state)) for state in (states, blind))
    assert abs(expected - other) > 1e-3
    assert model.rewards([one])[0] == pytest.approx(expected, abs=1e-5)
