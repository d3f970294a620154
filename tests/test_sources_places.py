"""What a person is told of a place that does not hold a source's files."""

from __future__ import annotations

import gzip
import json

import pytest

import sources
from pairs.errors import PrefmillError, SourceChanged, Unavailable
from sources._root import find


@pytest.fixture
def told(store):
    def run(name, path, splits=None):
        with pytest.raises(PrefmillError) as caught:
            find(sources.load(name).source, name, store, path and str(path), splits)
        assert "\n" not in str(caught.value)
        return caught.value

    return run


def test_what_is_there_is_named(told, tmp_path):
    assert str(told("pandalm", tmp_path)).endswith(
        "expected testset-v1.json; it is empty; give the folder of its files"
    )
    for name in "gfedcba":
        (tmp_path / name).write_text("")
    assert "it holds a, b, c, d, e, ...; give the folder" in str(told("pandalm", tmp_path))
    error = told("pandalm", tmp_path / "a")
    assert str(error) == f"pandalm: {tmp_path}/a is a file, expected the folder that holds testset-v1.json"
    assert "is not there; give the folder" in str(told("pandalm", tmp_path / "nowhere"))


def test_a_folder_nearby_that_holds_the_files_is_named(told, tmp_path):
    (tmp_path / "downloads" / "pandalm").mkdir(parents=True)
    (tmp_path / "downloads" / "pandalm" / "testset-v1.json").write_text("[]")
    error = told("pandalm", tmp_path / "downloads")
    assert f"such files are in {tmp_path}/downloads/pandalm: give that folder" in str(error)
    below = sources.load("rasbt_dpo").source.folder  # a clone of the whole repository
    (tmp_path / below).mkdir(parents=True)
    (tmp_path / below / "instruction-data-with-preference.json").write_text("[]")
    assert f"such files are in {tmp_path}/{below}: give that folder" in str(told("rasbt_dpo", tmp_path))


def test_a_split_that_is_there_is_named(told, tmp_path):
    (tmp_path / "helpful-base").mkdir()
    with gzip.open(tmp_path / "helpful-base" / "test.jsonl.gz", "wt") as file:
        file.write(json.dumps(sources.load("hh_rlhf").source.example))
    error = told("hh_rlhf", tmp_path)
    assert isinstance(error, SourceChanged)
    assert str(error).endswith("it holds helpful-base; it has files of split 'test': choose that split")
    assert find(sources.load("hh_rlhf").source, "hh_rlhf", None, str(tmp_path), ["test"]).files["test"]


def test_a_place_that_nothing_can_open_is_one_line(told):
    assert "foo://x cannot be opened: Protocol not known: foo; expected a folder" in str(
        told("pandalm", "foo://x")
    )


def test_a_hub_that_does_not_answer_is_unavailable(told, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")  # nobody listens
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    error = told("rlaif_v", None)
    assert isinstance(error, Unavailable)
    assert str(error).startswith(
        "openbmb/RLAIF-V-Dataset: the hub does not answer (ConnectError): look at the network, give the folder"
    )
