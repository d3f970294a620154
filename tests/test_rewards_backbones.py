"""Every kind of backbone: the reward stands at the last real token, pictures and texts mix, training runs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_rewards_embedded import own_cache, publish, solid  # noqa: F401
from test_rewards_transformers import COLOURS, TEMPLATE, TEXT_CONFIG, colour_rows, item, tokenizer
from transformers import AutoModel

from pairs.errors import PrefmillError
from rewards.load import load_reward_model
from rewards.train import TrainSettings, train

torch.set_num_threads(1)

ROPE = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}
VISION = {"depth": 2, "hidden_size": 32, "num_heads": 2, "spatial_merge_size": 2}
SPOT = "<|vision_start|><|image_pad|><|vision_end|>"


def _ids(words):
    names = {"image_token_id": "image_pad", "video_token_id": "video_pad",
             "vision_start_token_id": "vision_start", "vision_end_token_id": "vision_end"}  # fmt: skip
    return {key: words.convert_tokens_to_ids(f"<|{name}|>") for key, name in names.items()}


def qwen2(words):
    from transformers import Qwen2VLConfig, Qwen2VLImageProcessorPil, Qwen2VLModel

    vision = {**VISION, "embed_dim": 32, "mlp_ratio": 2, "patch_size": 14}
    text = {**TEXT_CONFIG, "rope_parameters": ROPE}
    model = Qwen2VLModel(Qwen2VLConfig(text_config=text, vision_config=vision, **_ids(words)))
    return model, Qwen2VLImageProcessorPil(min_pixels=56 * 56, max_pixels=56 * 56)


def qwen3(words):
    from transformers import Qwen2VLImageProcessorPil, Qwen3VLConfig, Qwen3VLModel

    vision = {**VISION, "intermediate_size": 64, "out_hidden_size": 32, "patch_size": 16,
              "deepstack_visual_indexes": [0], "num_position_embeddings": 64}  # fmt: skip
    text = {**TEXT_CONFIG, "head_dim": 16, "rope_parameters": {**ROPE, "mrope_interleaved": True}}
    model = Qwen3VLModel(Qwen3VLConfig(text_config=text, vision_config=vision, **_ids(words)))
    return model, Qwen2VLImageProcessorPil(min_pixels=64 * 64, max_pixels=64 * 64, patch_size=16)


def internvl(words):
    from transformers import GotOcr2ImageProcessorPil, InternVLConfig, InternVLModel, Qwen2Config

    words.add_tokens(["<img>", "</img>", "<IMG_CONTEXT>", "<video>"], special_tokens=True)
    words.chat_template = TEMPLATE.replace(SPOT, "<IMG_CONTEXT>")
    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
              "image_size": [28, 28], "patch_size": [7, 7]}  # fmt: skip
    config = InternVLConfig(
        text_config=Qwen2Config(**TEXT_CONFIG), vision_config=vision, image_seq_length=4,
        image_token_id=words.convert_tokens_to_ids("<IMG_CONTEXT>"),
    )  # fmt: skip
    tiles = {"crop_to_patches": True, "min_patches": 1, "max_patches": 4}
    return InternVLModel(config), GotOcr2ImageProcessorPil(size={"height": 28, "width": 28}, **tiles)


@pytest.fixture(scope="module", params=[qwen2, qwen3, internvl], ids=lambda make: make.__name__)
def pictured(request, tmp_path_factory):
    """The folder of a tiny backbone that sees pictures."""
    folder = tmp_path_factory.mktemp(request.param.__name__)
    torch.manual_seed(3)
    words = tokenizer()
    model, pictures = request.param(words)
    for part in (model, words, pictures):
        part.save_pretrained(folder)
    return folder


def test_a_backbone_is_trained_saved_and_loaded(pictured, tmp_path):
    data = publish(tmp_path / "data", colour_rows(8), images=True)
    settings = TrainSettings(
        backbone=str(pictured), batch_size=4, learning_rate=1e-3, head_hidden=8, max_pixels=64 * 64, epochs=2
    )
    done = train(data, "demo", tmp_path / "model", settings, progress=False)
    assert (done.rows, done.left_out, len(done.curve)) == (8, 0, 4)
    model = load_reward_model(done.path)
    red, blue = ((solid(COLOURS[name]),) for name in ("red", "blue"))
    items = [item("it is red", images=red), item("it is red", images=blue), item("it is good " * 3, "word")]
    alone = np.concatenate([model.rewards([one]) for one in items])
    assert len(np.unique(alone.round(5))) == 3
    for side in ("left", "right"):
        model.encoder.tokenizer.padding_side = side
        with torch.no_grad():
            together = model.model(**model.encoder.encode(items)).logits[:, 0].numpy()
            turned = model.model(**model.encoder.encode(items[::-1])).logits[:, 0].numpy()
        np.testing.assert_allclose(together, alone, atol=1e-5)
        np.testing.assert_allclose(turned[::-1], alone, atol=1e-5)  # each text kept its own picture
    encoded = model.encoder.encode(items)
    assert model.encoder.lengths(items).tolist() == encoded["attention_mask"].sum(dim=1).tolist()
    again = AutoModel.from_pretrained(done.path)
    with torch.no_grad():
        np.testing.assert_allclose(again(**encoded).logits[:, 0].numpy(), alone, atol=1e-6)


def test_pictures_need_the_types_of_their_tokens(pictured):
    """Without them Qwen's models place pictures as if they were text, and say nothing."""
    from rewards.collate import Encoder
    from rewards.vision import PrefmillRewardModel

    backbone = AutoModel.from_pretrained(pictured)
    encoder = Encoder.load(str(pictured), backbone.config, revision=None, max_length=99, max_pixels=64 * 64)
    batch = encoder.encode([item("it is red", images=(solid(COLOURS["red"]),))])
    if not backbone.config.model_type.startswith("qwen"):
        assert "mm_token_type_ids" not in batch
        return
    del batch["mm_token_type_ids"]
    with pytest.raises(ValueError, match="without mm_token_type_ids"):
        PrefmillRewardModel.on_backbone(backbone)(**batch)


def test_a_budget_of_pixels_bounds_the_tokens_of_a_picture(pictured):
    from rewards.collate import Encoder

    config = AutoModel.from_pretrained(pictured).config
    large = item("it is red", images=(solid(COLOURS["red"], side=112),))
    counts = [
        Encoder.load(str(pictured), config, revision=None, max_length=99, max_pixels=side**2).lengths([large])[0]
        for side in (28, 112)
    ]
    assert 0 < counts[0] < counts[1]


@pytest.mark.parametrize("layers", [1, 2, 4])
@pytest.mark.parametrize("activation", ["silu", "tanh", "none"])
def test_heads_of_every_shape_come_back_as_they_were_saved(layers, activation, tmp_path):
    from transformers import LlamaConfig, LlamaModel

    from rewards.vision import PrefmillRewardModel

    torch.manual_seed(4)
    backbone = LlamaModel(LlamaConfig(**{**TEXT_CONFIG, "num_hidden_layers": 1}))
    model = PrefmillRewardModel.on_backbone(
        backbone, head_hidden=8, head_layers=layers, head_activation=activation
    ).eval()
    assert len(model.score.linears()) == layers
    model.save_pretrained(tmp_path)
    batch = {"input_ids": torch.arange(12).reshape(2, 6), "attention_mask": torch.ones(2, 6, dtype=torch.long)}
    with torch.no_grad():
        expected = model(**batch).logits
        torch.testing.assert_close(
            AutoModel.from_pretrained(tmp_path)(**batch).logits, expected, atol=1e-6, rtol=0
        )
        # In half precision the head stays whole: rewards in steps of 1/16 would tie.
        half = AutoModel.from_pretrained(tmp_path, dtype=torch.bfloat16)
        assert half(**batch).logits.dtype == torch.float32
    assert half.backbone.dtype == torch.bfloat16
    for one, other in zip(half.score.parameters(), model.score.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_processor_that_cannot_be_loaded_is_one_clear_line(tmp_path):
    """The library hands back the bare tokenizer: every picture would be lost."""
    from transformers import LlavaConfig

    from rewards.processors import load_processor

    tokenizer().save_pretrained(tmp_path)
    with pytest.raises(PrefmillError, match="install torchvision"):
        load_processor(str(tmp_path), LlavaConfig(), revision=None, tokenizer=tokenizer())
