"""What all tests share: a store in a scratch folder, one torch thread, and where the real data lies."""

from __future__ import annotations

import os
import urllib.request
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

REAL_DATA = Path(os.environ.get("PREFMILL_REAL_DATA") or Path(__file__).parent.parent.parent / "shared" / "data")


@pytest.fixture
def store(tmp_path):
    from pairs.store import Store

    return Store(tmp_path / "store")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real native files; tests that need it say so and are skipped where it is not."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"NO REAL DATA at {REAL_DATA}: set PREFMILL_REAL_DATA to test on real sources")
    return REAL_DATA


@pytest.fixture
def toy_source(tmp_path, monkeypatch):
    """Add a source file for one test, as a user would: `toy_source("name", code)`."""
    import sys

    import sources

    folder = tmp_path / "toy_sources"
    folder.mkdir()
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(folder)])
    made = []

    def make(name: str, code: str) -> None:
        (folder / f"{name}.py").write_text(code)
        made.append(name)
        sys.modules.pop(f"sources.{name}", None)
        sources.names.cache_clear()

    yield make
    for name in made:
        sys.modules.pop(f"sources.{name}", None)
    sources.names.cache_clear()


@pytest.fixture
def bucket(monkeypatch):
    """A client and the URL of an empty bucket, with the environment that leads s3fs to the local server."""
    server = pytest.importorskip("moto.server", reason="NO S3 TEST: pip install 'moto[server]' boto3 s3fs")
    boto3 = pytest.importorskip("boto3", reason="NO S3 TEST: pip install 'moto[server]' boto3 s3fs")
    s3fs = pytest.importorskip("s3fs", reason="NO S3 TEST: pip install 'moto[server]' boto3 s3fs")
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    running.start()
    host, port = running.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "here",
        "AWS_SECRET_ACCESS_KEY": "only",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
    # Servers of one process share what they hold.
    urllib.request.urlopen(urllib.request.Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()
    client.create_bucket(Bucket="native")
    s3fs.S3FileSystem.clear_instance_cache()
    yield client, "s3://native/toy"
    s3fs.S3FileSystem.clear_instance_cache()
    running.stop()
