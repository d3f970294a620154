"""Sources on S3: the same pairs as from a folder, by one process and by several, from a real local server."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest

from pairs.errors import SourceChanged, Unavailable
from pairs.media import encode_image
from sources._read import ingest

TOY = """
from pairs.schema import Pair
from sources._source import Source
source = Source(repo="nobody/toy", revision=None, files={"train": ("*.jsonl",)}, licence="MIT",
    label_source="human", media=("pictures.zip",),
    example={"question": "q", "image": "a.png", "chosen": "a", "rejected": "b"})
def pairs(row):
    yield Pair(prompt=row["question"], chosen=row["chosen"], rejected=row["rejected"], images=[row["image"]])
"""


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "native"
    folder.mkdir()
    with zipfile.ZipFile(folder / "pictures.zip", "w") as archive:
        for number in range(10):
            pixels = np.random.default_rng(number).integers(0, 255, (32, 32, 3), dtype=np.uint8)
            archive.writestr(f"pictures/{number}.png", encode_image(pixels))
    for part in range(3):
        lines = [
            {"question": f"Q{part}.{n}", "image": f"{n % 10}.png", "chosen": f"good {n}", "rejected": f"bad {n}"}
            for n in range(60)
        ]
        (folder / f"{part}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def test_a_bucket_gives_the_same_pairs_as_a_folder(store, toy_source, bucket, files):
    toy_source("toy", TOY)
    client, url = bucket
    for file in files.iterdir():
        client.put_object(Bucket="native", Key=f"toy/{file.name}", Body=file.read_bytes())
    ingest(store, "toy", path=str(files))
    expected = store.scan("pairs").drop("source_revision").sort("source_row").collect()
    for workers in (0, 2):
        client.put_object(Bucket="native", Key="toy/9.jsonl", Body=b" " * (workers + 1))
        books = ingest(store, "toy", path=url, workers=workers)
        assert (books.changed, books.rows, books.pairs, books.media) == (True, 180, 180, 10)
        assert store.scan("pairs").drop("source_revision").sort("source_row").collect().equals(expected)
    assert not ingest(store, "toy", path=url).changed


def test_an_absent_bucket_or_server_is_told_apart(store, toy_source, bucket, monkeypatch):
    toy_source("toy", TOY)
    with pytest.raises(SourceChanged, match="is not there"):
        ingest(store, "toy", path="s3://nowhere/toy")
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(Unavailable, match="does not answer"):
        ingest(store, "toy", path="s3://native/other")
