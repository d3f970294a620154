"""Proposing mixtures: a bad source goes, the surrogate is honest about the unseen, weights become TOML."""

from __future__ import annotations

import tomllib

import numpy as np
import pytest

from mixtures._search import Surrogate, drawn, landmarks, propose
from mixtures._weights import weighted, with_ratio

GOOD = np.array([0.5, 0.3, 0.2, 0.0])


def result(proportions):
    """Best at `GOOD`; the last source is poison."""
    far = ((np.sqrt(proportions) - np.sqrt(GOOD)) ** 2).sum(axis=-1)
    return 0.7 - 0.1 * far - 0.2 * proportions[..., 3]


@pytest.fixture(scope="module")
def surrogate():
    marks = np.array(list(landmarks(dict.fromkeys("abcd", 10)).values()))
    tried = np.concatenate([marks, drawn(4, 40, seed=3)])
    noise = np.random.default_rng(1).normal(0, 0.003, len(tried))
    return Surrogate.fitted(tried, result(tried) + noise), tried, result(tried) + noise


def test_random_mixtures_are_proportions_and_repeat():
    found = drawn(5, 30, seed=7)
    assert found.shape == (30, 5)
    assert np.allclose(found.sum(axis=1), 1)
    assert (found >= 0).all()
    assert np.array_equal(found, drawn(5, 30, seed=7))
    assert not np.array_equal(found, drawn(5, 30, seed=8))


def test_landmarks_are_those_of_a_source_table():
    found = landmarks({"a": 30, "b": 10})
    assert found["proportional"].tolist() == [0.75, 0.25]
    assert found["only b"].tolist() == [0, 1]
    assert found["without a"].tolist() == [0, 1]
    assert set(found) == {"uniform", "proportional", "only a", "only b", "without a", "without b"}


def test_the_proposal_leaves_a_bad_source_out_and_beats_what_was_tried(surrogate):
    model, tried, results = surrogate
    found = propose(model, [tried[place] for place in np.argsort(-results)[:4]], seed=5)
    assert found.sum() == pytest.approx(1)
    assert found[3] == 0
    assert np.abs(found - GOOD).max() < 0.15
    assert result(found) > result(np.full(4, 0.25)) + 0.04


def test_left_out_predictions_are_those_of_a_fit_without_the_mixture(surrogate):
    model, tried, results = surrogate
    for place in (0, 13):
        others = np.delete(np.arange(len(tried)), place)
        kernel = model.kernel(tried, tried)
        inside = kernel[np.ix_(others, others)] + model.noise * np.eye(len(others))
        scaled = (results[others] - model.centre) / model.spread
        expected = model.centre + model.spread * kernel[place, others] @ np.linalg.solve(inside, scaled)
        assert model.left_out(results)[place] == pytest.approx(expected, abs=1e-9)


def test_the_surrogate_is_unsure_far_from_what_was_tried():
    near, far = np.array([[0.9, 0.1, 0.0]]), np.array([[0.0, 0.0, 1.0]])
    tried = np.concatenate([near, [[0.8, 0.2, 0.0], [0.7, 0.3, 0.0]]])
    model = Surrogate.fitted(tried, np.array([0.6, 0.61, 0.62]))
    assert model.predict(far)[1][0] > 3 * model.predict(near)[1][0]


RECIPE = """# mine
seed = 3
[sources.a] # good
path = "x"
weight = 0.5
[sources.b]
[sources.c]
[sources.kept_out]
[sources.bench]
[rules.duplicates]
[search]
held_out = ["kept_out"]
"""


def test_weights_become_a_recipe_that_says_the_same_otherwise():
    weights = {"a": 0.75, "b": 0.25, "c": 0.00001}
    text = weighted(RECIPE, weights, dict.fromkeys("abc", "why"), "Made by\na search.", {"kept_out"})
    assert text.startswith("# Made by\n# a search.\n")
    assert "# mine" in text
    assert "# why" in text
    table = tomllib.loads(text)
    assert table == {
        "seed": 3,
        "sources": {"a": {"path": "x", "weight": 0.7499}, "b": {"weight": 0.25}, "bench": {}},
        "rules": {"duplicates": {}},
    }


@pytest.mark.parametrize("written", ["ratio = { a = 1, b = 2, c = 3 } # why", "[ratio]\na = 1\nb = 2\nc = 3\n"])
def test_a_ratio_loses_names_where_it_stands(written):
    text = f"seed = 3\n{written}\n[splits]\ntest = 0.1\n"
    for names in ("ab", "b", "ca", "abc"):
        table = tomllib.loads(with_ratio(text, "ratio", names))
        assert table == {"seed": 3, "ratio": {n: "_abc".index(n) for n in sorted(names)}, "splits": {"test": 0.1}}
    assert tomllib.loads(with_ratio(text, "ratio", "x")) == {"seed": 3, "splits": {"test": 0.1}}
    assert ("# why" in with_ratio(text, "ratio", "b")) == ("# why" in text)
