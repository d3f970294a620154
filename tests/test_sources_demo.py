"""The demo's native files: real layouts, learnable labels, and planted defects that are where the truth says."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import sources
from pairs.media import check_image
from pairs.store import Store
from sources import _demo
from sources._read import ingest

HONEST = set(_demo.SOURCES) - {_demo.LENGTH_BIASED, "mj_bench"}
TEXT_TRAIN = ("hh_rlhf", "llama_factory_dpo", "pandalm", "rasbt_dpo")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "demo"
    _demo.write(folder)
    return folder


@pytest.fixture(scope="module")
def truth(folder) -> pl.DataFrame:
    return pl.read_parquet(folder / "truth.parquet")


@pytest.fixture(scope="module")
def read(folder, tmp_path_factory) -> Store:
    """All sources, every split of them, through the reader."""
    store = Store(tmp_path_factory.mktemp("store"))
    for name in _demo.SOURCES:
        files = sources.load(name).source.files
        present = [split for split, globs in files.items() if any(any((folder / name).glob(g)) for g in globs)]
        ingest(store, name, path=str(folder / name), splits=present)
    return store


@pytest.fixture(scope="module")
def pairs(read) -> pl.DataFrame:
    def text(column: str) -> pl.Expr:
        return pl.col(column).list.eval(pl.element().struct.field("content")).list.join("\n")

    frame = read.scan("pairs", None).collect()
    return frame.with_columns(asked=text("prompt"), better=text("chosen"), worse=text("rejected"))


def tree(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def words(row: dict) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", f"{row['asked']} {row['better']} {row['worse']}".lower()))


def test_another_process_replaces_a_stale_folder_with_the_same_bytes(folder, tmp_path):
    stale = tmp_path / "demo"
    stale.mkdir()
    (stale / "old.json").write_text("[]")
    (stale / ".generator").write_text("of an earlier version")
    code = "import sys; from pathlib import Path; from sources import _demo; _demo.write(Path(sys.argv[1]))"
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    root = Path(__file__).parent.parent
    subprocess.run([sys.executable, "-c", code, str(stale)], check=True, cwd=root, env=environment)
    assert tree(stale) == tree(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_a_second_call_makes_and_writes_nothing(folder, monkeypatch):
    monkeypatch.delattr(_demo, "_write_all")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    _demo.write(folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_the_demo_is_small(folder):
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 25 << 20


def test_every_source_is_read_and_its_dirt_is_little(read, pairs):
    assert set(pairs["source"]) == set(_demo.SOURCES)
    bad = read.scan("bad_rows", None).collect()
    keys = ("source", "source_split", "source_row")
    assert 4_000 <= pl.concat([pairs.select(keys), bad.select(keys)]).unique().height <= 5_500
    broken = bad.filter(pl.col("kind") == "broken", ~pl.col("reason").str.starts_with("image"))
    assert broken.height == 1
    reasons = set(bad["reason"])
    assert {"tie", "identical_completions", "empty_completion", "score_missing", "wrong_shape"} <= reasons


def test_every_kind_of_defect_is_planted(truth):
    counts = dict(truth.group_by("kind").agg(pl.col("cluster").n_unique()).iter_rows())
    assert {kind: count for kind, count in counts.items() if kind != "flipped_label"} == {
        "exact_duplicate": 60,
        "near_duplicate": 40,
        "contradiction": 40,
        "benchmark_prompt": 25,
        "broken_image": 12,
        "length_bias": 1,
    }
    flipped = truth.filter(pl.col("kind") == "flipped_label").group_by("source").len()
    assert set(flipped["source"]) == {"hh_rlhf", "rlaif_v"}
    assert flipped["len"].min() >= 100


def test_a_row_holds_one_defect_at_most_and_its_pair_is_there(truth, pairs):
    listed = truth.filter(pl.col("pair_id").is_not_null()).select("source", "pair_id")
    assert listed.is_unique().all()
    assert listed.join(pairs, on=["source", "pair_id"], how="anti").is_empty()
    assert "flipped_label" not in set(truth.filter(pl.col("source") == _demo.LENGTH_BIASED)["kind"])


def test_a_fifth_of_two_sources_is_flipped(truth, pairs):
    for name in ("hh_rlhf", "rlaif_v"):
        flipped = truth.filter(pl.col("kind") == "flipped_label", pl.col("source") == name).height
        assert flipped / pairs.filter(pl.col("source") == name).height == pytest.approx(0.2, abs=0.01)


def test_exact_duplicates_have_one_pair_id_in_two_sources(truth):
    clusters = truth.filter(pl.col("kind") == "exact_duplicate").group_by("cluster")
    counts = clusters.agg(pl.col("pair_id").n_unique(), pl.col("source").n_unique().alias("sources"))
    assert set(counts["pair_id"]) == {1}
    assert set(counts["sources"]) == {2}
    assert {"crlf", "nfd", "trailing space"} <= set(truth["detail"])


def test_contradictions_are_the_same_pair_turned(truth, pairs):
    sides = pl.concat_list("chosen_id", "rejected_id")
    planted = truth.filter(pl.col("kind") == "contradiction").join(pairs, on=["source", "pair_id"])
    clusters = planted.group_by("cluster").agg(turned=sides.n_unique(), same=sides.list.sort().n_unique())
    assert clusters.height == 40
    assert set(clusters["turned"]) == {2}
    assert set(clusters["same"]) == {1}


def test_only_planted_pairs_are_near_copies(truth, pairs):
    rows = pairs.filter(pl.col("source").is_in([*TEXT_TRAIN, "llmbar", "ukp_convarg"])).to_dicts()
    bags = [words(row) for row in rows]
    columns = {word: i for i, word in enumerate(sorted(frozenset().union(*bags)))}
    matrix = np.zeros((len(rows), len(columns)), np.float32)
    for i, bag in enumerate(bags):
        matrix[i, [columns[word] for word in bag]] = 1
    common, sizes = matrix @ matrix.T, matrix.sum(1)
    alike = np.triu(common / (sizes[:, None] + sizes - common), 1)
    clusters = {(row["source"], row["pair_id"]): row["cluster"] for row in truth.to_dicts()}
    names = [clusters.get((row["source"], row["pair_id"]), f"clean {i}") for i, row in enumerate(rows)]
    found = {(names[i], names[j]) for i, j in zip(*np.where(alike >= 0.8), strict=True)}
    assert {one for one, two in found if one == two and one.startswith("near")} == set(
        truth.filter(pl.col("kind") == "near_duplicate")["cluster"]
    )
    assert all(one == two for one, two in found)


def test_benchmark_prompts_stand_only_in_the_rows_that_leak(truth, pairs):
    def grams(text: str) -> set[tuple[str, ...]]:
        parts = re.findall(r"\w+", text.lower())
        return {tuple(parts[i : i + 8]) for i in range(len(parts) - 7)}

    benchmark = set().union(*map(grams, pairs.filter(pl.col("source") == "llmbar")["asked"]))
    training = pairs.filter(pl.col("role") == "train").select("source", "pair_id", "asked")
    found = {(source, pair) for source, pair, asked in training.iter_rows() if grams(asked) & benchmark}
    leaks = truth.filter(pl.col("kind") == "benchmark_prompt").select("source", "pair_id")
    assert found == set(leaks.iter_rows())


def test_prompts_differ_except_in_planted_copies(truth, pairs):
    text = pairs.filter(pl.col("source").is_in(TEXT_TRAIN))
    copied = truth.filter(
        pl.col("kind").is_in(["exact_duplicate", "contradiction"]), pl.col("detail") == "original"
    )
    again = copied.filter(pl.col("source") == "rasbt_dpo").height
    assert text["asked"].n_unique() == text.height - again
    assert pairs["asked"].n_unique() > 2_400


def test_length_decides_in_one_source_only(pairs):
    longer = pl.col("better").str.len_chars() > pl.col("worse").str.len_chars()
    shares = dict(pairs.group_by("source").agg(longer.mean()).iter_rows())
    assert shares[_demo.LENGTH_BIASED] == 1
    assert {name: share for name, share in shares.items() if name in HONEST and not 0.45 <= share <= 0.6} == {}


def test_pictures_are_many_and_all_but_the_broken_ones_decode(read, truth):
    media = read.scan("media", None).collect().unique("media_id")
    assert media.height >= 350
    assert media["height"].min() >= 96
    assert max(media["width"].max(), media["height"].max()) <= 256
    assert set(media["format"]) == {"JPEG", "PNG", "WEBP"}
    for data in read.media(media["media_id"].sort().head(20).to_list()).values():
        assert check_image(data).phash
    planted = truth.filter(pl.col("kind") == "broken_image").select("source", "source_split", "source_row")
    bad = read.scan("bad_rows", None).filter(pl.col("reason").str.starts_with("image")).collect()
    assert set(planted.iter_rows()) == set(bad.select(planted.columns).iter_rows())


def test_a_model_of_hashed_words_learns_the_clean_labels_but_not_perfectly(truth, pairs):
    wrong = truth.filter((pl.col("kind") == "flipped_label") | (pl.col("detail") == "swapped"))
    clean = pairs.filter(pl.col("source").is_in(HONEST), pl.col("role") == "train")
    clean = clean.join(wrong, on=["source", "pair_id"], how="anti").sort("pair_id", "source")

    def hashed(text: str) -> np.ndarray:
        counts = np.zeros(2_048, np.float32)
        for word in re.findall(r"\w+", text.lower()):
            counts[zlib.crc32(word.encode()) % len(counts)] += 1
        return counts / np.linalg.norm(counts)

    apart = np.stack([hashed(b) - hashed(w) for b, w in clean.select("better", "worse").iter_rows()])
    held_out = np.array([int(prompt[:4], 16) % 5 == 0 for prompt in clean["prompt_id"]])
    weights, learn = np.zeros(apart.shape[1], np.float32), apart[~held_out]
    for step in range(1_500):
        batch = learn[step * 64 % len(learn) :][:64]
        weights += batch.T @ (1 / (1 + np.exp(batch @ weights))) / 64
    assert 0.72 < (apart[held_out] @ weights > 0).mean() < 0.92
