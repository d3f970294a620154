"""Native files from the hub, against a small server on loopback: the pinned commit, the token, pieces of files."""

from __future__ import annotations

import hashlib
import json
from http.server import ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pytest
from hub_server import Answer
from loopback import serving
from typer.testing import CliRunner

from pairs.errors import PrefmillError, SourceChanged
from pipelines import steps
from pipelines.cli import app
from sources._read import ingest

REPO, PINNED = "nobody/toy", "5" * 40
TOY = f"""
from pairs.schema import Pair
from sources._source import Source
source = Source(repo="{REPO}", revision=%s, folder="set", files={{"train": ("*.jsonl",)}}, licence="MIT",
    label_source="human", example={{"question": "q", "chosen": "a", "rejected": "b"}})
def pairs(row):
    yield Pair(prompt=row["question"], chosen=row["chosen"], rejected=row["rejected"])
"""
NEWEST, OTHER = "6" * 40, "7" * 40
BRANCHES = {"main": NEWEST, "work/on it": OTHER, "v1": OTHER}
LINES = {
    commit: "".join(
        json.dumps({"question": f"Q{n}", "chosen": f"good {n} of {commit[0]}", "rejected": "bad"}) + "\n"
        for n in range(count)
    ).encode()
    for commit, count in ((PINNED, 40), (NEWEST, 50), (OTHER, 30))
}


class _Files(Answer):
    """What the hub answers to a reader; `server.asked` is every commit, range and token that was asked for."""

    def do_GET(self):
        words = [unquote(word) for word in urlsplit(self.path).path.strip("/").split("/")]
        if REPO in self.path:  # other libraries of this process ask a hub for other things when they like
            self.server.asked.add(("token", self.headers.get("Authorization")))
        if words[:2] == ["api", "datasets"]:
            if "tree" not in words:
                asked = words[5] if words[4:5] == ["revision"] else "main"
                commit = BRANCHES.get(asked, asked)
                if commit not in LINES:
                    return self.reply(404, {"error": "no"}, X_Error_Code="RevisionNotFound")
                return self.reply(200, {"id": REPO, "sha": commit, "siblings": []})
            return self.reply(200, [self.entry(words[5])] if words[6:] == ["set"] else self.root(words[5]))
        commit, data = words[4], LINES[words[4]]
        self.server.asked.add(("commit", commit))
        first, _, last = (self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")
        part = data[int(first) : int(last or len(data)) + 1]
        return self.reply(206, part, ETag='"1"', X_Repo_Commit=commit, Content_Range=f"bytes {first}-/{len(data)}")

    do_HEAD = do_GET

    def do_POST(self):
        paths = self.body().decode()
        commit = self.path.rsplit("/", 1)[-1]
        self.reply(200, [self.entry(commit)] if "a.jsonl" in paths else self.root(commit))

    def entry(self, commit):
        data = LINES[commit]
        return {"type": "file", "path": "set/a.jsonl", "size": len(data), "oid": hashlib.sha1(data).hexdigest()}

    def root(self, commit):
        return [{"type": "directory", "path": "set", "oid": commit}]


@pytest.fixture
def hub(monkeypatch):
    from huggingface_hub import HfFileSystem, constants

    server = ThreadingHTTPServer(("127.0.0.1", 0), _Files)
    server.asked = set()
    with serving(server):
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", "hf_mine")
        HfFileSystem.clear_instance_cache()
        yield server
        HfFileSystem.clear_instance_cache()


def test_a_pinned_commit_is_read_with_the_token_of_the_environment(store, toy_source, hub):
    toy_source("toy", TOY % repr(PINNED))
    books = ingest(store, "toy")
    assert (books.rows, books.pairs, books.revision) == (40, 40, PINNED)
    assert hub.asked == {("commit", PINNED), ("token", "Bearer hf_mine")}
    assert set(store.scan("pairs").collect()["source_row"].str.split(":").list.first()) == {"a.jsonl"}
    assert not ingest(store, "toy").changed


def test_without_a_pin_the_newest_commit_is_read_and_recorded(store, toy_source, hub):
    toy_source("toy", TOY % None)
    books = ingest(store, "toy")
    assert (books.rows, books.revision) == (50, NEWEST)


def test_a_new_revision_touches_that_source_alone(store, toy_source, hub):
    toy_source("toy", TOY % repr(PINNED))
    toy_source("other", TOY % repr(PINNED))
    for name in ("toy", "other"):
        ingest(store, name)
    files = {path: path.stat().st_mtime_ns for path in store.path("pairs", "source=other").iterdir()}
    toy_source("toy", TOY % repr(NEWEST))
    again = ingest(store, "toy")
    assert (again.changed, again.pairs, again.revision) == (True, 50, NEWEST)
    assert not ingest(store, "other").changed
    assert {path: path.stat().st_mtime_ns for path in store.path("pairs", "source=other").iterdir()} == files
    revisions = store.scan("pairs").select("source", "source_revision").unique().sort("source").collect()
    assert revisions.rows() == [("other", PINNED), ("toy", NEWEST)]


@pytest.mark.parametrize("asked", ["work/on it", "v1", OTHER])
@pytest.mark.parametrize("pin", [None, PINNED])
def test_a_commit_tag_or_branch_that_is_asked_for_wins_over_the_pin(store, toy_source, hub, pin, asked):
    toy_source("toy", TOY % repr(pin))
    books = ingest(store, "toy", revision=asked)
    assert (books.rows, books.revision) == (30, OTHER)
    assert set(store.scan("pairs").collect()["source_revision"]) == {OTHER}
    assert not ingest(store, "toy", revision=OTHER).changed


def test_a_revision_that_is_not_there_is_named(store, toy_source, hub):
    toy_source("toy", TOY % None)
    with pytest.raises(
        SourceChanged, match="nobody/toy has no revision 'v2'; expected a commit, a tag or a branch"
    ):
        ingest(store, "toy", revision="v2")
    with pytest.raises(SourceChanged, match=f"@{'8' * 40}/set is not there"):
        ingest(store, "toy", revision="8" * 40)
    with pytest.raises(PrefmillError, match="a `path` has no `revision`"):
        ingest(store, "toy", path="somewhere", revision="v1")


def test_a_mixture_and_a_check_name_the_revision(store, toy_source, hub, tmp_path):
    toy_source("toy", TOY % repr(PINNED))
    (tmp_path / "made.toml").write_text("[sources.toy]\nrevision = 'v1'")
    assert steps.ingest(store, steps.load_recipe(str(tmp_path / "made.toml")), "toy").revision == OTHER
    done = CliRunner().invoke(app, ["check", "toy", "--revision", "v1"])
    assert done.exit_code == 0, done.output
    assert f"30 native rows of {REPO} ({OTHER})" in done.output
