"""Seed models that run here: how a recipe says what they are shown, and that one lies in memory at a time."""

from __future__ import annotations

import shutil
import weakref

import pytest
import torch
from huggingface_hub import constants
from test_rewards_embedded import fill
from test_rewards_seeds import TEXTS, recipe
from test_rewards_served import ours  # noqa: F401
from test_rewards_transformers import classifier, vision_backbone  # noqa: F401

from pairs.errors import PrefmillError, RecipeError
from pipelines import benchmarks, steps
from rewards.embedded import EmbeddedModel
from rewards.fit import HeadSettings
from rewards.head import HashedHead
from rewards.load import load_reward_model

torch.set_num_threads(1)


def local(model, **more):
    told = "".join(
        f"{key} = {value!r}\n".replace("'", '"') for key, value in {"model": str(model), **more}.items()
    )
    return f"[[rewards.local]]\n{told}"


def test_a_recipe_says_what_a_model_is_shown(tmp_path, store, classifier, ours):  # noqa: F811
    fill(store, [*TEXTS[:9], ("question", "a very long answer " * 20, "bad")])
    text = local(classifier, max_length=99) + local(ours, max_length=100, max_pixels=784)
    made = recipe(tmp_path, text)
    short, pictured = (model for model, _ in steps.reward_models(store, made))
    assert short.encoder.max_length == 99
    assert short.fingerprint == load_reward_model(classifier, max_length=99).fingerprint
    assert (pictured.encoder.max_length, pictured.encoder.max_pixels) == (100, 784)
    assert pictured.fingerprint not in (load_reward_model(ours).fingerprint, short.fingerprint)
    done = steps.score(store, made)
    assert [(books.scored, books.unscored) for books in done] == [(19, 1), (19, 1)]
    assert [books.left["reason"].to_list() for books in done] == [
        ["longer than max_length (99)"],
        ["longer than max_length (100)"],
    ]
    assert recipe(tmp_path, local(classifier)).fingerprint != made.fingerprint


def test_an_evaluation_shows_a_model_what_the_recipe_says(tmp_path, store, classifier):  # noqa: F811
    made = recipe(tmp_path, local(classifier, max_length=99))
    assert benchmarks.models(store, made, [str(classifier)], ()).encoder.max_length == 99


def test_the_revision_is_what_is_loaded_from_the_hub(tmp_path, monkeypatch, store, classifier):  # noqa: F811
    """Two commits of one repository, as the hub's cache keeps them: another one is another model."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    commits = ("a" * 40, "b" * 40)
    for commit in commits:
        shutil.copytree(classifier, tmp_path / "models--owner--judge" / "snapshots" / commit)
    ((one, _),), ((other, _),) = (
        steps.reward_models(store, recipe(tmp_path, local("owner/judge", revision=commit))) for commit in commits
    )
    assert one.fingerprint != other.fingerprint
    again = load_reward_model("owner/judge", revision=commits[0])
    assert one.fingerprint == again.fingerprint


@pytest.mark.parametrize(
    ("rewards_", "said"),
    [
        (local("embedded", max_length=9), "embedded takes no options; name it under models"),
        (f'models = ["a"]\n{local("a")}', "names a twice"),
        (local("a", max_length=0), "rewards.local.0.max_length is 0"),
        (local("a", length=9), "[rewards.local.0] has no key 'length'"),
    ],
)
def test_what_cannot_be_meant_is_said(tmp_path, rewards_, said):
    with pytest.raises(RecipeError) as caught:
        recipe(tmp_path, rewards_)
    assert said in str(caught.value)


def test_only_those_named_judge(tmp_path):
    def named(text):
        return [one.model for one in recipe(tmp_path, text).rewards.here()]

    assert named(local("a")) == ["a"]
    assert named(f'models = ["embedded", "b"]\n{local("a")}') == ["embedded", "b", "a"]


def test_a_folder_has_no_revision(classifier):  # noqa: F811
    with pytest.raises(PrefmillError, match="is a folder, which has no revision"):
        load_reward_model(classifier, revision="abc")


def test_the_embedded_model_takes_no_length(tmp_path):
    EmbeddedModel(HashedHead(8, 0), HeadSettings(hidden=8)).save(tmp_path)
    assert load_reward_model(tmp_path).fits([]).shape == (0,)
    with pytest.raises(PrefmillError, match="an embedded model, which takes no max_length or max_pixels"):
        load_reward_model(tmp_path, max_length=99)


def test_one_model_is_in_memory_at_a_time(tmp_path, monkeypatch, store, classifier, ours):  # noqa: F811
    fill(store, TEXTS[:3])
    other = shutil.copytree(classifier, tmp_path / "other")
    held, left = [], []

    def watched(name, **options):
        left.append([one() for one in held if one() is not None])
        model = load_reward_model(name, **options)
        held.extend(weakref.ref(part) for part in (model, model.model))
        return model

    monkeypatch.setattr("rewards.load.load_reward_model", watched)
    steps.score(store, recipe(tmp_path, local(classifier) + local(ours) + local(other)))
    assert left == [[], [], []]


def test_a_name_that_leads_nowhere_is_said_in_one_line(tmp_path, monkeypatch):
    """No network here, as on most clusters: what was looked for is what can be mended."""
    monkeypatch.chdir(tmp_path)
    for name, options in (("models/demoo", {}), ("owner/judge", {"revision": "c" * 40}), ("/no/such/place", {})):
        with pytest.raises(PrefmillError) as caught:
            load_reward_model(name, **options)
        said = str(caught.value)
        assert len(said.splitlines()) == 1
        assert said.startswith(
            f"{name}: there is no folder {tmp_path / name}, and no reward model came from the hub"
        )
        assert ("at revision ccc" in said) == bool(options)
        assert "check the name" in said


def test_a_folder_that_holds_half_a_model_is_said_in_one_line(tmp_path, classifier):  # noqa: F811
    folder = shutil.copytree(classifier, tmp_path / "half")
    (folder / "model.safetensors").unlink()
    with pytest.raises(
        PrefmillError, match=f"^{folder}: holds no reward model that transformers can load .*safetensors"
    ):
        load_reward_model(folder)
