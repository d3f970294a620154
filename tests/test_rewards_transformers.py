"""Reward models on transformers: tiny real models, padding, pictures, training, saving and loading."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from test_rewards_embedded import own_cache, publish, row, solid  # noqa: F401
from transformers import AutoModel

from pairs.errors import PrefmillError
from rewards.interface import Item
from rewards.load import load_reward_model
from rewards.train import TrainSettings, train

torch.set_num_threads(1)

SPECIALS = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>"]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}"
    "{% if p.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ p.text }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
)
TEXTS = ["which colour is the square", "it is red", "it is blue", "it is green", "yes and no", "word good bad"]


def tokenizer(pad="<|endoftext|>"):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        TEXTS * 4,
        trainers.BpeTrainer(
            vocab_size=340,
            special_tokens=[*SPECIALS, "<|video_pad|>"],
            initial_alphabet=alphabet,
            show_progress=False,
        ),
    )
    made = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|im_end|>", pad_token=pad)
    made.chat_template = TEMPLATE
    return made


TEXT_CONFIG = {
    "vocab_size": 400, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 512,
}  # fmt: skip


@pytest.fixture(scope="session")
def classifier(tmp_path_factory):
    """A sequence classifier whose pad token is its end token: what the library itself scores wrongly."""
    from transformers import Qwen2Config, Qwen2ForSequenceClassification

    folder = tmp_path_factory.mktemp("classifier")
    torch.manual_seed(1)
    words = tokenizer(pad="<|im_end|>")
    words.chat_template = TEMPLATE.replace("<|im_end|>\n{% endfor %}", "<|im_end|>{% endfor %}")
    config = Qwen2Config(**TEXT_CONFIG, num_labels=1, pad_token_id=words.pad_token_id)
    Qwen2ForSequenceClassification(config).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def text_backbone(tmp_path_factory):
    from transformers import LlamaConfig, LlamaModel

    folder = tmp_path_factory.mktemp("llama")
    torch.manual_seed(2)
    LlamaModel(LlamaConfig(**TEXT_CONFIG)).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def vision_backbone(tmp_path_factory):
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLModel, Qwen2VLImageProcessorPil

    folder = tmp_path_factory.mktemp("qwen_vl")
    torch.manual_seed(3)
    words = tokenizer()
    ids = {name: words.convert_tokens_to_ids(f"<|{name}|>") for name in ("image_pad", "video_pad")}
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}
    config = Qwen2_5_VLConfig(
        text_config={**TEXT_CONFIG, "rope_parameters": rope},
        vision_config={
            "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 32,
            "patch_size": 14, "window_size": 56, "fullatt_block_indexes": [1], "spatial_merge_size": 2,
        },
        image_token_id=ids["image_pad"], video_token_id=ids["video_pad"],
        vision_start_token_id=words.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=words.convert_tokens_to_ids("<|vision_end|>"),
    )  # fmt: skip
    Qwen2_5_VLModel(config).save_pretrained(folder)
    words.save_pretrained(folder)
    Qwen2VLImageProcessorPil(min_pixels=56 * 56, max_pixels=56 * 56).save_pretrained(folder)
    return folder


def item(completion, prompt="which colour is the square", images=()):
    return Item(
        completion, [{"role": "user", "content": prompt}], [{"role": "assistant", "content": completion}], images
    )


def test_a_classifier_scores_the_last_token_whatever_the_padding(classifier):
    model = load_reward_model(classifier)
    items = [item("it is red"), item("no"), item("it is blue " * 9), item("yes and no")]
    alone = np.concatenate([model.rewards([one]) for one in items])
    assert alone.dtype == np.float32
    assert len(np.unique(alone)) == 4
    for side in ("left", "right"):
        model.encoder.tokenizer.padding_side = side
        np.testing.assert_allclose(model.rewards(items), alone, atol=1e-5)
    inside = model.model
    with torch.no_grad():
        states = inside.base_model(**model.encoder.encode(items[:1])).last_hidden_state
        assert float(inside.score(states[0, -1])) == pytest.approx(alone[0], abs=1e-5)


def test_the_fingerprint_follows_weights_template_and_length(classifier, tmp_path):
    import shutil

    first = load_reward_model(classifier).fingerprint
    assert load_reward_model(classifier).fingerprint == first
    assert load_reward_model(classifier, max_length=77).fingerprint != first
    copy = shutil.copytree(classifier, tmp_path / classifier.name)
    assert load_reward_model(copy).fingerprint == first
    weights = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(weights[:-4] + b"\0\0\0\0")
    assert load_reward_model(copy).fingerprint != first


def test_what_is_too_long_or_not_to_be_seen_does_not_fit(classifier):
    model = load_reward_model(classifier, max_length=40)
    fits = model.fits(
        [item("it is red"), item("it is red " * 40), item("it is red", images=(solid((200, 0, 0)),))]
    )
    assert fits.tolist() == [True, False, False]


def test_what_is_longer_than_the_models_own_context_does_not_fit(classifier, vision_backbone, tmp_path):
    """GPT-2 has no place beyond its context; others answer, and nobody trained them there."""
    from transformers import GPT2Config, GPT2ForSequenceClassification

    from rewards.collate import Encoder

    config = GPT2Config(vocab_size=400, n_positions=64, n_embd=32, n_layer=2, n_head=2, num_labels=1)
    config.pad_token_id = 2
    GPT2ForSequenceClassification(config).save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    for folder, most in ((tmp_path, 64), (classifier, 512)):
        model = load_reward_model(folder)
        assert model.encoder.max_length == most
        items = [item("it is red"), item("it is red " * most)]
        assert model.fits(items).tolist() == [True, False]
        assert [one.refusal for one in model.encoder.read(items)] == [
            "",
            f"longer than the model's context ({most})",
        ]
        assert np.isfinite(model.rewards(items[:1])).all()
        assert model.fingerprint != load_reward_model(folder, max_length=40).fingerprint
    pictured = Encoder.load(
        str(vision_backbone), AutoModel.from_pretrained(vision_backbone).config, revision=None, max_length=4096,
        max_pixels=56 * 56,
    )  # fmt: skip
    assert pictured.read([item("it is red " * 512)])[0].refusal == "longer than the model's context (512)"
    pictures = (solid((9, 9, 9)),) * 130  # of four tokens each
    assert (
        pictured.read([item("it is red", images=pictures)])[0].refusal == "longer than the model's context (512)"
    )


def test_a_model_with_two_labels_is_refused(classifier, tmp_path):
    from transformers import Qwen2Config, Qwen2ForSequenceClassification

    Qwen2ForSequenceClassification(Qwen2Config(**TEXT_CONFIG, num_labels=2)).save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    with pytest.raises(PrefmillError, match="2 labels"):
        load_reward_model(tmp_path)


def test_a_model_without_a_reward_head_is_refused(text_backbone):
    with pytest.raises(PrefmillError, match=r"no weights for score\.weight, expected a reward model"):
        load_reward_model(text_backbone)


def test_a_tokenizer_without_template_is_refused(text_backbone, tmp_path):
    import shutil

    copy = shutil.copytree(text_backbone, tmp_path / "copy")
    (copy / "chat_template.jinja").unlink()
    publish(tmp_path / "data", [row(0, "which colour", "it is red", "it is blue")])
    with pytest.raises(PrefmillError, match="no chat template"):
        train(str(tmp_path / "data"), "demo", tmp_path / "out", TrainSettings(backbone=str(copy)), progress=False)
    assert not (tmp_path / "out").exists()


COLOURS = {"red": (220, 20, 20), "blue": (20, 20, 220), "green": (20, 200, 20)}


def colour_rows(number):
    """Pairs that only the picture can decide, and text pairs among them."""
    names = list(COLOURS)
    rows = []
    for index in range(number):
        right, wrong = names[index % 3], names[(index + 1 + index // 3 % 2) % 3]
        if index % 4 == 3:
            rows.append(row(index, "word", "it is good", "it is bad"))
        else:
            picture = solid(COLOURS[right], noise=index)
            rows.append(
                row(index, "which colour is the square", f"it is {right}", f"it is {wrong}", images=[picture])
            )
    return rows


@pytest.fixture(scope="session")
def trained(vision_backbone, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    publish(folder / "data", colour_rows(48), images=True)
    settings = TrainSettings(
        backbone=str(vision_backbone), learning_rate=3e-3, batch_size=8, micro_batch_size=4, epochs=5,
        head_hidden=16, max_pixels=56 * 56,
    )  # fmt: skip
    return train(str(folder / "data"), "demo", folder / "model", settings, progress=False)


def test_training_on_pictures_and_texts_lowers_the_loss(trained):
    losses = [loss for _, loss, _ in trained.curve]
    assert trained.rows == 48
    assert trained.left_out == 0
    assert np.mean(losses[-5:]) < 0.75 * np.mean(losses[:5])
    assert {"config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json"} <= {
        path.name for path in trained.path.iterdir()
    }
    assert not list(trained.path.glob("trainer*"))


def test_a_trained_model_loads_through_automodel_and_judges_pictures(trained):
    model = load_reward_model(trained.path)
    red, blue = (solid(COLOURS[name]) for name in ("red", "blue"))
    items = [item("it is red", images=(red,)), item("it is red", images=(blue,)), item("it is good", "word")]
    alone = np.concatenate([model.rewards([one]) for one in items])
    assert abs(alone[0] - alone[1]) > 1e-4
    for side in ("left", "right"):
        model.encoder.tokenizer.padding_side = side
        np.testing.assert_allclose(model.rewards(items), alone, atol=1e-5)
    again = load_reward_model(trained.path)
    np.testing.assert_allclose(again.rewards(items), alone, atol=1e-6)
    assert type(AutoModel.from_pretrained(trained.path)).__name__ == "PrefmillRewardModel"


def test_picture_tokens_are_counted_as_they_are_encoded(trained):
    encoder = load_reward_model(trained.path).encoder
    picture = np.zeros((140, 60, 3), np.uint8)
    from pairs.media import encode_image

    both = item("it is red", "first <image> then <image>", images=(encode_image(picture), solid((9, 9, 9))))
    encoded = encoder.encode([both])
    assert encoder.lengths([both]).tolist() == [encoded["input_ids"].shape[1]]
    assert "mm_token_type_ids" in encoded


def test_marks_say_where_pictures_stand(trained):
    encoder = load_reward_model(trained.path).encoder
    picture = (solid((9, 9, 9)),)
    spot = "<|vision_start|><|image_pad|><|vision_end|>"
    assert f"user\nbefore {spot} after" in encoder.text(item("x", "before <image> after", picture))
    assert f"user\n{spot}plain" in encoder.text(item("x", "plain", picture))
    assert encoder.text(item("x", "<image>\nplain", picture)) == encoder.text(item("x", "plain", picture))


def test_a_text_that_spells_the_picture_token_does_not_fit(trained):
    model = load_reward_model(trained.path)
    assert not model.fits([item("it is <|image_pad|>", images=(solid((9, 9, 9)),))])[0]


def test_a_backbone_keeps_its_weights_under_a_new_head(vision_backbone):
    from rewards.vision import PrefmillRewardModel

    backbone = AutoModel.from_pretrained(vision_backbone)
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    model = PrefmillRewardModel.on_backbone(backbone, head_hidden=8)
    assert all(torch.equal(value, before[name]) for name, value in model.backbone.state_dict().items())
    assert 0 < float(model.score.outer.weight.detach().std()) < 1
    assert all(value.device.type == "cpu" for value in model.state_dict().values())


def test_pairs_too_long_for_the_backbone_are_counted(text_backbone, tmp_path):
    rows = [row(index, "word", "it is good", "it is bad") for index in range(6)]
    rows.append(row(6, "word", "it is good " * 80, "it is bad"))
    publish(tmp_path / "data", rows)
    settings = TrainSettings(backbone=str(text_backbone), batch_size=2, max_length=60, learning_rate=1e-3)
    done = train(str(tmp_path / "data"), "demo", tmp_path / "model", settings, progress=False)
    assert (done.rows, done.left_out, done.reasons) == (6, 1, {"longer than max_length (60)": 1})
    config = json.loads((done.path / "config.json").read_text())
    assert config["model_type"] == "prefmill_reward"
    with pytest.raises(PrefmillError, match="none of 7 pairs"):
        train(
            str(tmp_path / "data"),
            "demo",
            done.path,
            settings.model_copy(update={"max_length": 2}),
            progress=False,
        )
    assert load_reward_model(done.path)


def test_soft_labels_turn_a_backbone_around(text_backbone, tmp_path):
    rows = [{**row(index, "word", "it is good", "it is bad"), "soft_label": 0.0} for index in range(8)]
    publish(tmp_path / "data", rows)
    settings = TrainSettings(backbone=str(text_backbone), batch_size=4, epochs=6, learning_rate=3e-3)
    done = train(str(tmp_path / "data"), "demo", tmp_path / "model", settings, progress=False)
    good, bad = load_reward_model(done.path).rewards([item("it is good", "word"), item("it is bad", "word")])
    assert good < bad


def test_accumulated_micro_batches_equal_one_batch(text_backbone, tmp_path):
    rows = [{**row(n, f"word {n}", "it is good " * n, "it is bad"), "weight": 1.0 + n % 3} for n in range(1, 17)]
    folder = publish(tmp_path / "data", rows)
    margins, losses = [], []
    for micro, checkpointing in ((8, False), (2, False), (2, True)):
        settings = TrainSettings(
            backbone=str(text_backbone), batch_size=8, micro_batch_size=micro, learning_rate=1e-3, epochs=2,
            activation_checkpointing=checkpointing,
        )  # fmt: skip
        done = train(folder, "demo", tmp_path / f"{micro}{checkpointing}", settings, progress=False)
        losses.append([loss for _, loss, _ in done.curve])
        good, bad = load_reward_model(done.path).rewards([item("it is good"), item("it is bad")])
        # The last bias adds the same to all rewards: its gradient is 0, and AdamW steps along its rounding.
        margins.append(good - bad)
    assert len(losses[0]) == 4
    np.testing.assert_allclose(losses, [losses[0]] * 3, atol=1e-4)
    np.testing.assert_allclose(margins, [margins[0]] * 3, atol=2e-5)
