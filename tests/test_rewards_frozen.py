"""Frozen features: computed once, resumed where they stood, equal to what the extractor says."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from test_rewards_transformers import item, solid, text_backbone, vision_backbone  # noqa: F401

from pairs.errors import PrefmillError
from rewards import frozen, score
from rewards.features import DENSE_WIDTH, features
from rewards.interface import Item
from rewards.score import completions_of
from sources._read import ingest

SOURCE = """
from pairs.schema import Pair
from sources._source import Source
source = Source(repo="github:a/b", revision=None, files={"train": ("rows.jsonl",)}, licence="MIT",
                label_source="human", example={"n": 1})
def pairs(row):
    yield Pair(prompt=f"Question {row['n']}?", chosen=f"Answer {row['n']}. " * 3, rejected="No.")
"""


@pytest.fixture
def pairs(store, toy_source, tmp_path):
    toy_source("toy", SOURCE)
    (tmp_path / "rows.jsonl").write_text("".join(f'{{"n": {n}}}\n' for n in range(30)))
    ingest(store, "toy", path=str(tmp_path))
    return store.scan("pairs")


class Stopped(frozen.EmbeddedStates):
    """Stops in the third batch, as a killed run does."""

    calls = 0

    def states(self, items):
        self.calls += 1
        if self.calls == 3:
            raise KeyboardInterrupt
        return super().states(items)


def test_a_second_run_computes_nothing_and_a_stopped_one_goes_on(store, pairs, monkeypatch):
    monkeypatch.setattr(score, "_HELD", 20 * DENSE_WIDTH)
    monkeypatch.setattr(frozen, "_BATCH", 20)
    wanted = completions_of(pairs)
    with pytest.raises(KeyboardInterrupt):
        frozen.extract(store, Stopped(), wanted, progress=False)
    done = frozen.extract(store, frozen.EmbeddedStates(), wanted, progress=False)
    assert (done.cached, done.scored, done.unscored) == (40, 20, 0)
    again = frozen.extract(store, frozen.EmbeddedStates(), wanted, progress=False)
    assert (again.cached, again.scored) == (60, 0)


def test_the_kept_states_are_those_of_the_completions(store, pairs):
    extractor = frozen.EmbeddedStates()
    frozen.extract(store, extractor, completions_of(pairs), progress=False)
    row = pairs.collect().row(7, named=True)
    rows, states = frozen.states_of(
        store, extractor.fingerprint, pl.Series([row["chosen_id"], row["rejected_id"]])
    )
    place = rows.filter(pl.col("completion_id") == row["chosen_id"])["row"][0]
    item = Item(row["chosen_id"], row["prompt"], row["chosen"])
    assert states.shape == (2, DENSE_WIDTH)
    assert np.array_equal(states[place], features([item]).dense[0])


def test_what_is_not_computed_or_not_finite_is_named(store, pairs):
    ids = pairs.select("chosen_id").collect()["chosen_id"]
    with pytest.raises(PrefmillError, match="run the asset `features`"):
        frozen.states_of(store, "frozen-nothing", ids)

    class Broken(frozen.EmbeddedStates):
        def states(self, items):
            return super().states(items) * np.nan

    with pytest.raises(PrefmillError, match=r"state of completion [0-9a-f]{32} is not finite"):
        frozen.extract(store, Broken(), completions_of(pairs), progress=False)


@pytest.mark.parametrize("kind", ["text_backbone", "vision_backbone"])
def test_a_backbone_gives_the_state_of_the_last_real_token(kind, request):
    import torch
    from transformers import AutoModel

    folder = request.getfixturevalue(kind)
    extractor = frozen.load_extractor(str(folder))
    picture = (solid((200, 30, 30)),) if kind == "vision_backbone" else ()
    items = [item("it is red"), item("yes and no " * 9, images=picture)]
    assert extractor.fits(items).all()
    found = extractor.states(items)
    assert found.shape == (2, extractor.width)
    model = AutoModel.from_pretrained(folder).eval()
    for place, one in enumerate(items):
        with torch.no_grad():
            alone = model(**extractor.encoder.encode([one]), use_cache=False).last_hidden_state[0, -1]
        assert np.allclose(found[place], alone.numpy(), atol=1e-5)
    assert (
        extractor.fingerprint
        == frozen.load_extractor(str(folder)).fingerprint
        != frozen.EmbeddedStates.fingerprint
    )
