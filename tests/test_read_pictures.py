"""Pictures that lie elsewhere than beside the native files: a folder, an archive, another file system."""

from __future__ import annotations

import functools
import http.server
import json
import zipfile
from pathlib import Path

import fsspec
import pytest
from loopback import serving
from test_sources_adapters import example

from pairs.errors import PrefmillError, SourceChanged
from pipelines import inspect_sources
from sources._read import ingest
from sources._shapes import PIXELS_PNG

NAME = "COCO_train2014_000000012345.jpg"


@pytest.fixture
def native(tmp_path):
    """The published files of POVID, which come without pictures."""
    folder = tmp_path / "native"
    folder.mkdir()
    (folder / "POVID_preference_data_for_VLLMs_version_1.json").write_text(json.dumps([example("povid")]))
    return str(folder)


def packed(path, data=PIXELS_PNG):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"train2014/{NAME}", data)
    return str(path)


def test_pictures_come_from_an_archive_or_a_folder_elsewhere(store, native, tmp_path):
    at = packed(tmp_path / "train2014.zip")
    (tmp_path / "coco" / "train2014").mkdir(parents=True)
    (tmp_path / "coco" / "train2014" / NAME).write_bytes(PIXELS_PNG)
    with fsspec.open("memory://coco/train2014.zip", "wb") as file:
        file.write((tmp_path / "train2014.zip").read_bytes())
    for place in (at, str(tmp_path / "coco" / "train2014"), str(tmp_path / "coco"), "memory://coco/train2014.zip"):
        books = ingest(store, "povid", path=native, pictures=place)
        assert (books.changed, books.pairs, books.media, books.asides) == (True, 1, 1, {}), place
        assert not ingest(store, "povid", path=native, pictures=place).changed


def test_reading_processes_find_them_too(store, native, tmp_path):
    assert ingest(store, "povid", path=native, pictures=packed(tmp_path / "p.zip"), workers=2).media == 1


def test_an_archive_that_has_changed_is_read_again(store, native, tmp_path):
    at = packed(tmp_path / "train2014.zip", PIXELS_PNG[:60])
    with pytest.raises(SourceChanged, match="image_not_readable"):
        ingest(store, "povid", path=native, pictures=at)
    packed(tmp_path / "train2014.zip")
    assert ingest(store, "povid", path=native, pictures=at).changed
    packed(tmp_path / "train2014.zip", PIXELS_PNG + b"more")
    assert ingest(store, "povid", path=native, pictures=at).changed


def test_a_place_without_them_is_refused(store, native, tmp_path):
    for place in ("nowhere", "nowhere.zip"):
        with pytest.raises(SourceChanged, match=f"{place} is not there; `pictures` is a folder, a zip"):
            ingest(store, "povid", path=native, pictures=str(tmp_path / place))
    with pytest.raises(PrefmillError, match="cannot be opened: Protocol not known: foo"):
        ingest(store, "povid", path=native, pictures="foo://x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceChanged, match="media_not_found"):
        ingest(store, "povid", path=native, pictures=str(tmp_path / "empty"))


def test_a_row_leads_out_of_neither_place(store, native, tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "secret.png").write_bytes(PIXELS_PNG)
    (tmp_path / "pictures" / NAME).symlink_to(tmp_path / "secret.png")
    with pytest.raises(SourceChanged, match="media_path_outside"):
        ingest(store, "povid", path=native, pictures=str(tmp_path / "pictures"))


class WithoutListings(http.server.SimpleHTTPRequestHandler):
    """A web server that serves files and ranges of them, and lists no folder."""

    def list_directory(self, path):
        self.send_error(403)

    def do_GET(self):
        wanted = self.headers.get("Range")
        if wanted is None:
            return super().do_GET()
        data = Path(self.translate_path(self.path)).read_bytes()
        first, last = (int(number) for number in wanted.removeprefix("bytes=").split("-"))
        part = data[first : last + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def end_headers(self):
        self.send_header("Accept-Ranges", "bytes")
        super().end_headers()

    def log_message(self, *_):
        pass


def test_pictures_come_from_an_archive_on_a_web_server_that_lists_nothing(store, native, tmp_path):
    packed(tmp_path / "train2014.zip")
    handler = functools.partial(WithoutListings, directory=str(tmp_path))
    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        at = server.url
        assert ingest(store, "povid", path=native, pictures=f"{at}/train2014.zip").media == 1
        with pytest.raises(PrefmillError, match=r"nothing\.zip"):
            ingest(store, "povid", path=native, pictures=f"{at}/nothing.zip")


def test_what_lies_beside_an_archive_of_pictures_is_not_looked_at(store, native, tmp_path):
    at = packed(tmp_path / "train2014.zip", b"")
    with zipfile.ZipFile(at, "w") as archive:
        archive.writestr("train2014/another.jpg", PIXELS_PNG)
    (tmp_path / NAME).write_bytes(PIXELS_PNG)
    (tmp_path / "train2014").mkdir()
    (tmp_path / "train2014" / NAME).write_bytes(PIXELS_PNG)
    with pytest.raises(SourceChanged, match=r"media_not_found.* is not in train2014\.zip"):
        ingest(store, "povid", path=native, pictures=at)


def test_a_check_takes_them_as_well(native, tmp_path):
    told = inspect_sources.check("povid", native, [], 10, packed(tmp_path / "train2014.zip"))
    assert "1 gave pairs" in told
