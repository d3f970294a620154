"""Sources read files in their publishers' layout, and real files give exactly the pairs they should."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sources
from pairs.media import check_image
from sources._read import ingest
from sources._shapes import PIXELS_PNG


def _write_native(name: str, root: Path) -> None:
    """The example as files under the names the publisher uses."""
    row = {key: value for key, value in sources.load(name).source.example.items() if key != "_file"}
    if name in ("rlaif_v", "rlhf_v"):
        file = "RLAIF-V-Dataset_003.parquet" if name == "rlaif_v" else "RLHF-V-Dataset.parquet"
        pq.write_table(pa.Table.from_pylist([row]), root / file)
        return
    if name == "mj_bench":
        pictures = root / "quality" / "objects_indoor" / "examples_objects_indoor"
        pictures.mkdir(parents=True)
        (pictures / "desk_4.jpg").write_bytes(PIXELS_PNG)
        (pictures / "desk_4_edited.jpg").write_bytes(PIXELS_PNG + b"tail")
        (pictures.parent / "captions_objects.json").write_text(json.dumps([row]))
        return
    (root / ("vlfeedback_80k.jsonl" if name == "vlfeedback" else "flan.jsonl")).write_text(json.dumps(row) + "\n")
    if name == "vlfeedback":
        with zipfile.ZipFile(root / "merged_images.zip", "w") as archive:
            archive.writestr("merged_images/street_17.jpg", PIXELS_PNG)


@pytest.mark.parametrize("name", ["rlaif_v", "rlhf_v", "ultrafeedback", "vlfeedback", "mj_bench"])
def test_a_source_without_real_files_here_reads_its_publishers_layout(name, store, tmp_path):
    root = tmp_path / "native"
    root.mkdir()
    _write_native(name, root)
    books = ingest(store, name, path=str(root))
    assert (books.rows, books.pairs, books.asides, books.new_columns) == (1, 1, {}, [])
    modality = store.scan("pairs", [name]).collect()["modality"].to_list()
    assert modality == [sources.load(name).source.modality]


# Counted apart from the adapters: rows, pairs and findings as the files' own texts give them.
REAL = {
    "hh_rlhf": (
        "hh-rlhf",
        5803,
        5762,
        {
            "identical_completions": 4,
            "prompts_differ": 14,
            "empty_completion": 11,
            "last_turn_not_the_assistants": 2,
            "turns_do_not_alternate": 10,
        },
    ),
    "ukp_convarg": ("ukp-convarg1-strict", 9385, 9237, {"repeated_pair": 148}),
    "pandalm": (
        "pandalm",
        999,
        760,
        {"tie": 105, "empty_completion": 52, "chosen_not_text": 6, "repeated_pair": 76},
    ),
    "llama_factory_dpo": ("llama-factory", 599, 583, {"repeated_pair": 16}),
    "llmbar": ("llmbar", 885, 878, {"empty_completion": 1, "identical_completions": 1, "repeated_pair": 5}),
    "mj_bench": ("mj-bench", 56, 56, {}),
    "rasbt_dpo": ("rasbt-llms-from-scratch", 1100, 1094, {"identical_completions": 6}),
}


@pytest.mark.real
@pytest.mark.parametrize("name", REAL)
def test_real_files_become_exactly_these_pairs(name, store, real_data):
    folder, rows, pairs, asides = REAL[name]
    splits = ["test"] if name == "hh_rlhf" else None
    books = ingest(store, name, path=str(real_data / folder), splits=splits)
    assert (books.rows, books.pairs, books.asides) == (rows, pairs, asides)
    assert rows == pairs + sum(asides.values())


@pytest.mark.real
def test_the_better_pictures_of_mj_bench_are_the_unspoilt_ones(store, real_data):
    ingest(store, "mj_bench", path=str(real_data / "mj-bench"))
    pairs = store.scan("pairs", ["mj_bench"]).collect()
    chosen, rejected = (pairs[f"{side}_media_ids"].list.first().to_list() for side in ("chosen", "rejected"))
    assert len(set(chosen)) == len(set(rejected)) == 56
    pictures = real_data / "mj-bench" / "quality" / "objects_indoor" / "examples_objects_indoor"
    plain = [file for file in pictures.iterdir() if "_edited" not in file.name]
    assert {check_image(file.read_bytes()).media_id for file in plain} == set(chosen)
