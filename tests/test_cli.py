"""The `prefmill` command, as a user calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import sources
from pipelines import inspect_sources
from pipelines.cli import app
from sources._read import ingest
from sources._shapes import PIXELS_PNG

ROOT = Path(__file__).parent.parent


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(words))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.fixture
def native(tmp_path):
    """Answers of one source: 30 good rows, one tie, one pair of equal answers, one broken row."""
    folder = tmp_path / "native"
    folder.mkdir()
    votes = [{"scenario": "talk", "prompt": f"q{n}", "response 1": "yes " * 200, "response 2": "no", "label": 0}
             for n in range(30)]  # fmt: skip
    votes += [{**votes[0], "label": 2}, {**votes[0], "prompt": "x", "response 2": "yes " * 200}]
    votes += [{**votes[0], "label": 7}]
    (folder / "autoj_pairwise.json").write_text("\n".join(map(json.dumps, votes)))
    return folder


def test_the_page_of_sources_is_what_the_command_prints():
    """When a source was added: `prefmill sources --markdown > docs/sources.md`."""
    code, text = run("sources", "--markdown")
    assert code == 0
    assert text == (ROOT / "docs" / "sources.md").read_text()
    assert all(f"| [{name}](https://" in text for name in sources.names())


def test_sources_are_listed_with_what_the_store_holds_of_them(store, native):
    ingest(store, "auto_j", path=str(native))
    lines = inspect_sources.overview(store).splitlines()
    assert lines[0].split("  ")[0] == "source"
    assert len(lines) == len(sources.names()) + 3
    held = next(line for line in lines if line.startswith("auto_j ")).split()
    assert held[1:-1] == ["text", "benchmark", "human", "Apache-2.0", "33", "30", "3"]
    assert held[-1].startswith("files:")
    assert next(line for line in lines if line.startswith("hh_rlhf ")).endswith("not pinned")
    assert lines[-1].startswith(f"{len(sources.names())} sources, ")
    assert f"; 1 in the store {store.root}" in lines[-1]


def test_check_shows_counts_reasons_with_places_and_three_pairs(native):
    code, text = run("check", "auto_j", str(native))
    assert code == 0
    for said in (
        "33 native rows",
        "30 gave pairs, 30 of them",
        "3 gave none, 1 of these are broken",
        "1 label_not_known, broken\n            autoj_pairwise.json:32: label is 7, expected 0, 1 or 2",
        "1 tie\n            autoj_pairwise.json:30: label is 2",
        "pair 1 of 30: autoj_pairwise.json:0, overall, talk",
        "pair 30 of 30: autoj_pairwise.json:29, overall, talk",
        "  prompt    q29\n  chosen    yes yes",
        "  rejected  no",
    ):
        assert said in text, said
    assert text.count("\npair ") == 3
    assert max(map(len, text.replace(str(native), "native").splitlines())) <= 120
    assert "yes " * 80 not in " ".join(text.split())


def test_check_reads_no_more_rows_than_it_is_told(native):
    assert "\n2 native rows" in run("check", "auto_j", str(native), "--rows", "2")[1]


def test_check_shows_the_sizes_of_pictures(tmp_path):
    row = sources.load("rlaif_v").source.example
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "RLAIF-V-Dataset_000.parquet")
    _, text = run("check", "rlaif_v", str(tmp_path))
    assert "  prompt    <image> How many boats" in text
    assert f"PNG of 8 x 8 pixels, {len(PIXELS_PNG)} bytes" in text


def test_check_shows_completions_that_are_pictures(tmp_path):
    row = sources.load("mj_bench").source.example
    captions = tmp_path / row["_file"]
    pictures = captions.parent / "examples_objects_indoor"
    pictures.mkdir(parents=True)
    (pictures / row["image_0"]).write_bytes(PIXELS_PNG)
    (pictures / row["image_1"]).write_bytes(PIXELS_PNG + b"tail")
    captions.write_text(json.dumps([row]))
    _, text = run("check", "mj_bench", str(tmp_path))
    assert f"  chosen    PNG of 8 x 8 pixels, {len(PIXELS_PNG)} bytes" in text
    assert f"  rejected  PNG of 8 x 8 pixels, {len(PIXELS_PNG) + 4} bytes" in text


def test_control_characters_of_native_texts_do_not_reach_the_terminal(native):
    row = {
        "scenario": "talk\x1b]0;",
        "prompt": "\x1b[31mred",
        "response 1": "a\u202eb",
        "response 2": "c",
        "label": 0,
    }
    (native / "autoj_pairwise.json").write_text(json.dumps(row))
    text = inspect_sources.check("auto_j", str(native), [], 5)
    assert "\ufffd[31mred" in text
    assert not set(text) & set("\x1b\u202e")


def test_check_leaves_the_store_and_the_temporary_folder_as_they_were(native, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    before = sorted(path.name for path in tmp_path.iterdir())
    monkeypatch.chdir(tmp_path)
    assert run("check", "auto_j", str(native))[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("check", "auto_jj"), "error: no source is named 'auto_jj'; did you mean 'auto_j'?"),
        (("check", "auto_j", "/nowhere"), "error: auto_j: /nowhere is not there"),
        (("check", "auto_j", "{empty}"), "error: auto_j: no file for split 'test'"),
        (("check", "auto_j", "{changed}"), "error: auto_j: autoj_pairwise.json has no column 'prompt'"),
        (("check", "auto_j", "{changed}", "--split", "train"), "error: auto_j: no split 'train'; it has test"),
    ],
)
def test_what_goes_wrong_is_one_line(words, message, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "changed").mkdir()
    (tmp_path / "changed" / "autoj_pairwise.json").write_text('{"question": "q", "label": 0}\n')
    code, text = run(*(word.format(empty=tmp_path / "empty", changed=tmp_path / "changed") for word in words))
    assert code == 1
    assert text.startswith(message)
    assert text.count("\n") == 1


def test_a_folder_of_own_sources_that_is_not_there_is_one_line(tmp_path):
    environment = {"PREFMILL_SOURCES": str(tmp_path / "none"), "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    code = "from pairs.errors import PrefmillError\nimport sources\ntry:\n    sources.names()\n" \
           "except PrefmillError as error:\n    print(error)\n"  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{tmp_path / 'none'} is no folder; PREFMILL_SOURCES names a folder of source files\n"
