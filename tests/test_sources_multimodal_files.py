"""Multimodal sources read their publishers' layout from disk, and real rows give exactly the pairs they should."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from itertools import combinations
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_sources_adapters import example, made

import sources
from pairs.errors import SetAside
from sources._read import ingest
from sources._shapes import PIXELS_PNG


def _layout(name: str, root: Path) -> None:
    """The example as its publisher lays it out, pictures included."""
    row = {key: value for key, value in example(name).items() if key != "_file"}
    if name == "mm_rlhf":
        (root / "dpo_pairs.jsonl").write_text(json.dumps(row))
        for place in ("short", "long", "mcq", "safety"):
            with zipfile.ZipFile(root / f"{place}.zip", "w") as archive:
                archive.writestr(f"{place}/000417.jpg", PIXELS_PNG)
    elif name == "mmpr_v1_2":
        native = {key: value for key, value in row.items() if key != "meta"}
        with zipfile.ZipFile(root / "annotations.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("annotations/geometry_train.jsonl", json.dumps(native))
        (root / "meta.json").write_text(json.dumps({row["meta"].pop("_key"): row["meta"]}))
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("images/Geometry/train/triangle_31.png", PIXELS_PNG)
        half = len(packed.getvalue()) // 2
        (root / "images.zip_aa").write_bytes(packed.getvalue()[:half])
        (root / "images.zip_ab").write_bytes(packed.getvalue()[half:])
    elif name in ("omnialign_v_dpo", "mmif_23k"):
        lines = name == "omnialign_v_dpo"
        path, packed = ("knowledge.jsonl", "images") if lines else ("v2/dpo/mmif_23k_4o_qwen2_5.json", "allava")
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(json.dumps(row if lines else [row]))
        picture = row["image"] if lines else row["images"][0].partition("/")[2]
        with tarfile.open(root / f"{packed}.tar", "w") as archive:
            member = tarfile.TarInfo(f"{packed}/{picture}")
            member.size = len(PIXELS_PNG)
            archive.addfile(member, io.BytesIO(PIXELS_PNG))
        for place in ("cc3m", "diversity", "multiui"):
            zipfile.ZipFile(root / f"{place}.zip", "w").close()
    elif name == "imagereward_db":
        for shard in ("train_1", "train_2"):  # whose pictures have the same names
            folder = root / "images" / "train" / shard
            folder.mkdir(parents=True)
            parts = [{**part, "image_path": part["image_path"].replace("train_1", shard)} for part in row["rows"]]
            rows = [{**part, "prompt_id": key, "prompt": key} for key in ("1", "2") for part in parts]
            (folder / f"{shard}.json").write_text(json.dumps(rows))
            with zipfile.ZipFile(f"{folder}.zip", "w") as archive:
                for place in (1, 2):
                    archive.writestr(f"0017_{place}.webp", PIXELS_PNG + f"{shard} {place}".encode())
    elif name == "hpd_v3":
        (root / "train.json").write_text(json.dumps([row]))
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for number, path in enumerate((row["path1"], row["path2"])):
                data = PIXELS_PNG + bytes([number])
                member = tarfile.TarInfo(path)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        for part in range(3):
            at = 100 * part
            end = None if part == 2 else at + 100
            (root / f"images.tar.gz.{part:03d}").write_bytes(packed.getvalue()[at:end])
    else:
        file = {
            "pickapic_v2": "data/train-00000-of-00645.parquet",
            "llava_critic_113k": "pairwise/train-0.parquet",
        }
        path = root / file.get(name, "data/train-00000-of-00031.parquet")
        path.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist([row]), path)


LAYOUTS = ["mm_rlhf", "mmpr_v1_2", "imagereward_db", "hpd_v3", "pickapic_v2", "visionarena_battle"]
LAYOUTS += ["llava_critic_113k", "wildvision_battle", "beavertails_v", "spa_vl", "omnialign_v_dpo", "mmif_23k"]


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_source_reads_its_publishers_layout(name, store, tmp_path):
    root = tmp_path / "native"
    root.mkdir()
    _layout(name, root)
    books = ingest(store, name, path=str(root))
    expected = {"imagereward_db": (4, 4), "beavertails_v": (1, 2)}.get(name, (1, 1))
    assert (books.rows, books.pairs, books.asides, books.new_columns) == (*expected, {}, [])
    pairs = store.scan("pairs", [name]).collect()
    assert set(pairs["modality"]) == {sources.load(name).source.modality}


@pytest.mark.real
def test_real_rows_in_mm_rlhfs_form_become_pairs_unless_they_are_videos(real_data):
    lines = (real_data / "mm-rlhf-rewardbench" / "mm_reward_bench.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    videos = 0
    for row in rows:
        try:
            (pair,) = made("mm_rlhf", row)
        except SetAside as finding:
            videos += finding.reason == "video_prompt"
            continue
        assert (pair.chosen, pair.rejected, pair.rationale) == (
            row["chosen"],
            row["rejected"],
            row["chosen_reason"],
        )
        assert pair.category in ("short", "long", "mcq", "safety")
    assert (len(rows), videos) == (170, 25)


@pytest.mark.real
def test_real_rankings_of_imagereward_give_a_pair_for_every_two_unequal_ranks(real_data):
    rows = json.loads((real_data / "imagereward" / "test.json").read_text())
    pairs = ties = 0
    for row in rows:
        rank = dict(zip(row["generations"], row["ranking"], strict=True))
        found = made("imagereward_db", {"rows": [row]})
        assert len(found) == len(list(combinations(rank, 2)))
        for item in found:
            if isinstance(item, SetAside):
                ties += item.reason == "tie"
                continue
            pairs += 1
            better, worse = rank[item.chosen_images[0]], rank[item.rejected_images[0]]
            assert item.source_margin == worse - better > 0
    assert (len(rows), pairs, ties) == (466, 6399, 831)
