"""Native files from GitHub, against a small server on loopback: one commit for all that is read of a branch."""

from __future__ import annotations

import base64
import hashlib
import json
from http.server import ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from fsspec.implementations.github import GithubFileSystem
from hub_server import Answer
from loopback import serving

from pairs.errors import SourceChanged, Unavailable
from sources._read import ingest

TOY = """
from pairs.schema import Pair
from sources._source import Source
source = Source(repo="github:nobody/toy", revision=%s, folder=%r, files={"train": ("*.jsonl",)}, licence="MIT",
    label_source="human", example={"question": "q", "chosen": "a", "rejected": "b"})
def pairs(row):
    yield Pair(prompt=row["question"], chosen=row["chosen"], rejected=row["rejected"])
"""
PINNED, NEWEST = "5" * 40, "6" * 40


def lines(commit):
    rows = [{"question": f"Q{n}", "chosen": f"of {commit[0]}", "rejected": "bad"} for n in range(3)]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


class _Repository(Answer):
    """`server.refs` are branches; `server.asked` what was looked up; `server.status` is answered to that."""

    def do_GET(self):
        parts = urlsplit(self.path)
        _, owner, repo, kind, *rest = unquote(parts.path).strip("/").split("/")
        assert (owner, repo) == ("nobody", "toy")
        if kind == "commits":
            self.server.asked.append("/".join(rest))
            commit = self.server.refs.get("/".join(rest))
            if self.server.status != 200 or commit is None:
                return self.reply(self.server.status if commit else 422, {"message": "no"})
            return self.reply(200, commit.encode(), Content_Type="application/vnd.github.sha")
        if kind == "git":
            return self.reply(200, {"tree": self.tree(rest[1])})
        (commit,) = parse_qs(parts.query)["ref"]
        return self.reply(200, {"content": base64.b64encode(lines(commit)).decode()})

    def tree(self, sha):
        data = lines(sha)
        blob = {"path": "a.jsonl", "mode": "100644", "type": "blob", "size": len(data)}
        blob["sha"] = hashlib.sha1(data).hexdigest()
        return [blob, {"path": "set", "mode": "040000", "type": "tree", "sha": sha}]


@pytest.fixture
def github(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Repository)
    server.refs, server.asked, server.status = {"HEAD": NEWEST, "work/on it": NEWEST, "v1": PINNED}, [], 200
    with serving(server):
        monkeypatch.setattr("sources._pins.GITHUB", server.url)
        for name in ("url", "content_url"):
            here = getattr(GithubFileSystem, name).replace("https://api.github.com", server.url)
            monkeypatch.setattr(GithubFileSystem, name, here)
        GithubFileSystem.clear_instance_cache()
        yield server
        GithubFileSystem.clear_instance_cache()


def test_without_a_pin_the_newest_commit_is_looked_up_once_and_recorded(store, toy_source, github):
    toy_source("toy", TOY % (None, "set"))
    books = ingest(store, "toy")
    assert (books.rows, books.pairs, books.revision, github.asked) == (3, 3, NEWEST, ["HEAD"])
    assert set(store.scan("pairs").collect()["source_revision"]) == {NEWEST}
    assert store.scan("pairs").collect()["source_row"].str.starts_with("a.jsonl:").all()
    assert not ingest(store, "toy").changed
    github.refs["HEAD"] = PINNED
    assert (ingest(store, "toy").revision, len(github.asked)) == (PINNED, 3)


def test_a_pin_asks_for_no_commit_and_a_branch_wins_over_it(store, toy_source, github):
    toy_source("toy", TOY % (repr(PINNED), "set"))
    assert (ingest(store, "toy").revision, github.asked) == (PINNED, [])
    assert ingest(store, "toy", revision="work/on it").revision == NEWEST
    assert ingest(store, "toy", revision=PINNED).revision == PINNED
    assert github.asked == ["work/on it"]


def test_what_github_says_instead_is_one_line(store, toy_source, github, monkeypatch):
    toy_source("toy", TOY % (None, "set"))
    with pytest.raises(
        SourceChanged, match="github:nobody/toy has no revision 'v2'; expected a commit, a tag or a"
    ):
        ingest(store, "toy", revision="v2")
    github.status = 403
    with pytest.raises(Unavailable, match=r"github:nobody/toy: GitHub answers 403 .*too often asked.*: look at"):
        ingest(store, "toy")
    monkeypatch.setattr("sources._pins.GITHUB", "http://127.0.0.1:9")  # nobody listens
    with pytest.raises(Unavailable, match=r"GitHub does not answer \(ConnectError\): look at the network"):
        ingest(store, "toy")


def test_a_file_that_has_changed_where_only_its_sha_tells_is_read_again(store, toy_source, github):
    toy_source("toy", TOY % (None, ""))
    for commit in (PINNED, NEWEST):  # one name, one size
        assert ingest(store, "toy", path=f"github://nobody:toy@{commit}/set").changed
    assert not ingest(store, "toy", path=f"github://nobody:toy@{NEWEST}/set").changed
