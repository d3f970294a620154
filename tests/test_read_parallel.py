"""Reading with several processes: the same rows, books and shards; a dead process costs the run, not the store."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
import time

import numpy as np
import polars as pl
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sources._units
from pairs.errors import PrefmillError, SourceChanged
from pairs.media import encode_image
from pairs.shards import PART, part_writer, replace_part
from pairs.store import Store
from sources._read import _code, ingest
from sources._root import find

TOY = """
import os
from pairs.schema import Pair
from sources._source import Source
source = Source(repo="nobody/toy", revision=None, files={"train": ("*.jsonl", "*.parquet")}, licence="MIT",
    label_source="human", example={"question": "q", "chosen": "a", "rejected": "b", "image": b"x"})
def pairs(row):
    %s
    images = [row["image"]] if row["image"] else []
    yield Pair(prompt=row["question"], chosen=row["chosen"], rejected=row["rejected"], images=images)
"""


def picture(seed):
    return encode_image(np.random.default_rng(seed).integers(0, 255, (64, 64, 3), dtype=np.uint8))


@pytest.fixture
def native(tmp_path):
    """A long Parquet file of pictures, three files of lines, with broken rows and pairs that come again."""
    folder = tmp_path / "native"
    folder.mkdir()
    rows = [
        {"question": f"Q{n}", "chosen": f"good {n}", "rejected": f"bad {n}", "image": picture(n % 300)}
        for n in range(600)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "b.parquet", row_group_size=50)
    lines = [
        {"question": f"L{n}", "chosen": f"good {n}", "rejected": f"bad {n}", "image": None} for n in range(2_000)
    ]
    for number in range(3):
        part = [
            *lines[number * 500 : number * 500 + 900],
            {"question": "tie", "chosen": "s", "rejected": "s", "image": None},
        ]
        text = "\n\n".join(json.dumps(row) for row in part) + '\n{"broken": \n'
        (folder / f"{number}.jsonl").write_text(text)
    return folder


@pytest.fixture
def small_units(monkeypatch):
    """Units so small that the little test files make many: in this process, which is where files are divided."""
    monkeypatch.setattr(sources._units, "_UNIT_BYTES", {".parquet": 1 << 20})
    monkeypatch.setattr(sources._units, "UNIT_BYTES_ELSE", 20_000)


def state(store):
    """Everything an ingestion leaves: rows in their order inside files, books, media shards."""
    pairs = store.scan("pairs").collect()
    bad = store.scan("bad_rows").collect()
    facts = json.loads(store.facts("pairs", "toy")["books"])
    facts.pop("seconds")
    shards = sorted(path.name for path in store.path("media_bytes").iterdir())
    return (
        pairs.sort("source_split", "source_row").to_dicts(),
        bad.sort("source_split", "source_row", "reason").to_dicts(),
        facts,
        store.scan("media").collect().sort("media_id").to_dicts(),
        shards,
    )


def test_the_number_of_processes_changes_nothing(tmp_path, toy_source, native):
    toy_source("toy", TOY % "pass")
    states = []
    for workers in (0, 1, 3):
        store = Store(tmp_path / f"store{workers}")
        books = ingest(store, "toy", path=str(native), workers=workers)
        states.append(state(store))
        assert not [*store.path("scratch").iterdir()]
    assert states[0] == states[1] == states[2]
    assert (books.rows, books.pairs, books.media) == (600 + 3 * 902, 600 + 1_900, 300)
    assert books.asides == {"identical_completions": 3, "not_json": 3, "repeated_pair": 800}


def test_rows_lie_in_the_order_in_which_they_were_found(tmp_path, toy_source, native):
    toy_source("toy", TOY % "pass")
    orders = set()
    for number in range(6):
        store = Store(tmp_path / f"store{number}")
        ingest(store, "toy", path=str(native), workers=0)
        files = [file for table in ("bad_rows", "media") for file in store.path(table).rglob("*.parquet")]
        orders.add(str([pq.ParquetFile(file).read().to_pylist() for file in files]))
    assert len(orders) == 1
    bad = store.scan("bad_rows").collect()
    assert bad["reason"].to_list() == ["identical_completions", "not_json"] * 3 + ["repeated_pair"] * 800


def test_a_large_file_is_read_in_pieces_as_if_it_were_whole(
    tmp_path, toy_source, native, small_units, monkeypatch
):
    toy_source("toy", TOY % "pass")
    whole, cut = Store(tmp_path / "whole"), Store(tmp_path / "cut")
    ingest(cut, "toy", path=str(native), workers=0)
    monkeypatch.undo()
    toy_source("toy", TOY % "pass")
    monkeypatch.setattr("sources.__path__", [*sources.__path__, str(tmp_path / "toy_sources")])
    ingest(whole, "toy", path=str(native), workers=0)
    assert state(whole)[:3] == state(cut)[:3]
    media = [
        frame.scan("media").collect().sort("media_id").drop("shard", "row_group", "row") for frame in (whole, cut)
    ]
    assert media[0].equals(media[1])
    assert len(state(cut)[4]) > len(state(whole)[4])
    ids = cut.scan("media").select("media_id").collect()["media_id"].to_list()
    assert len(cut.media(ids)) == 300


def test_pieces_meet_without_gap_or_overlap(tmp_path, native, small_units):
    from fsspec.implementations.local import LocalFileSystem

    for name, rows in (("b.parquet", 600), ("0.jsonl", 902)):
        pieces = sources._divide.divide(LocalFileSystem(), "train", str(native / name))
        assert len(pieces) > 2
        assert [piece.stop for piece in pieces[:-1]] == [piece.start for piece in pieces[1:]]
        assert pieces[-1].stop is None
        assert pieces[0].first == 0 < pieces[1].first < pieces[-1].first < rows


def test_a_killed_process_is_one_clear_error_and_the_store_stays(store, toy_source, native):
    toy_source("toy", TOY % "pass")
    ingest(store, "toy", path=str(native), workers=0)
    before = state(store)
    deaths = {
        "signal 9": "os.kill(os.getpid(), 9)",
        "signal 11": "import ctypes; ctypes.string_at(0)",
        "code 3": "os._exit(3)",
        "ZeroDivisionError": "1 / 0",
    }
    for sign, deed in deaths.items():
        toy_source("toy", TOY % f"{deed} if row['question'] == 'L700' else None")
        with pytest.raises(PrefmillError, match=sign) as caught:
            ingest(store, "toy", path=str(native), workers=2)
        assert "\n" not in str(caught.value)
        assert "jsonl" in str(caught.value)
        assert state(store) == before
        assert not [*store.path("scratch").iterdir()]
        assert not [child for child in psutil.Process().children() if "_worker" in " ".join(child.cmdline())]


def test_a_process_that_needs_too_much_memory_is_one_clear_error(store, toy_source, native):
    toy_source("toy", TOY % "bytearray(1 << 40) if row['question'] == 'L700' else None")
    with pytest.raises(PrefmillError, match="takes more than 8 GiB"):
        ingest(store, "toy", path=str(native), workers=2)


def test_what_an_adapter_prints_is_no_answer(store, toy_source, native):
    toy_source("toy", TOY % "print('{\"done\": []}')")
    assert ingest(store, "toy", path=str(native), workers=1).pairs == 2_500


def test_a_changed_source_is_told_from_another_process_in_its_own_type(store, toy_source, native):
    toy_source("toy", TOY % "pass")
    pq.write_table(pa.table({"question": ["q"], "chosen": ["a"], "image": [b"x"]}), native / "c.parquet")
    with pytest.raises(SourceChanged, match=r"c\.parquet has no column 'rejected'"):
        ingest(store, "toy", path=str(native), workers=2)


def test_a_small_source_starts_no_process(store, toy_source, tmp_path):
    toy_source("toy", TOY % "pass")
    folder = tmp_path / "small"
    folder.mkdir()
    row = {"question": "q", "chosen": "a", "rejected": f"b{os.getpid()}", "image": None}
    (folder / "a.jsonl").write_text(json.dumps(row))
    ingest(Store(tmp_path / "warm"), "toy", path=str(folder))  # imports what the store needs
    started = time.perf_counter()
    ingest(store, "toy", path=str(folder))
    assert time.perf_counter() - started < 0.5


def test_code_that_a_source_borrows_as_a_module_counts(toy_source):
    toy_source("lender", TOY % "pass")
    toy_source("borrower", "from sources import lender\nsource = lender.source\npairs = lender.pairs\n")
    import sources

    assert {"lender.py", "borrower.py", "schema.py", "_files.py"} <= {
        path.name for path in _code(sources.load("borrower"))
    }


def test_two_sources_taken_in_at_once_both_stay(store, tmp_path):
    def take(name):
        for turn in range(5):
            path = tmp_path / f"{name}{turn}.parquet"
            with part_writer(path) as writer:
                writer.write_table(PART.empty_table())
            replace_part(store, "pairs", name, [path], {"turn": str(turn)})

    threads = [threading.Thread(target=take, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [store.facts("pairs", name) for name in "abcd"] == [{"turn": "4"}] * 4
    assert store.scan("pairs").select(pl.len()).collect().item() == 0


def test_the_root_can_be_opened_again_by_its_url(store, toy_source, native):
    toy_source("toy", TOY % "pass")
    root = find(sources.load("toy").source, "toy", store, str(native), None)
    assert root.url == str(native)
    assert root.size == sum(path.stat().st_size for path in native.iterdir())


def test_processes_are_started_before_arrow_and_numpy_load():
    code = "import sys, pairs.store, sources._read; print({'pyarrow', 'numpy', 'deltalake'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_reading_process_starts_without_what_it_does_not_use():
    code = (
        "import sys; from sources._worker import _arrow; pa = _arrow();"
        "import sources._work, sources.hh_rlhf; pa.array(['a']);"
        "print(sorted({'numpy', 'PIL', 'pandas', 'polars', 'deltalake'} & set(sys.modules)));"
        "import numpy, pandas"  # a source of one's own may use them
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_progress_bar_is_loaded_where_nobody_watches(tmp_path):
    folder = tmp_path / "native"
    (folder / "harmless-base").mkdir(parents=True)
    with gzip.open(folder / "harmless-base" / "train.jsonl.gz", "wt") as file:
        file.write(json.dumps(sources.load("hh_rlhf").source.example))
    code = (
        "import sys; from pairs.store import Store; from sources._read import ingest;"
        "print(ingest(Store(sys.argv[1]), 'hh_rlhf', path=sys.argv[2]).pairs, 'tqdm' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "store"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("1 False\n", "")
