"""Publication: the dataset is what the plan says, with the same bytes on any machine, and versions stay."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from mixtures_made import (
    TEXT_AND_IMAGES,
    decisions,
    groups,
    picture,
    planned,
    put,
    recipe_of,
    row,
    small_store,
    text_rows,
    write,
)

import mixtures
from mixtures import _order, _scratch, _shards
from mixtures._commit import newest, verify
from mixtures._publish import publish
from pairs.errors import PrefmillError
from pairs.ids import completion_id, pair_id, prompt_id
from pairs.schema import Pair
from pairs.shards import MediaWriter
from pairs.store import file_hash

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """`datasets` keeps its files in the test's own folder."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    datasets.disable_progress_bars()


def load(*given, **more):
    from datasets import load_dataset

    return load_dataset(*map(str, given), **more)


def test_a_flipped_pair_is_published_as_the_pair_that_it_now_is(tmp_path):
    store = small_store(tmp_path / "store")
    flip = ("one", lambda left: decisions(left[0:2], "flip"))
    soften = ("two", lambda left: decisions(left[1:3], "soften", value=0.8))
    made = put(store, recipe_of(tmp_path, "[sources.talk]\n[sources.look]"), flip, soften)
    by_row = {one["source_row"]: one for one in load(made.root, "text", split="train") if one["source"] == "talk"}
    old = store.scan("pairs", ["talk"]).sort("pair_id").head(3).collect().to_dicts()
    for before, flipped, soft in zip(old, (True, True, False), (None, pytest.approx(0.2), 0.8), strict=True):
        after = by_row[before["source_row"]]
        assert after["soft_label"] == soft
        assert json.loads(after["extra"]).get("flipped_from") == (before["pair_id"] if flipped else None)
        assert after["source_margin"] == (-1.5 if flipped else 1.5)
        names = ("rejected", "chosen") if flipped else ("chosen", "rejected")
        assert [after["chosen"], after["rejected"]] == [before[name] for name in names]
        assert [after["chosen_id"], after["rejected_id"]] == [before[f"{name}_id"] for name in names]
        assert bool(after["chosen_ratings"]) is not flipped
        prompt = prompt_id(after["prompt"], [])
        sides = [completion_id(prompt, after[side], []) for side in ("chosen", "rejected")]
        assert after["pair_id"] == pair_id(prompt, *sides, "overall")


def test_the_ledger_joins_to_the_dataset_by_source_and_published_id(tmp_path):
    store = small_store(tmp_path / "store")
    steps = (
        ("one", lambda left: decisions(left[0:3], "flip", "wrong")),
        ("two", lambda left: decisions(left[2:6], "drop", "twin", 0.9, "x")),
        ("three", lambda left: decisions(left[0:4], "weight", "rare", 1.5)),
    )
    recipe = recipe_of(tmp_path, "size = 100\n[sources.talk]\n[sources.look]")
    made = put(store, recipe, *steps)
    ledger = pl.read_parquet(made.folder / "ledger.parquet")
    data = pl.read_parquet(made.folder / "data" / "*.parquet")
    of_rule = {rule[0]: rows for rule, rows in ledger.partition_by("rule", as_dict=True).items()}
    keys = {"left_on": ["source", "published_id"], "right_on": ["source", "pair_id"]}
    flipped = of_rule["one"].join(data, **keys)
    assert sorted({json.loads(extra)["flipped_from"] for extra in flipped["extra"]}) == sorted(
        of_rule["one"].drop_nulls("published_id")["pair_id"]
    )
    assert flipped.select("source", "published_id").n_unique() == 2  # the third one was dropped after
    weighted = of_rule["three"].join(data, **keys)
    assert set(weighted["weight"]) == {1.5}
    assert weighted.select("source", "published_id").n_unique() == 4
    dropped = ledger.filter(pl.col("published_id").is_null())
    assert set(dropped.filter(pl.col("action") == "drop")["pair_id"]) == set(dropped["pair_id"])
    assert dropped.join(data, on=["source", "pair_id"], how="semi").is_empty()
    assert dropped.filter(pl.col("action") == "drop").height + data.select("source", "pair_id").n_unique() == 80
    verify(made.root)
    again = put(store, recipe, *steps, facts={"code": "c2"})
    assert again.folder == made.folder


def test_copies_and_weights_reach_the_dataset(tmp_path):
    recipe = recipe_of(tmp_path, "size = 200\n[sources.talk]\n")
    made = put(
        small_store(tmp_path / "store"), recipe, ("one", lambda left: decisions(left[0:1], "weight", value=2.5))
    )
    train = load(made.root, split="train")
    assert len(train) == 200
    assert set(train["copy"]) == {0, 1, 2, 3}
    assert len(set(zip(train["pair_id"], train["copy"], strict=True))) == 200
    assert sorted(set(train["weight"]), key=str) == [2.5, None]


def test_rows_are_shuffled_and_copies_lie_apart(tmp_path):
    store = small_store(tmp_path / "store", texts=100, images=50)
    made = put(store, recipe_of(tmp_path, "size = 300\n[sources.talk]\n[sources.look]\n"))
    ids = load(made.root, split="train")["pair_id"][:]
    sources = load(made.root, split="train")["source"][:]
    assert sum(one == other for one, other in pairwise(ids)) < 10  # of 150 pairs, each there twice
    assert 80 < sum(one != other for one, other in pairwise(sources)) < 190  # 133 if sources were drawn by lot
    assert ids != sorted(ids)
    other = put(store, recipe_of(tmp_path, "seed = 5\nsize = 300\n[sources.talk]\n[sources.look]\n"))
    again = load(other.root, split="train")["pair_id"][:]
    assert sum(one == two for one, two in zip(ids, again, strict=True)) < 15, "another seed is another order"


def ranked(store, prompts, answers):
    """Every pair of so many ranked answers to each prompt, all about one picture."""
    writer, rows = MediaWriter(store, "look"), []
    for n in range(prompts):
        media = [writer.add(picture(n))]
        for one, other in combinations(range(answers), 2):
            pair = Pair(prompt=f"What is in {n}?", chosen=f"{n}, {one}", rejected=f"No, {other}", images=["x"])
            rows.append(row("look", len(rows), pair, media))
    store.replace("media", "look", writer.close(), {})
    write(store, "look", rows)


def test_a_picture_that_many_rows_show_is_stored_once_in_a_row_group(tmp_path):
    store = small_store(tmp_path / "store", texts=30, images=0)
    ranked(store, prompts=12, answers=4)
    made = put(store, recipe_of(tmp_path, "[sources.talk]\n[sources.look]\n"))
    (group,) = [pq.read_metadata(made.folder / name).row_group(0) for name in made.files]
    (column,) = [one for one in map(group.column, range(group.num_columns)) if "images" in one.path_in_schema
                 and one.path_in_schema.endswith("bytes")]  # fmt: skip
    once = sum(len(picture(n).data) for n in range(12))
    assert once < column.total_compressed_size < 1.2 * once
    rows = pl.read_parquet(made.folder / made.files[0])
    shown = rows.filter(pl.col("source") == "look")
    numbers = shown["prompt"].list.get(0).struct.field("content").str.extract(r"(\d+)").cast(pl.Int64)
    assert [one[0]["bytes"] for one in shown["images"]] == [picture(n).data for n in numbers]
    assert load(made.root, split="train")[int((rows["source"] == "look").arg_max())]["images"][0].size == (32, 24)
    runs = 1 + sum(one != other for one, other in pairwise(rows["prompt_id"]))
    assert runs == 12 + 30  # the pairs of a prompt lie together where they share a picture
    assert numbers.unique(maintain_order=True).to_list() != sorted(set(numbers))


def test_copies_of_pairs_about_one_picture_lie_apart(tmp_path):
    store = small_store(tmp_path / "store", texts=0, images=0)
    ranked(store, prompts=12, answers=3)
    made = put(store, recipe_of(tmp_path, "size = 108\n[sources.look]\n"))
    rows = pl.read_parquet(made.folder / made.files[0])
    assert rows.select(pl.struct("prompt_id", "copy").rle()).height == 36
    assert rows.select(pl.col("prompt_id").rle()).height > 30
    assert rows["pair_id"].n_unique() == 36


def test_big_mixtures_have_many_shards_and_row_groups_of_bounded_size(tmp_path, monkeypatch):
    monkeypatch.setattr(_shards, "SHARD_BYTES", 30_000)
    monkeypatch.setattr(_shards, "GROUP_BYTES", 8_000)
    monkeypatch.setattr(_scratch, "FILE_ROWS", 7)
    made = put(small_store(tmp_path / "store"), recipe_of(tmp_path, TEXT_AND_IMAGES))
    train = [name for name in made.files if "/train-" in name]
    assert len(train) >= 2
    assert all(f"-of-{len(train):05d}-" in name for name in train)
    for name in made.files:
        meta = pq.ParquetFile(made.folder / name).metadata
        sizes = [meta.row_group(n).total_byte_size for n in range(meta.num_row_groups)]
        assert meta.num_row_groups > 1 or "/train-" not in name
        assert max(sizes) < 16_000
        assert min(meta.row_group(n).num_rows for n in range(meta.num_row_groups)) > 0
        assert file_hash(made.folder / name)[:8] == name[-16:-8]
    assert sum(len(split) for split in load(made.root).values()) == 80


def test_publishing_the_same_again_changes_nothing(tmp_path):
    store, recipe = small_store(tmp_path / "store"), recipe_of(tmp_path, TEXT_AND_IMAGES)
    first = put(store, recipe)
    before = {path: path.stat().st_mtime_ns for path in first.root.rglob("*") if path.is_file()}
    again = put(store, recipe, facts={"code": "c2", "table": "9"})
    assert (first.changed, again.changed, again.version, again.folder) == (True, False, 1, first.folder)
    assert {path: path.stat().st_mtime_ns for path in first.root.rglob("*") if path.is_file()} == before


def test_another_recipe_or_ledger_of_the_same_rows_is_a_version_of_its_own(tmp_path):
    store, recipe = small_store(tmp_path / "store"), recipe_of(tmp_path, TEXT_AND_IMAGES)
    judged = [("one", lambda left, value=value: decisions(left.head(3), "keep", value=value)) for value in (1, 2)]
    first = put(store, recipe, judged[0])
    wider = recipe_of(tmp_path, f"max_copies = 3\n{TEXT_AND_IMAGES}")
    second = put(store, wider, judged[0])
    assert (second.version, second.changed, second.files) == (2, True, first.files)
    assert "max_copies = 3" in (first.root / "README.md").read_text()
    third = put(store, wider, judged[1])
    assert (third.version, third.files) == (3, first.files)
    assert set(pl.read_parquet(third.folder / "ledger.parquet")["value"]) == {2.0}
    remarked = recipe_of(tmp_path, f"# a remark\n{wider.text}")
    assert put(store, remarked, judged[1], facts={"code": "c2"}).changed is False
    assert put(store, recipe, judged[0]).folder == first.folder


def test_a_new_version_stands_beside_the_old_and_going_back_is_a_third(tmp_path):
    store, recipe = small_store(tmp_path / "store"), recipe_of(tmp_path, TEXT_AND_IMAGES)
    first = put(store, recipe)
    second = put(store, recipe, ("one", lambda left: decisions(left.head(5), "drop")))
    assert (second.version, second.changed) == (2, True)
    assert sum(map(len, load(first.root).values())) == 75
    assert sum(map(len, load(first.folder).values())) == 80
    third = put(store, recipe)
    assert (third.version, third.changed, third.folder) == (3, True, first.folder)
    assert newest(first.root) == (3, first.folder)
    assert sum(map(len, load(first.root).values())) == 80
    verify(first.root)


def test_the_manifest_names_every_file_and_no_machine(tmp_path):
    made = put(small_store(tmp_path / "store"), recipe_of(tmp_path, TEXT_AND_IMAGES), plots={"lengths": b"png"})
    text = (made.folder / "manifest.json").read_text()
    manifest = json.loads(text)
    there = {str(path.relative_to(made.folder)) for path in made.folder.rglob("*") if path.is_file()}
    assert set(manifest["files"]) == there - {"manifest.json"}
    assert manifest["rows"] == made.rows
    assert manifest["recipe"] == TEXT_AND_IMAGES
    assert manifest["counts"]["talk"]["kept"] == 60
    assert str(tmp_path) not in text + (made.root / "README.md").read_text()


def test_a_changed_byte_is_found_and_the_next_publication_mends_it(tmp_path):
    store, recipe = small_store(tmp_path / "store"), recipe_of(tmp_path, TEXT_AND_IMAGES)
    made = put(store, recipe)
    for name in (made.files[0], "README.md", "manifest.json"):
        file = made.folder / name
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
        with pytest.raises(PrefmillError, match=Path(name).name):
            mixtures.load(made.root)
        put(store, recipe)
        verify(made.root)
    (made.folder / made.files[0]).unlink()
    with pytest.raises(PrefmillError, match="not readable"):
        verify(made.root)


def test_the_card_counts_rules_names_the_strictest_licence_and_escapes_what_rows_say(tmp_path):
    store = small_store(tmp_path / "store", texts=0)
    evil = text_rows("talk", 3, licence="<script>alert(1)</script> | [x](javascript:1)")
    write(store, "talk", [*evil, *text_rows("talk", 4, 10, licence="CC-BY-NC-4.0"), *text_rows("talk", 5, 20)])
    recipe = recipe_of(tmp_path, "# ``` <b>\n[sources.talk]\n[sources.look]\n[rules.one]\n")
    twins = ("one", lambda left: decisions(left.head(2), "drop", "twin"))
    made = put(store, recipe, twins, facts={"k": "<i>\n# h"}, plots={"lengths": b"png"},
               tables={"Found\nWhat it is.": [{"a_b": "<u>", "n": 1_000, "x": 0.25, "y": None}], "Else\n": [],
                       "Third\nWhat it is.": "the recipe lists no <b>"},
               citations={"talk": "[a](b) <em>"})  # fmt: skip
    card = (made.root / "README.md").read_text()
    assert "| `one` | twin | 2 | 0 |" in card
    assert "| `talk` |  | 12 | 2 | 10 | 10 | 33.3% |" in card
    assert "<script>" not in card
    assert not {"<i>", "<u>", "<em>"} & set(re.findall("<[a-z]+>", card))
    assert (
        "## Found\n\nWhat it is.\n\n| a b | n | x | y |\n|---|---|---|---|\n| &lt;u&gt; | 1,000 | 0.250 |  |"
        in card
    )
    assert "## Else\n\nnone found\n" in card
    assert "## Third\n\nnot measured: the recipe lists no &lt;b&gt;\n" in card
    assert "- `talk`: \\[a\\](b) &lt;em&gt;\n" in card
    assert "## Pairs dropped by source and rule\n\n| source | `one` |\n|---|---|\n| `talk` | 2 |" in card
    assert "\n````toml\n# ``` <b>\n" in card
    assert f"![](versions/{made.folder.name}/plots/lengths.png)" in card
    assert (made.root / "versions" / made.folder.name / "plots" / "lengths.png").read_bytes() == b"png"
    asked = ("read the source's own words |", "no commercial use; name the authors |", "keep the notice |")
    order = [card.index(name) for name in asked]
    assert order == sorted(order)


def test_nothing_left_and_pairs_that_are_gone_are_errors_that_leave_no_trace(tmp_path):
    store, recipe = small_store(tmp_path / "store"), recipe_of(tmp_path, "[sources.talk]\n[sources.look]")
    with pytest.raises(PrefmillError, match="no pair is left"):
        put(store, recipe, ("one", lambda left: decisions(left, "drop")))
    made = planned(store, recipe)
    write(store, "talk", text_rows("talk", 10))
    with pytest.raises(PrefmillError, match="50 rows of the plan are not in pairs"):
        publish(store, "mix", recipe, made, groups=groups(store), facts={})
    assert not [path for path in store.path("published").rglob("*") if path.is_file() or ".tmp" in path.name]
    with pytest.raises(PrefmillError, match="nothing is published"):
        newest(store.path("published", "mix"))


def two_sources(tmp_path):
    """A store in which `late` holds pairs of `talk` too, a recipe and its plan: copies, flips, weights."""
    store = small_store(tmp_path / "store")
    write(store, "late", [{**one, "source": "late"} for one in text_rows("talk", 50, 20)])
    recipe = recipe_of(
        tmp_path, "size = 200\nsplits = { test = 0.2 }\n[sources.talk]\n[sources.late]\n[sources.look]\n"
    )
    steps = (
        ("one", lambda left: decisions(left[0:9], "flip")),
        ("two", lambda left: decisions(left[40:44], "weight", value=2.0)),
    )
    return store, recipe, planned(store, recipe, *steps)


def test_neither_the_order_of_the_plan_nor_that_of_the_store_nor_the_scratch_files_change_a_byte(
    tmp_path, monkeypatch
):
    store, recipe, made = two_sources(tmp_path)
    first = publish(store, "mix", recipe, made, groups=groups(store), facts={})
    monkeypatch.setattr(_scratch, "FILE_ROWS", 11)
    monkeypatch.setattr(_order, "_AT_ONCE", 13)
    mixed = replace(made, rows=made.rows.sample(fraction=1, shuffle=True, seed=5))
    for source in ("talk", "late"):
        held = store.scan("pairs", [source]).collect()
        write(store, source, held.sample(fraction=1, shuffle=True, seed=6).to_dicts())
    again = publish(store, "mix", recipe, mixed, groups=groups(store).reverse(), facts={})
    assert (again.changed, again.folder) == (False, first.folder)


def test_the_rows_of_a_plan_can_be_read_from_where_they_lie(tmp_path):
    store, recipe, made = two_sources(tmp_path)
    first = publish(store, "mix", recipe, made, groups=groups(store), facts={})
    made.rows.write_parquet(tmp_path / "rows.parquet", row_group_size=30)
    without = replace(made, rows=made.rows.clear())
    lie = pl.scan_parquet(tmp_path / "rows.parquet")
    again = publish(store, "mix", recipe, without, rows=lie, groups=groups(store), facts={})
    assert (again.changed, again.folder) == (False, first.folder)
    ledger = pl.read_parquet(first.folder / "ledger.parquet")
    assert ledger.filter(pl.col("rule") == "one")["published_id"].null_count() == 0


def test_a_row_without_a_group_is_an_error(tmp_path):
    store, recipe, made = two_sources(tmp_path)
    lost = made.rows.filter(pl.col("copy") == 0).sort("source", "pair_id").row(0, named=True)
    known = groups(store).filter(pl.col("pair_id") != lost["pair_id"])
    with pytest.raises(PrefmillError, match=f"not in groups, first late {lost['pair_id']}"):
        publish(store, "mix", recipe, made, groups=known, facts={})


SAME_BYTES = """
import sys
sys.path[:0] = ["tests", "."]
from pathlib import Path
import mixtures._shards as shards
from mixtures_made import TEXT_AND_IMAGES, decisions, groups, planned, recipe_of
from mixtures._publish import publish
from pairs.store import Store
shards.SHARD_BYTES, shards.GROUP_BYTES = 40_000, 8_000
store, here = Store(sys.argv[1]), Path(sys.argv[2])
recipe = recipe_of(here, TEXT_AND_IMAGES + "[rules.one]\\n")
made = planned(store, recipe, ("one", lambda left: decisions(left.head(2), "flip")))
print(publish(store, sys.argv[3], recipe, made, groups=groups(store), facts={}).folder.name)
"""


def test_threads_hash_seeds_and_time_zones_change_no_byte(tmp_path):
    small_store(tmp_path / "store")
    names = set()
    for threads, seed, zone in (("1", "0", "UTC"), ("4", "7", "Asia/Tokyo"), ("2", "random", "UTC")):
        settings = {"POLARS_MAX_THREADS": threads, "PYTHONHASHSEED": seed, "TZ": zone, "OMP_NUM_THREADS": threads}
        done = subprocess.run(
            [sys.executable, "-c", SAME_BYTES, tmp_path / "store", tmp_path / f"r{threads}", "mix"],
            cwd=ROOT, env={**os.environ, **settings}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        names.add(done.stdout.strip())
    assert len(names) == 1
    assert len(list((tmp_path / "store/published/mix/commits").iterdir())) == 1
