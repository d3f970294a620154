"""`prefmill publish` and the setting `publish_to`, as a user gives them: to S3, and to the hub."""

from __future__ import annotations

import pytest
from test_cli import run
from test_mixtures_hub import hub  # noqa: F401
from test_pipelines import failures, materialized

import mixtures
from pipelines import defs, outcomes, steps

RECIPE = '[sources.auto_j]\npath = "{native}"\nadmit_benchmark = true\n'


@pytest.fixture
def curated(tmp_path, monkeypatch):
    """A mixture of thirty pairs, published in a store; its file and the store's folder."""
    import json

    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    vote = {"scenario": "talk", "response 2": "no", "label": 0}
    votes = [{**vote, "prompt": f"q{n}", "response 1": "yes " * (n + 2)} for n in range(30)]
    (tmp_path / "native").mkdir()
    (tmp_path / "native" / "autoj_pairwise.json").write_text("\n".join(map(json.dumps, votes)))
    mixture = tmp_path / "small.toml"
    mixture.write_text(RECIPE.format(native=tmp_path / "native"))
    monkeypatch.setenv("PREFMILL_STORE", str(tmp_path / "store"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    return mixture, tmp_path / "store"


def curate(mixture, root, **more):
    resources = {"store": {"config": {"root": str(root), **more}}, "mixture": {"config": {"path": str(mixture)}}}
    return defs.resolve_job_def("curate").execute_in_process({"resources": resources}, raise_on_error=False)


def test_a_run_copies_what_it_published_and_the_command_finds_it_there(curated, bucket):
    mixture, root = curated
    result = curate(mixture, root, publish_to="s3://native/sets")
    assert result.success, failures(result)
    assert materialized(result)["published"]["copied to"] == "s3://native/sets/small"
    assert len(list(mixtures.load("s3://native/sets/small", "train", streaming=True))) == 30
    code, said = run("publish", str(mixture), "--to", "s3://native/sets")
    assert (code, said) == (
        0, 'version 1, was there already\n  mixtures.load("s3://native/sets/small", split="train")\n'
    )  # fmt: skip
    code, said = run("publish", str(mixture), "--to", "s3://native/other")
    assert code == 0
    assert said.startswith("version 1, ")
    code, said = run("publish", str(mixture), "--to", "ftp://x/y")
    assert (code, said.count("\n")) == (1, 1)
    assert "expected a URL like s3://bucket/folder" in said


def test_the_hub_is_told_first_and_sent_to_with_yes(curated, hub):  # noqa: F811
    mixture, root = curated
    code, said = run("publish", str(mixture), "--to", "hf://datasets/me/sets")
    assert code == 1
    assert "nothing published yet; run the job `curate` first" in said
    assert curate(mixture, root).success
    code, said = run("publish", str(mixture), "--to", "hf://datasets/me/sets")
    assert code == 0
    assert said.endswith("nothing was sent; --yes sends it\n")
    assert "add" in said
    assert not hub.commits
    code, said = run("publish", str(mixture), "--to", "hf://datasets/me/sets", "--yes")
    assert f"sent: {hub.url}/datasets/me/sets\n" in said
    files = outcomes.newest(steps.Store(root), steps.load_recipe(str(mixture)))[1]
    assert hub.repos["me/sets"]["small/manifest.json"] == (files / "manifest.json").read_bytes()
