"""URLs of pictures in rows, against a server on loopback: opened only at hosts that the user has named."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from loopback import serving

from pairs.errors import BadRow, SourceChanged
from pipelines import inspect_sources
from sources import _web
from sources._read import ingest
from sources._shapes import PIXELS_PNG
from sources._web import Web

LINKED = """
from pairs.schema import Pair
from sources._source import Source
source = Source(repo="github:a/b", revision=None, files={"train": ("rows.jsonl",)}, licence="MIT",
                modality="image", label_source="human",
                example={"question": "q", "image": "a.png", "chosen": "a", "rejected": "b"})
def pairs(row):
    for rejected in ("bad", "worse"):
        yield Pair(prompt=row["question"], chosen="good", rejected=rejected, images=[row["image"]])
"""


class Answers(BaseHTTPRequestHandler):
    """`/n.png` is a picture; other paths misbehave as they are called. `server.asked` lists them all."""

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Authorization"), self.headers.get("Cookie")))
        port, tries = self.server.server_port, [path for path, *_ in self.server.asked].count(self.path)
        if self.path == "/away":
            return self.answer(302, Location=f"http://localhost:{port}/1.png")
        if self.path == "/moved":
            return self.answer(301, Location="/1.png")
        if self.path == "/round":
            return self.answer(302, Location="/round")
        if self.path == "/later" and tries < 3:
            return self.answer(503)
        if self.path == "/never":
            return self.answer(500)
        if self.path == "/gone":
            return self.answer(404)
        self.answer(200, PIXELS_PNG)

    def answer(self, status, data=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Set-Cookie", "a=1")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def web(monkeypatch):
    monkeypatch.setattr(_web, "_WAIT", 0.01)
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Answers)) as server:
        server.asked, server.place = [], server.url.removeprefix("http://")
        yield server


@pytest.fixture
def linked(tmp_path, toy_source, web):
    """A source of 40 rows whose pictures lie on the server, each of which makes two pairs; the folder it is in."""
    toy_source("linked", LINKED)
    rows = [
        {"question": f"q{n}", "image": f"http://{web.place}/{n}.png", "chosen": "a", "rejected": "b"}
        for n in range(40)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(tmp_path)


class Nothing:
    def read(self, value):
        raise BadRow("media_not_found", str(value))


def test_no_url_is_opened_unless_its_host_is_named(store, linked, web):
    with pytest.raises(SourceChanged, match=r"media_path_outside .*rows.jsonl:0: .*`open_urls` names hosts"):
        ingest(store, "linked", path=linked)
    with pytest.raises(SourceChanged, match=r"url_not_opened .*`open_urls` names other\.org, not '127\.0\.0\.1"):
        ingest(store, "linked", path=linked, open_urls=["other.org"])
    assert web.asked == []


@pytest.mark.parametrize("workers", [0, 2])
def test_pictures_come_once_each_from_a_named_host(store, linked, web, workers):
    books = ingest(store, "linked", path=linked, open_urls=[web.place], workers=workers)
    assert (books.rows_with_pairs, books.pairs, books.media) == (40, 80, 1)
    assert sorted(path for path, *_ in web.asked) == sorted(f"/{n}.png" for n in range(40))
    assert {(key, cookie) for _, key, cookie in web.asked} == {(None, None)}
    assert not ingest(store, "linked", path=linked, open_urls=[web.place]).changed
    assert len(web.asked) == 40, "they are in the store now"


def test_a_recipe_and_a_check_name_hosts(tmp_path, linked, web):
    from pipelines.steps import load_recipe

    recipe = tmp_path / "mine.toml"
    recipe.write_text(f'[sources.linked]\nopen_urls = ["{web.place}"]\n')
    assert load_recipe(str(recipe)).sources["linked"].open_urls == [web.place]
    recipe.write_text(f'[sources.linked]\nopen_urls = ["http://{web.place}"]\n')
    with pytest.raises(Exception, match="open_urls"):
        load_recipe(str(recipe))
    assert "40 gave pairs, 80 of them" in inspect_sources.check("linked", linked, [], 100, None, [web.place])


def test_what_a_server_does_ends_as_a_picture_or_as_a_reason(web):
    found = Web([web.place], Nothing())
    assert found.read(f"HTTP://{web.place}/moved") == PIXELS_PNG
    assert found.read(f"http://{web.place}/later") == PIXELS_PNG
    ends = {"/gone": "answered 404", "/never": "answered 500", "/round": "over 5 redirects"}
    for path, said in ends.items():
        with pytest.raises(BadRow, match=f"url_without_picture: .*{path}.*{said}"):
            found.read(f"http://{web.place}{path}")
    asked = [path for path, *_ in web.asked]
    assert [asked.count(path) for path in ("/later", "/gone", "/never", "/round")] == [3, 1, 3, 5]
    web.shutdown()
    web.server_close()
    with pytest.raises(BadRow, match=r"url_without_picture.*ConnectError"):
        found.read(f"http://{web.place}/1.png")


def test_nothing_leads_to_a_host_that_is_not_named(web):
    found = Web([web.place], Nothing())
    with pytest.raises(BadRow, match=r"url_not_opened: .*localhost"):
        found.read(f"http://{web.place}/away")
    assert [path for path, *_ in web.asked] == ["/away"]
    port = web.server_port
    urls = [
        f"http://localhost:{port}/1.png", f"http://127.0.0.1:{port}@localhost/1.png", "http://127.0.0.1/1.png",
        f"http://me:secret@{web.place}/1.png", f"http://{web.place}.example.org/1.png", "http://127.0.0.1:x/1.png",
        "http:///1.png", "http://[::1/1.png",
    ]  # fmt: skip
    for url in urls:
        with pytest.raises(BadRow) as caught:
            found.read(url)
        assert caught.value.reason == "url_not_opened", url
    for other in (
        f"ftp://{web.place}/1.png",
        f"http:/{web.place}/1.png",
        f"simplecache::http://{web.place}/1.png",
    ):
        with pytest.raises(BadRow, match="media_not_found"):
            found.read(other)
    assert len(web.asked) == 1


def test_hosts_match_as_they_are_written(web):
    assert Web([f"*.0.1:{web.server_port}"], Nothing()).read(f"http://{web.place}/1.png") == PIXELS_PNG
    assert Web(["*"], Nothing()).read(f"http://{web.place}/1.png") == PIXELS_PNG
    with pytest.raises(BadRow, match="url_not_opened"):
        Web(["127.0.0.1"], Nothing()).read(f"http://{web.place}/1.png")  # the port is part of the place


def test_a_picture_is_not_read_beyond_its_largest_size(web, monkeypatch):
    monkeypatch.setattr(_web, "MAX_BYTES", len(PIXELS_PNG) - 1)
    with pytest.raises(BadRow, match="image_size"):
        Web([web.place], Nothing()).read(f"http://{web.place}/1.png")
