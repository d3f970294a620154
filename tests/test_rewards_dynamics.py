"""Training dynamics: labels that do not fit the others, found while a model learns them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from filters import _apply
from pairs.schema import Pair, canonical_pair
from pairs.store import Store
from pairs.tables import PAIRS
from rewards.dynamics import LOOKS, TRAININGS, dynamics
from rewards.embedded import cross_fit
from rewards.score import completions, items, score


def grid(prompts=60, seed=5, flips=0.15):
    """Per prompt three good and three bad answers of random words, each good one against each bad one: what is
    better cannot be learned from other prompts. Returns pairs and which of them have their label turned."""
    chance = np.random.default_rng(seed)
    made, flipped = [], []
    for prompt in range(prompts):
        answers = [" ".join(f"w{word}" for word in chance.integers(3000, size=12)) for _ in range(6)]
        for good in answers[:3]:
            for bad in answers[3:]:
                turned = bool(chance.random() < flips)
                made.append((f"question {prompt}", *((bad, good) if turned else (good, bad))))
                flipped.append(turned)
    return made, np.array(flipped)


def fill(store, made):
    """Puts pairs into the store; returns their ids in order."""
    rows = []
    for number, (prompt, chosen, rejected) in enumerate(made):
        row = canonical_pair(
            Pair(prompt, chosen, rejected), media_ids=[], chosen_media_ids=[], rejected_media_ids=[]
        )
        facts = {"source": "toy", "source_revision": "1", "source_split": "train", "source_row": str(number)}
        rows.append(
            {**row, **facts, "modality": "text", "label_source": "human", "licence": "MIT", "role": "train"}
        )
    store.replace("pairs", "toy", pa.Table.from_pylist(rows, schema=PAIRS), {})
    return [row["pair_id"] for row in rows]


def grouped(store):
    pairs = store.scan("pairs", ["toy"])
    groups = pl.from_arrow(_apply.run_signal("groups", {"pairs": pairs, "media": store.scan("media")}))
    return pairs.join(groups.lazy(), on="pair_id")


def margins(store, model, ids):
    score(store, model, completions(store, ["toy"]), progress=False)
    found = dict(
        store.scan("rewards", [model.fingerprint]).select("completion_id", "reward").collect().iter_rows()
    )
    sides = store.scan("pairs", ["toy"]).select("pair_id", "chosen_id", "rejected_id").collect().iter_rows()
    by_pair = {pair: found[chosen] - found[rejected] for pair, chosen, rejected in sides}
    return np.array([by_pair[pair] for pair in ids])


def auroc(low, wrong):
    ranks = np.argsort(np.argsort(-low))
    return (ranks[wrong].sum() - wrong.sum() * (wrong.sum() - 1) / 2) / (wrong.sum() * (~wrong).sum())


def test_labels_that_contradict_their_siblings_are_found_where_cross_fitting_is_blind(store):
    made, flipped = grid()
    ids = fill(store, made)
    assert auroc(margins(store, dynamics(grouped(store), store.media), ids), flipped) > 0.9
    assert auroc(margins(store, cross_fit(grouped(store), store.media), ids), flipped) < 0.65


def test_the_fingerprint_follows_pairs_and_seed_and_not_the_order_of_rows(store):
    fill(store, grid(8)[0])
    rows = grouped(store)
    model = dynamics(rows, store.media)
    assert model.fingerprint.startswith("dynamics-")
    assert dynamics(rows.reverse(), store.media).fingerprint == model.fingerprint
    assert dynamics(rows, store.media, seed=4).fingerprint != model.fingerprint
    assert dynamics(rows.head(20), store.media).fingerprint != model.fingerprint


def test_the_same_pairs_give_the_same_rewards_and_a_second_run_trains_nothing(store, tmp_path):
    ids = fill(store, grid(8)[0])
    first = margins(store, dynamics(grouped(store), store.media), ids)
    again = dynamics(grouped(store), store.media)
    assert score(store, again, completions(store, ["toy"]), progress=False).scored == 0
    assert "models" not in vars(again)
    other = Store(tmp_path / "other")
    fill(other, grid(8)[0])
    assert np.array_equal(margins(other, dynamics(grouped(other).reverse(), other.media), ids), first)


def test_heads_are_taken_early_and_late_and_beyond_the_cap_nothing_is_learned(store):
    fill(store, grid(8)[0])
    model = dynamics(grouped(store), store.media, trained_pairs=10)
    assert len(model.keys) == 10
    assert len(model.models) == TRAININGS * len(LOOKS)


def test_early_and_late_margins_count_alike(store):
    ids = fill(store, grid(20)[0])
    model = dynamics(grouped(store), store.media)
    found = margins(store, model, ids)
    units = [unit for _, unit in model.models]
    assert max(units) > 3 * min(units), "late margins are larger by far"
    pairs = grouped(store).collect()
    wanted = completions(store, ["toy"]).collect()
    judged = []
    for head, unit in model.models:
        known = dict(zip(wanted["completion_id"], head.rewards(items(wanted, {})), strict=True))
        sides = {pair: known[chosen] - known[rejected] for pair, chosen, rejected in pairs.select(
            "pair_id", "chosen_id", "rejected_id").iter_rows()}  # fmt: skip
        judged.append(np.array([sides[pair] for pair in ids]) / unit)
        assert np.abs(judged[-1]).mean() == pytest.approx(1, rel=1e-4)
    assert found == pytest.approx(np.mean(judged, axis=0), abs=1e-3)
