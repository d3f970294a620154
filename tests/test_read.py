"""The reader: every native row is accounted for, drift stops, and nothing is read twice."""

from __future__ import annotations

import csv
import gzip
import io
import json
import signal
import subprocess
import sys
import zipfile

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pairs.errors import SourceChanged
from pairs.media import encode_image
from sources._read import ingest

PLAIN = """
from pairs.schema import Pair
from sources._source import Source
source = Source(repo="nobody/toy", revision=None, files={"train": ("*.jsonl*", "*.json", "*.csv", "*.parquet"),
    "test": ("test/*.jsonl",)}, licence="MIT", label_source="human",
    example={"question": "q", "chosen": "a", "rejected": "b"})
def pairs(row):
    yield Pair(prompt=row["question"], chosen=row["chosen"], rejected=row["rejected"])
"""
PICTURED = """
from pairs.schema import Pair
from sources._source import Source
source = Source(repo="nobody/toy", revision=None, files={"train": ("*.jsonl",)}, licence="MIT",
    label_source="human", media=("pictures.zip", "loose"),
    example={"question": "q", "image": "a.png", "chosen": "a", "rejected": "b"})
def pairs(row):
    yield Pair(prompt=row["question"], chosen=row["chosen"], rejected=row["rejected"], images=[row["image"]])
"""


def rows(count, start=0):
    return [
        {"question": f"Question {n}?", "chosen": f"Good answer {n}.", "rejected": f"Bad answer {n}."}
        for n in range(start, start + count)
    ]


def jsonl(records):
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.fixture
def native(tmp_path):
    folder = tmp_path / "native"
    folder.mkdir()
    return folder


def pairs_of(store):
    return store.scan("pairs").collect()


def reasons(store):
    frame = store.scan("bad_rows").group_by("reason").len().sort("reason").collect()
    return dict(frame.iter_rows())


def test_every_format_gives_the_same_pairs(store, toy_source, native):
    toy_source("toy", PLAIN)
    writers = {
        "a.jsonl": lambda path: path.write_text(jsonl(rows(20))),
        "b.jsonl.gz": lambda path: path.write_bytes(gzip.compress(jsonl(rows(20)).encode())),
        "c.json": lambda path: path.write_text(json.dumps(rows(20), indent=2)),
        "d.json": lambda path: path.write_text(jsonl(rows(20))),  # lines, although named .json
        "e.json": lambda path: path.write_text(json.dumps({str(n): row for n, row in enumerate(rows(20))})),
        "f.csv": write_csv,
        "g.parquet": lambda path: pq.write_table(pa.Table.from_pylist(rows(20)), path),
    }
    seen = set()
    for name, write in writers.items():
        for old in native.iterdir():
            old.unlink()
        write(native / name)
        books = ingest(store, "toy", path=str(native))
        assert (books.rows, books.pairs, books.asides) == (20, 20, {}), name
        seen.add(tuple(pairs_of(store)["pair_id"]))
    assert len(seen) == 1


def write_csv(path):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["question", "chosen", "rejected"])
        writer.writeheader()
        writer.writerows(rows(20))


def test_a_long_json_list_is_read_object_by_object(store, toy_source, native):
    toy_source("toy", PLAIN)
    (native / "a.json").write_text(json.dumps([{**row, "chosen": "ü" * 5_000 + str(n)} for n, row in
                                               enumerate(rows(500))], ensure_ascii=False))  # fmt: skip
    assert ingest(store, "toy", path=str(native)).pairs == 500


def test_broken_rows_are_counted_by_reason_and_the_books_balance(store, toy_source, native):
    toy_source("toy", PLAIN)
    good = rows(900)
    broken = [
        '{"question": "q", "chosen": 5, "rejected": "b"}\n',
        '{"question": "q", "chosen": "a"}\n',
        '{"question": "q", "chosen": "a", "rejec\n',
        "[1, 2]\n",
        '{"question": "q", "chosen": "\\ud800", "rejected": "b"}\n',
    ]
    aside = [{"question": "q", "chosen": "same", "rejected": "same"}, good[0]]
    (native / "a.jsonl").write_text(jsonl(good) + "".join(broken) + jsonl(aside))
    books = ingest(store, "toy", path=str(native))
    assert (books.rows, books.rows_with_pairs, books.rows_without) == (907, 900, 7)
    assert books.broken == 5
    assert books.asides == reasons(store) == {
        "chosen_not_text": 1, "identical_completions": 1, "missing_column": 1, "not_an_object": 1,
        "not_json": 2, "repeated_pair": 1,
    }  # fmt: skip
    bad = store.scan("bad_rows").filter(pl.col("reason") == "chosen_not_text").collect().row(0, named=True)
    assert bad["source_row"] == "a.jsonl:900"
    assert "5" in bad["detail"]
    assert bad["kind"] == "broken"


def test_a_source_that_changed_stops_in_one_clear_line(store, toy_source, native):
    toy_source("toy", PLAIN)
    (native / "a.jsonl").write_text(jsonl(rows(50)))
    ingest(store, "toy", path=str(native))
    cases = {
        "no column 'chosen'": jsonl([{"question": "q", "better": "a", "rejected": "b"}] * 200),
        "chosen_not_text": jsonl([{**row, "chosen": n} for n, row in enumerate(rows(200))]),
        "no rows": "",
        "none of 3 rows": jsonl([{"question": "q", "chosen": "s", "rejected": "s"}] * 3),
    }
    for phrase, text in cases.items():
        (native / "a.jsonl").write_text(text)
        with pytest.raises(SourceChanged, match=phrase) as caught:
            ingest(store, "toy", path=str(native))
        assert "\n" not in str(caught.value)
        assert pairs_of(store).height == 50, "the store must stay as it was"
    assert not [*store.path("scratch").iterdir()]


def test_a_new_column_is_only_noted(store, toy_source, native):
    toy_source("toy", PLAIN)
    (native / "a.jsonl").write_text(jsonl([{**row, "mood": "fine"} for row in rows(5)]))
    assert ingest(store, "toy", path=str(native)).new_columns == ["mood"]


def test_a_missing_folder_or_split_says_what_to_do(store, toy_source, native):
    toy_source("toy", PLAIN)
    with pytest.raises(SourceChanged, match="expected"):
        ingest(store, "toy", path=str(native))
    with pytest.raises(SourceChanged, match="no split 'dev'; it has test, train"):
        ingest(store, "toy", path=str(native), splits=["dev"])


def test_nothing_is_read_twice_until_a_file_changes(store, toy_source, native):
    toy_source("toy", PLAIN)
    (native / "a.jsonl").write_text(jsonl(rows(10)))
    assert ingest(store, "toy", path=str(native)).changed
    version = store.version("pairs")
    again = ingest(store, "toy", path=str(native))
    assert not again.changed
    assert again.pairs == 10
    assert store.version("pairs") == version
    (native / "b.jsonl").write_text(jsonl(rows(10, start=5)))
    more = ingest(store, "toy", path=str(native))
    assert (more.changed, more.pairs, more.asides) == (True, 15, {"repeated_pair": 5})


def test_rows_of_one_pair_id_come_once_and_every_row_is_accounted_for(store, toy_source, native):
    toy_source("toy", PLAIN)
    (native / "a.jsonl").write_text(jsonl(rows(10) * 3))
    books = ingest(store, "toy", path=str(native))
    assert (books.rows, books.rows_with_pairs, books.rows_without, books.pairs) == (30, 10, 20, 10)
    assert store.scan("bad_rows").filter(pl.col("whole_row")).collect().height == 20


def test_parquet_with_damaged_pages_is_one_clear_line(store, toy_source, native):
    toy_source("toy", PLAIN)
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows(200)), out)
    data = bytearray(out.getvalue())
    (native / "a.parquet").write_bytes(data[: len(data) // 2])
    with pytest.raises(SourceChanged, match=r"a\.parquet: not readable as Parquet"):
        ingest(store, "toy", path=str(native))


def png(seed):
    return encode_image(np.random.default_rng(seed).integers(0, 255, (32, 32, 3), dtype=np.uint8))


def test_pictures_come_from_folders_and_archives(store, toy_source, native):
    toy_source("toy", PICTURED)
    (native / "loose").mkdir()
    (native / "loose" / "one.png").write_bytes(png(1))
    with zipfile.ZipFile(native / "pictures.zip", "w") as archive:
        archive.writestr("pictures/sub/two.png", png(2))
        archive.writestr("pictures/cut.png", png(3)[:200])
    names = ["one.png", "sub/two.png", "pictures/sub/two.png", "cut.png", "three.png"]
    escapes = ["../secret.png", "/etc/passwd", "loose/../../secret.png", "file:///etc/passwd", "http://x/y.png"]
    (native.parent / "secret.png").write_bytes(png(4))
    records = [{**row, "image": name} for row, name in zip(rows(10), names + escapes, strict=True)]
    (native / "a.jsonl").write_text(jsonl(records))
    (native / "loose" / "link.png").symlink_to(native.parent / "secret.png")
    (native / "a.jsonl").write_text(jsonl([*records, {**rows(1, 10)[0], "image": "link.png"}]))
    books = ingest(store, "toy", path=str(native))
    assert (books.rows, books.pairs, books.media) == (11, 3, 2)
    assert books.asides == {"image_not_readable": 1, "media_not_found": 1, "media_path_outside": 6}
    frame = pairs_of(store)
    assert set(frame["modality"]) == {"image"}
    assert set(store.media(frame["media_ids"].explode().to_list()).values()) == {png(1), png(2)}


def test_a_mark_without_pictures_is_a_word_of_a_text_source_alone(store, toy_source, native):
    drawn = [{**rows(1)[0], "question": "Draw <svg><image></svg>."}]
    (native / "a.jsonl").write_text(jsonl([*rows(2), *drawn]))
    toy_source("toy", PLAIN)
    assert ingest(store, "toy", path=str(native)).asides == {}
    assert "Draw <svg><image></svg>." in {prompt[0]["content"] for prompt in pairs_of(store)["prompt"]}
    lost = PICTURED.replace('images=[row["image"]]', "images=[]").replace(' "image": "a.png",', "")
    for modality in ("image", "to_image"):
        toy_source("toy", lost.replace("media=", f'modality="{modality}", media='))
        assert ingest(store, "toy", path=str(native)).asides == {"image_marks_differ": 1}


def test_an_archive_may_be_unpacked_but_not_absent(store, toy_source, native):
    toy_source("toy", PICTURED)
    (native / "a.jsonl").write_text(jsonl([{**rows(1)[0], "image": "pictures/one.png"}]))
    with pytest.raises(SourceChanged, match=r"pictures\.zip is not there"):
        ingest(store, "toy", path=str(native))
    (native / "pictures.zip").write_bytes(b"no archive")
    with pytest.raises(SourceChanged, match="download it again"):
        ingest(store, "toy", path=str(native))
    (native / "pictures.zip").unlink()
    (native / "pictures").mkdir()
    (native / "pictures" / "one.png").write_bytes(png(1))
    assert ingest(store, "toy", path=str(native)).pairs == 1


def test_the_same_files_make_the_same_pairs_in_any_order_of_names(store, toy_source, native):
    toy_source("toy", PLAIN)
    (native / "a.jsonl").write_text(jsonl(rows(10)))
    (native / "b.jsonl").write_text(jsonl(rows(10, start=10)))
    ingest(store, "toy", path=str(native))
    one = set(pairs_of(store)["pair_id"])
    (native / "a.jsonl").write_text(jsonl(rows(10, start=10)))
    (native / "b.jsonl").write_text(jsonl(rows(10)))
    ingest(store, "toy", path=str(native))
    assert set(pairs_of(store)["pair_id"]) == one


GROUPED = """
from pairs.schema import Pair
from sources._source import Source
source = Source(repo="nobody/toy", revision=None, files={"train": ("*.jsonl",)}, licence="MIT",
    label_source="human", group_by=("prompt",),
    example={"rows": [{"prompt": "q", "reply": "a", "score": 1}]})
def pairs(row):
    worse, better = sorted(row["rows"], key=lambda reply: reply["score"])
    yield Pair(prompt=better["prompt"], chosen=better["reply"], rejected=worse["reply"])
"""


def test_rows_that_belong_together_come_as_one(store, toy_source, native):
    toy_source("toy", GROUPED)
    records = [{"prompt": f"q{n // 2}", "reply": f"r{n}", "score": n % 3} for n in range(40)]
    (native / "a.jsonl").write_text(jsonl([*records, {"prompt": "alone", "reply": "x", "score": 1}]))
    books = ingest(store, "toy", path=str(native))
    assert (books.rows, books.pairs, books.asides) == (21, 20, {"wrong_shape": 1})
    (native / "a.jsonl").write_text(jsonl([{"prompt": "q", "answer": "r", "score": 1}]))
    with pytest.raises(SourceChanged, match="no column 'reply'"):
        ingest(store, "toy", path=str(native))


def test_scratch_of_a_killed_ingestion_goes_and_that_of_a_living_one_stays(store):
    from sources._scratch import scratch

    below = store.path("scratch")
    code = (
        "import os, pathlib, signal, sys; from sources._scratch import scratch\n"
        "with scratch(pathlib.Path(sys.argv[1]), 'toy') as folder:\n"
        "    (folder / 'shard').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(below)], check=False).returncode == -signal.SIGKILL
    (left,) = below.iterdir()
    with scratch(below, "toy_other"):
        assert left.exists(), "another source's"
    with scratch(below, "toy") as living:
        assert not left.exists()
        (living / "shard").write_text("half")
        with scratch(below, "toy"):
            assert (living / "shard").exists()
    assert not list(below.iterdir())
