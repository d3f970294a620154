"""What a row names stays inside the source's folder, and no URL in a row is ever opened."""

from __future__ import annotations

import os
import socket
import threading

import fsspec
import numpy as np
import pytest

from pairs.errors import BadRow
from pairs.media import encode_image
from sources._media import MediaFinder

PICTURE = encode_image(np.random.default_rng(1).integers(0, 255, (16, 16, 3), dtype=np.uint8))


@pytest.fixture
def listener():
    """A real server on loopback that only counts who knocks: (port, list of addresses)."""
    knocked = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept():
            while True:
                try:
                    connection, address = server.accept()
                except OSError:
                    return
                knocked.append(address)
                connection.close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server.getsockname()[1], knocked
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


@pytest.mark.parametrize("places", [(), ("pictures",), ("pictures.zip",)])
def test_no_url_in_a_row_is_opened(tmp_path, listener, places):
    port, knocked = listener
    (tmp_path / "pictures").mkdir()
    found = MediaFinder(fsspec.filesystem("file"), str(tmp_path), places)
    at = f"127.0.0.1:{port}/x.png"
    urls = [
        f"http://{at}", f"HTTP://{at}", f"http:/{at}", f"http:{at}", f"//{at}", f"\\\\{at}", f"simplecache::http://{at}",
        f"filecache::http:/{at}", f"zip://x.png::http://{at}", f"pictures/../http://{at}", f" http://{at}",
        f"reference://x::http://{at}", f"ftp://{at}", f"s3://{at}", f"file://{tmp_path}/pictures/x.png",
        f"local:{tmp_path}/pictures/x.png", "data:image/png;base64,AAAA",
    ]  # fmt: skip
    for url in urls:
        with pytest.raises(BadRow) as caught:
            found.read(url)
        assert caught.value.reason in ("media_path_outside", "media_not_found"), url
    with socket.create_connection(("127.0.0.1", port)):  # the server does count
        pass
    while not knocked:
        pass
    assert len(knocked) == 1


def test_no_link_leads_out_of_the_folder(tmp_path):
    native, outside = tmp_path / "native", tmp_path / "native_of_another"  # whose name starts alike
    (native / "pictures" / "deep").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret.png").write_bytes(PICTURE)
    (native / "pictures" / "good.png").write_bytes(PICTURE)
    (native / "pictures" / "inside.png").symlink_to("good.png")
    (native / "pictures" / "file.png").symlink_to(outside / "secret.png")
    (native / "pictures" / "folder").symlink_to(outside)
    (native / "pictures" / "chain.png").symlink_to("file.png")
    (native / "pictures" / "up").symlink_to("../..")
    (native / "pictures" / "lost.png").symlink_to("nowhere.png")
    (native / "pictures" / "round.png").symlink_to("round.png")
    os.mkfifo(native / "pictures" / "pipe.png")
    found = MediaFinder(fsspec.filesystem("file"), str(native), ("pictures",))
    assert found.read("good.png") == found.read("inside.png") == found.read("deep/../good.png") == PICTURE
    ends = {
        "file.png": "media_path_outside",
        "folder/secret.png": "media_path_outside",
        "chain.png": "media_path_outside",
        "up/native_of_another/secret.png": "media_path_outside",
        "../../native_of_another/secret.png": "media_path_outside",
        "lost.png": "media_not_found",
        "round.png": "media_not_found",
        "pipe.png": "media_not_found",
        "deep": "media_not_found",
        "": "media_path_outside",
    }
    for path, reason in ends.items():
        with pytest.raises(BadRow) as caught:
            found.read(path)
        assert caught.value.reason == reason, path
    assert found.read("up/native/pictures/good.png") == PICTURE, "out and in again is inside"


def test_a_source_whose_own_folder_is_a_link_is_read(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "good.png").write_bytes(PICTURE)
    (tmp_path / "named").symlink_to("real")
    assert MediaFinder(fsspec.filesystem("file"), str(tmp_path / "named"), ()).read("good.png") == PICTURE
