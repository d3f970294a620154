"""What `datasets` and TRL get from a published mixture: every call of the card, messages, pictures, views."""

from __future__ import annotations

import os
import subprocess

import pyarrow.parquet as pq
import pytest
from mixtures_made import (
    TEXT_AND_IMAGES,
    MediaWriter,
    drawn_rows,
    picture,
    put,
    recipe_of,
    row,
    small_store,
    write,
)

import mixtures
from pairs.errors import PrefmillError
from pairs.schema import Pair
from pairs.store import Store


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """`datasets` keeps its files in the test's own folder."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    datasets.disable_progress_bars()


def load(*given, **more):
    from datasets import load_dataset

    return load_dataset(*map(str, given), **more)


@pytest.fixture
def published(tmp_path):
    return put(small_store(tmp_path / "store"), recipe_of(tmp_path, TEXT_AND_IMAGES))


def test_the_calls_of_the_card_load_the_same_rows(published):
    for given in ((published.root,), (published.root, "mix"), (published.folder,)):
        loaded = load(*given)
        assert {split: len(rows) for split, rows in loaded.items()} == published.rows
        assert list(loaded) == ["train", "validation", "test"]
    whole = load(published.root, split="train")
    streamed = list(load(published.root, split="train", streaming=True))
    assert [one["pair_id"] for one in streamed] == whole["pair_id"][:]
    assert [one["pair_id"] for one in mixtures.load(published.root, "train", streaming=True)] == whole["pair_id"][
        :
    ]


def test_messages_are_lists_pictures_decode_and_the_metadata_is_what_datasets_reads(published):
    import datasets

    train = load(published.root, split="train")
    text = datasets.Value("string")
    assert train.features["prompt"] == datasets.List({"role": text, "content": text})
    assert train.features["images"] == datasets.List(datasets.Image())
    assert train.features["copy"] == datasets.Value("int32")
    assert {"soft_label", "weight", "chosen_images", "media_ids", "role"}.isdisjoint(train.column_names)
    for one in train:
        assert one["chosen"][0]["role"] == "assistant"
        assert one["images"] is not None
        assert len(one["images"]) == (
            0 if one["source"] == "talk" else 1 + int(one["source_row"].split(":")[1]) % 2
        )
        for image in one["images"]:
            assert image.size == (32, 24)
    # What the files hold is what the features say: loading casts nothing.
    file = pq.ParquetFile(published.folder / published.files[0])
    assert file.schema_arrow.equals(train.features.arrow_schema, check_metadata=False)


def test_the_text_view_has_the_same_rows_and_no_pictures(published):
    view = load(published.root, "text", split="train")
    assert "images" not in view.column_names
    assert view["pair_id"][:] == load(published.root, split="train")["pair_id"][:]
    assert next(iter(load(published.root, "text", split="train", streaming=True)))["prompt"]


def test_a_text_mixture_has_no_picture_column_and_no_view(tmp_path):
    made = put(small_store(tmp_path / "store"), recipe_of(tmp_path, "[sources.talk]"))
    assert "images" not in load(made.root, split="train").column_names
    assert made.rows == {"train": 60}
    with pytest.raises(ValueError, match="not found"):
        load(made.root, "text")


def test_a_config_is_one_that_is_there_and_text_is_the_whole_of_a_text_mixture(tmp_path, published):
    words = put(Store(tmp_path / "store"), recipe_of(tmp_path, "[sources.talk]", "words"))
    shelf = words.root.parent
    for path, config in ((words.root, "text"), (words.root, "words"), (shelf, "words-text"), (shelf, "words")):
        assert len(mixtures.load(path, "train", config=config)) == 60
    assert mixtures.load(shelf, "train", config="mix-text").column_names == [
        name for name in mixtures.load(shelf, "train", config="mix").column_names if name != "images"
    ]
    for path, config, says in (
        (shelf, None, "it holds several mixtures; name one by config: mix, words"),
        (shelf, "wrds", "no mixture 'wrds'; name one by config: mix, words"),
        (published.root, "txt", "no config 'txt'; expected 'mix' or 'text'"),
        (words.root, "mix", "no config 'mix'; expected 'words' or 'text'"),
        (tmp_path, None, "nothing is published there"),
        ("hf://datasets/me/sets", "mix", r'`load_dataset\("me/sets", "mix"\)`'),
        ("hf://datasets/me/sets", None, r'`load_dataset\("me/sets", "<mixture>"\)`'),
        ("ftp://me/sets", None, "expected a URL like s3://bucket/folder"),
    ):
        with pytest.raises(PrefmillError, match=says):
            mixtures.load(path, config=config)


def test_pictures_of_completions_get_columns_of_their_own(tmp_path):
    store = small_store(tmp_path / "store", images=0)
    write(store, "drawn", drawn_rows(store, "drawn", 6))
    made = put(store, recipe_of(tmp_path, "[sources.talk]\n[sources.drawn]"))
    train = load(made.root, split="train")
    assert "images" not in train.column_names
    drawn = train.filter(lambda one: one["source"] == "drawn")
    assert (
        [len(one["chosen_images"]) for one in drawn] == [len(one["rejected_images"]) for one in drawn] == [1] * 6
    )
    assert drawn[0]["chosen_images"][0].size == (32, 24)
    assert "chosen_images" not in load(made.root, "text", split="train").column_names


def test_marks_go_where_all_lead_the_first_user_turn_and_stay_elsewhere(published):
    for one in load(published.root, split="train").filter(lambda one: one["source"] == "look"):
        text = one["prompt"][0]["content"]
        number = int(one["source_row"].split(":")[1])
        assert text.count("<image>") == (len(one["images"]) if number % 3 == 0 else 0)
        assert text.startswith("Compare <image>" if number % 3 == 0 else "What is in picture")


def test_marks_in_a_later_turn_or_between_words_stay(tmp_path):
    store = Store(tmp_path / "store")
    writer = MediaWriter(store, "look")
    media = [writer.add(picture(n)) for n in range(2)]
    store.replace("media", "look", writer.close(), {})
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    late = [*turns, {"role": "user", "content": "<image>\n<image>\nWhat is it?"}]
    early = [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": "<image>\n<image>\nWhat?"},
        *turns,
    ]
    apart = [{"role": "user", "content": "<image>\nUnlike <image>?"}]
    write(store, "look", [
        row("look", n, Pair(prompt=prompt, chosen="Noise", rejected="A cat", images=["x", "x"]), media)
        for n, prompt in enumerate((late, early, apart))
    ])  # fmt: skip
    made = put(store, recipe_of(tmp_path, "[sources.look]"))
    prompts = {one["source_row"]: one["prompt"] for one in load(made.root, split="train")}
    assert prompts["a.jsonl:0"] == late
    assert prompts["a.jsonl:1"][1]["content"] == "What?"
    assert prompts["a.jsonl:2"] == apart


def tiny_reward_model(texts):
    """A random two-layer text classifier and a word tokenizer made of `texts`."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForSequenceClassification, PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel(unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.train_from_iterator(texts, trainers.WordLevelTrainer(special_tokens=["<unk>", "<pad>", "<end>"]))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="<unk>", pad_token="<pad>", eos_token="<end>"
    )
    tokenizer.chat_template = "{% for m in messages %}{{ m.role }} {{ m.content }} <end> {% endfor %}"
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, num_labels=1, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return LlamaForSequenceClassification(config), tokenizer


def test_trl_trains_on_the_text_view(published, tmp_path):
    import torch
    from trl import RewardConfig, RewardTrainer

    torch.set_num_threads(1)
    torch.manual_seed(17)
    train = load(published.root, "text", split="train")
    model, tokenizer = tiny_reward_model(
        [message["content"] for one in train for message in one["prompt"] + one["chosen"]]
    )
    settings = RewardConfig(
        output_dir=str(tmp_path / "out"), max_steps=1, per_device_train_batch_size=4, report_to=[], use_cpu=True,
        save_strategy="no", disable_tqdm=True, bf16=False, gradient_checkpointing=False,
    )  # fmt: skip
    trainer = RewardTrainer(model=model, args=settings, train_dataset=train, processing_class=tokenizer)
    before = model.score.weight.detach().clone()
    result = trainer.train()
    assert 0.3 < result.training_loss < 1.5
    assert not torch.equal(before, model.score.weight)


OLD_DATASETS = """
import sys, datasets
root = sys.argv[1]
for given in ((root,), (root, "mix"), (root, "text")):
    for streaming in (False, True):
        one = next(iter(datasets.load_dataset(*given, split="train", streaming=streaming)))
        assert isinstance(one["prompt"], list) and one["prompt"][0]["role"] == "user", one["prompt"]
        assert ("images" in one) == (len(given) == 1 or given[1] == "mix"), list(one)
print(datasets.__version__)
"""


def test_older_datasets_read_it_too(published, tmp_path):
    python = os.environ.get("PREFMILL_DATASETS36_PYTHON")
    if not python:
        pytest.skip("NO OLDER DATASETS: set PREFMILL_DATASETS36_PYTHON to an interpreter with datasets 3.6")
    done = subprocess.run(
        [python, "-c", OLD_DATASETS, str(published.root)], capture_output=True, text=True, check=False,
        env={**os.environ, "HF_HOME": str(tmp_path / "old")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("3.")
