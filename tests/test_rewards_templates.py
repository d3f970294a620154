"""What a backbone reads, to the letter, by the chat templates that Qwen publishes and TRL carries as they are."""

from __future__ import annotations

import shutil
from importlib.resources import files

import pytest
from test_rewards_embedded import own_cache, publish, row  # noqa: F401
from test_rewards_transformers import classifier, solid, text_backbone, vision_backbone  # noqa: F401
from transformers import AutoConfig

from pairs.errors import PrefmillError
from pairs.schema import IMAGE_MARK
from rewards.collate import Encoder
from rewards.interface import Item
from rewards.load import load_reward_model
from rewards.train import TrainSettings, train

PICTURE = "<|vision_start|><|image_pad|><|vision_end|>"
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"


def template(name):
    file = files("trl") / "chat_templates" / f"{name}.jinja"
    if not file.is_file():
        pytest.skip(f"NO REAL TEMPLATE {name}: pip install 'trl>=1.16'")
    return file.read_text()


def encoder(folder, name):
    config = AutoConfig.from_pretrained(folder)
    made = Encoder.load(str(folder), config, revision=None, max_length=4096, max_pixels=56 * 56)
    made.tokenizer.chat_template = template(name)
    return made


def said(*turns):
    return [{"role": role, "content": content} for role, content in turns]


ANSWER = said(("assistant", "it is red"))
ENDS = "<|im_start|>assistant\nit is red<|im_end|>\n"


@pytest.mark.parametrize(
    ("prompt", "pictures", "text"),
    [
        (said(("user", "which colour")), 0, f"{SYSTEM}<|im_start|>user\nwhich colour<|im_end|>\n{ENDS}"),
        (said(("user", "which colour")), 1, f"{SYSTEM}<|im_start|>user\n{PICTURE}which colour<|im_end|>\n{ENDS}"),
        (
            said(("user", f"{IMAGE_MARK}\nis it as in {IMAGE_MARK}\n?")),
            2,
            f"{SYSTEM}<|im_start|>user\n{PICTURE}is it as in {PICTURE}?<|im_end|>\n{ENDS}",
        ),
        (
            said(("system", "be brief\n"), ("user", "  a\n\nb "), ("assistant", "no"), ("user", "c")),
            0,
            "<|im_start|>system\nbe brief\n<|im_end|>\n<|im_start|>user\n  a\n\nb <|im_end|>\n"
            f"<|im_start|>assistant\nno<|im_end|>\n<|im_start|>user\nc<|im_end|>\n{ENDS}",
        ),
    ],
    ids=["text", "one picture", "pictures at their marks", "system and turns"],
)
def test_the_template_of_qwen_vl_is_filled_to_the_letter(vision_backbone, prompt, pictures, text):  # noqa: F811
    """Line ends after a role, around turns and in texts stay; a mark and the line end after it are the picture."""
    shown = tuple(solid((200, 0, n)) for n in range(pictures))
    made = encoder(vision_backbone, "qwen2_5_vl")
    assert made.text(Item("c", prompt, ANSWER, shown)) == text
    assert made.text(Item("c", prompt, ANSWER, shown)).count("<|image_pad|>") == pictures


def test_two_completions_differ_only_after_their_prompt(vision_backbone):  # noqa: F811
    made = encoder(vision_backbone, "qwen2_5_vl")
    prompt = said(("user", "which colour"))
    one, other = (
        made.text(Item(words, prompt, said(("assistant", words)), (solid((1, 2, 3)),)))
        for words in ("red", "blue")
    )
    start = f"{SYSTEM}<|im_start|>user\n{PICTURE}which colour<|im_end|>\n<|im_start|>assistant\n"
    assert (one, other) == (f"{start}red<|im_end|>\n", f"{start}blue<|im_end|>\n")


@pytest.mark.parametrize(
    ("name", "begins", "thinks"),
    [
        (
            "qwen2_5",
            "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n",
            "",
        ),
        ("qwen3", "", "<think>\n\n</think>\n\n"),
    ],
)
def test_the_templates_of_qwen_for_texts_are_filled_to_the_letter(text_backbone, name, begins, thinks):  # noqa: F811
    made = encoder(text_backbone, name)
    text = made.text(Item("c", said(("user", "which\ncolour")), ANSWER))
    assert text == (
        f"{begins}<|im_start|>user\nwhich\ncolour<|im_end|>\n<|im_start|>assistant\n{thinks}it is red<|im_end|>\n"
    )


def test_a_conversation_that_the_template_refuses_does_not_fit(classifier):  # noqa: F811
    model = load_reward_model(classifier)
    model.encoder = encoder(classifier, "gemma")
    turns = (said(("user", "a")), said(("system", "be brief"), ("user", "a")), said(("user", "a"), ("user", "b")))
    items = [Item(str(number), prompt, ANSWER) for number, prompt in enumerate(turns)]
    assert model.fits(items).tolist() == [True, False, False]
    assert [one.refusal for one in model.encoder.read(items)] == [
        "",
        "its chat template says: System role not supported",
        "its chat template says: Conversation roles must alternate user/assistant/user/assistant/...",
    ]
    assert model.rewards(items[:1]).shape == (1,)
    with pytest.raises(PrefmillError, match="completion 1: its chat template says"):
        model.rewards(items)


def test_pairs_that_the_template_refuses_are_left_out_of_training(text_backbone, tmp_path):  # noqa: F811
    folder = shutil.copytree(text_backbone, tmp_path / "gemma")
    (folder / "chat_template.jinja").write_text(template("gemma"))
    rows = [row(number, "word", "it is good", "it is bad") for number in range(3)]
    rows[0]["prompt"] = said(("system", "be brief"), ("user", "word"))
    publish(tmp_path / "data", rows)
    settings = TrainSettings(backbone=str(folder), batch_size=2, learning_rate=1e-3)
    done = train(str(tmp_path / "data"), "demo", tmp_path / "model", settings, progress=False)
    assert (done.rows, done.reasons) == (2, {"its chat template says: System role not supported": 1})
