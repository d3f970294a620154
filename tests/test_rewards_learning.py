"""The CPU default learns from real pairs, held out by prompt: HH-RLHF's texts and MJ-Bench's pictures."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from test_rewards_embedded import own_cache, publish  # noqa: F401

from pairs.store import Store
from rewards.embedded import cross_fit
from rewards.evaluate import evaluate
from rewards.load import load_reward_model
from rewards.score import completions_of, items
from rewards.train import TrainSettings, train
from sources._read import ingest

pytestmark = [pytest.mark.real, pytest.mark.slow]


def held_out(folder, out):
    """Accuracy and its interval on the test split, of a model trained on the other."""
    done = train(folder, "demo", out, TrainSettings(), progress=False)
    return evaluate(load_reward_model(done.path), folder, "demo", "test", progress=False)


def test_real_labels_are_learned_and_swapped_ones_unlearned(real_data, tmp_path):
    store = Store(tmp_path / "store")
    ingest(store, "hh_rlhf", path=str(real_data / "hh-rlhf"), splits=["test"])
    pairs = store.scan("pairs", ["hh_rlhf"]).filter(pl.col("category").str.starts_with("helpful")).collect()
    rows = pairs.unique("pair_id", maintain_order=True).with_columns(group_id="prompt_id").sort("pair_id")
    rows = rows.select("prompt", "chosen", "rejected", "pair_id", "chosen_id", "rejected_id", "group_id", "source",
                       "modality").to_dicts()  # fmt: skip
    test = [row for row in rows if int(row["group_id"][:2], 16) < 64]
    learned = [row for row in rows if int(row["group_id"][:2], 16) >= 64]
    swapped = [{**row, **{f"{a}{tail}": row[f"{b}{tail}"] for a, b in SIDES for tail in ("", "_id")}}
               for row in learned]  # fmt: skip
    found = [
        held_out(publish(tmp_path / name, part, test=test), tmp_path / f"model_{name}")
        for name, part in (("as_labelled", learned), ("swapped", swapped))
    ]
    assert found[0].pairs > 800
    assert found[0].interval[0] > 0.55
    assert found[1].interval[1] < 0.45


SIDES = (("chosen", "rejected"), ("rejected", "chosen"))


def test_real_pictures_are_learned(real_data, tmp_path):
    store = Store(tmp_path / "store")
    ingest(store, "mj_bench", path=str(real_data / "mj-bench"))
    pairs = store.scan("pairs", ["mj_bench"]).with_columns(group_id="prompt_id")
    wanted = completions_of(pairs).collect()
    pictures = [media for ids in wanted["completion_media_ids"] for media in ids]
    model = cross_fit(pairs, store.media)  # each pair is judged by a model of other prompts
    reward = dict(zip(wanted["completion_id"], model.rewards(items(wanted, store.media(pictures))), strict=True))
    won = [
        reward[chosen] > reward[rejected]
        for chosen, rejected in pairs.select("chosen_id", "rejected_id").collect().rows()
    ]
    assert len(won) == 56
    half = 1.96 * np.sqrt(0.25 / len(won))  # of the interval around chance
    assert np.mean(won) > 0.5 + 2 * half
