"""Exports: what each layout holds, what it cannot hold, and that the trainer it is for reads it."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from mixtures_made import TEXT_AND_IMAGES, decisions, drawn_rows, put, recipe_of, row, small_store, write
from test_mixtures_load import load, tiny_reward_model

from mixtures._export import export
from mixtures.exports import names
from pairs.errors import PrefmillError
from pairs.media import check_image
from pairs.schema import Pair


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """`datasets` keeps its files in the test's own folder."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    datasets.disable_progress_bars()


@pytest.fixture
def published(tmp_path):
    """60 texts, 20 pairs about pictures, 3 pairs of drawings, one dialogue that starts with the assistant."""
    store = small_store(tmp_path / "store")
    write(store, "drawn", drawn_rows(store, "drawn", 3))
    turns = [{"role": "assistant", "content": "Hello"}, {"role": "user", "content": "Ü?"}]
    system = [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Hm?"}]
    chats = [Pair(prompt=prompt, chosen="Yes", rejected="No") for prompt in (turns, system)]
    write(store, "late", [row("late", n, pair) for n, pair in enumerate(chats)])
    recipe = recipe_of(tmp_path, TEXT_AND_IMAGES + "[sources.drawn]\n[sources.late]\n")
    return put(store, recipe, ("one", lambda left: decisions(left.head(4), "weight", value=2.0)))


def lines(folder):
    return [json.loads(line) for file in sorted(folder.glob("*.jsonl")) for line in file.read_text().splitlines()]


def rows(published):
    return {one["pair_id"]: one for split in load(published.root).values() for one in split}


def test_llama_factory_gets_conversations_with_a_ranking_and_their_description(published, tmp_path):
    done = export(published.root, "llama-factory", tmp_path / "out")
    assert done.left_out == {"the completions are pictures": 3, "turns do not alternate": 1}
    assert (sum(done.rows.values()), done.bare, done.pictures) == (81, 4, 30)
    info = json.loads((tmp_path / "out" / "dataset_info.json").read_text())
    assert list(info) == ["mix", "mix_test", "mix_validation"]
    assert info["mix"]["file_name"] == "train.jsonl"
    assert info["mix"]["columns"]["messages"] == "conversations"
    source = rows(published)
    for one in lines(tmp_path / "out"):
        turns = one["conversations"]
        assert [turn["from"] for turn in turns][-1] == "human"
        assert "".join(turn["value"] for turn in turns).count("<image>") == len(one["images"])
        assert one["chosen"] == {"from": "gpt", "value": source[one["pair_id"]]["chosen"][0]["content"]}
        for path in one["images"]:
            check_image((tmp_path / "out" / path).read_bytes())
    assert any(
        one["conversations"][0] == {"from": "system", "value": "Be brief"} for one in lines(tmp_path / "out")
    )


def test_ms_swift_gets_messages_and_the_rejected_response(published, tmp_path):
    done = export(published.root, "ms-swift", tmp_path / "out")
    assert done.left_out == {"the completions are pictures": 3}
    source = rows(published)
    for one in lines(tmp_path / "out"):
        now = source[one["pair_id"]]
        assert one["messages"][-1] == now["chosen"][0]
        assert one["rejected_response"] == now["rejected"][0]["content"]
        prompt = "".join(message["content"] for message in one["messages"][:-1])
        assert prompt.count("<image>") == len(one.get("images", []))
        assert re.sub(r"^(<image>\n)+", "", prompt) == "".join(m["content"] for m in now["prompt"])


def test_openrlhf_gets_lists_of_messages_and_no_pictures(published, tmp_path):
    done = export(published.root, "openrlhf", tmp_path / "out")
    assert (done.left_out, sum(done.rows.values()), done.pictures) == ({"it has pictures": 23}, 62, 0)
    source = rows(published)
    for one in lines(tmp_path / "out"):
        assert {
            name: source[one["pair_id"]][name] for name in ("prompt", "chosen", "rejected")
        }.items() <= one.items()
    read = load("json", data_files=str(tmp_path / "out" / "train.jsonl"), split="train")
    _, tokenizer = tiny_reward_model(["Ü?"])
    one = read[0]
    asked = tokenizer.apply_chat_template(one["prompt"], tokenize=False, add_generation_prompt=True)
    assert tokenizer.apply_chat_template(one["prompt"] + one["chosen"], tokenize=False).startswith(asked)


def test_rows_whose_texts_spell_a_medium_are_left_out_where_the_trainer_would_look_for_it(tmp_path):
    """LLaMA-Factory and ms-swift count the marks of all messages and stop at a medium that is not there."""
    store = small_store(tmp_path / "store")
    texts = [("Which tag?", "Write <image> there.", "No."), ("Which one?", "No.", "It is <audio>, or <video>."),
             ("What is <video> for?", "For films.", "No."), ("What is <img>?", "As <im>.", "No.")]  # fmt: skip
    spelt = [Pair(prompt=prompt, chosen=chosen, rejected=rejected) for prompt, chosen, rejected in texts]
    write(store, "late", [row("late", n, pair) for n, pair in enumerate(spelt)])
    version = put(store, recipe_of(tmp_path, "[sources.late]\n"))
    for to in ("llama-factory", "ms-swift"):
        done = export(version.root, to, tmp_path / to)
        assert done.left_out == {
            "its text spells <image>, where no such medium is": 1,
            "its text spells <audio>, <video>, where no such medium is": 1,
            "its text spells <video>, where no such medium is": 1,
        }
        assert sum(done.rows.values()) == 1
    assert sum(export(version.root, "openrlhf", tmp_path / "text").rows.values()) == 4, "it looks for none"


def test_an_unknown_layout_and_a_full_folder_are_refused(published, tmp_path):
    assert names() == ["llama-factory", "ms-swift", "openrlhf"]
    with pytest.raises(
        PrefmillError, match="no layout 'axolotl'; expected one of llama-factory, ms-swift, openrlhf"
    ):
        export(published.root, "axolotl", tmp_path / "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(PrefmillError, match="is there already"):
        export(published.root, "openrlhf", tmp_path / "out")
    assert [path.name for path in tmp_path.glob("*out*")] == ["out"]


def test_trl_takes_a_preference_step_on_the_text_view(published, tmp_path):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl import DPOConfig, DPOTrainer

    torch.set_num_threads(1)
    torch.manual_seed(17)
    train = load(published.root, "text", split="train").filter(lambda one: one["source"] == "talk")
    texts = [message["content"] for one in train for message in one["prompt"] + one["chosen"]]
    _, tokenizer = tiny_reward_model(texts)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    start = copy.deepcopy(model)
    settings = DPOConfig(
        output_dir=str(tmp_path / "dpo"), max_steps=1, per_device_train_batch_size=4, report_to=[], use_cpu=True,
        save_strategy="no", disable_tqdm=True, bf16=False, gradient_checkpointing=False,
    )  # fmt: skip
    trainer = DPOTrainer(
        model=model, ref_model=start, args=settings, train_dataset=train, processing_class=tokenizer
    )
    before = model.lm_head.weight.detach().clone()
    assert trainer.train().training_loss == pytest.approx(
        0.693, abs=0.01
    )  # model and reference are equal at first
    assert not torch.equal(before, model.lm_head.weight)


@pytest.mark.parametrize("trainer", ["llama-factory", "ms-swift", "openrlhf"])
def test_the_trainer_itself_reads_it(published, tmp_path, trainer):
    python = os.environ.get("PREFMILL_TRAINERS_PYTHON")
    if not python:
        pytest.skip(
            "NO OTHER TRAINERS: set PREFMILL_TRAINERS_PYTHON to an interpreter with llamafactory and others"
        )
    export(published.root, trainer, tmp_path / "out")
    script = Path(__file__).with_name("trainers") / f"read_{trainer.replace('-', '_')}.py"
    settings = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "ROOT_IMAGE_DIR": str(tmp_path / "out")}
    done = subprocess.run(
        [python, script, tmp_path / "out"], env=settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == f"{len((tmp_path / 'out/train.jsonl').read_text().splitlines())} rows"
