"""Benchmarks: the better side, what an official metric needs to find rows again, the counts of real files."""

from __future__ import annotations

import copy
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sources
from pairs.errors import BadRow, SourceChanged
from pairs.media import encode_image
from pairs.schema import Pair
from sources._read import ingest
from sources._shapes import PIXELS_PNG


def example(name: str, **changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(sources.load(name).source.example), **changes}


def made(name: str, **changes: Any) -> list[Pair]:
    found = list(sources.load(name).pairs(example(name, **changes)))
    assert all(isinstance(pair, Pair) for pair in found)
    return found


def sides(name: str, **changes: Any) -> tuple[Any, Any]:
    (pair,) = made(name, **changes)
    return pair.chosen, pair.rejected


def refused(name: str, **changes: Any) -> str:
    with pytest.raises(BadRow) as caught:
        made(name, **changes)
    return f"{caught.value.kind} {caught.value.reason}"


def test_every_benchmark_stays_out_of_mixtures():
    ours = """vl_rewardbench multimodal_rewardbench mm_rlhf_rewardbench rewardbench rewardbench_2 rm_bench
        judgebench m_rewardbench rewardmath auto_j evalbiasbench rag_rewardbench rmb_pairwise llmbar mj_bench
        mj_bench_alignment mj_bench_hub"""
    assert {sources.load(name).source.role for name in ours.split()} == {"benchmark"}


def test_rank_0_of_vl_rewardbench_is_the_better_response():
    assert sides("vl_rewardbench", response=["one", "two"], human_ranking=[0, 1]) == ("one", "two")
    assert sides("vl_rewardbench", response=["one", "two"], human_ranking=[1, 0]) == ("two", "one")
    for ranking in ([0, 0], [1, 2], [0], None, "01"):
        assert refused("vl_rewardbench", human_ranking=ranking) == "broken ranking_not_known"


@pytest.mark.parametrize(
    ("row_id", "group"),
    [
        ("hallucination_pair-1003", "hallucination"),
        ("RLAIF-V-4711", "hallucination"),
        ("RLHF-V-12", "hallucination"),
        ("mathverse_80", "reasoning"),
        ("mmmu-val_3", "reasoning"),
        ("wildvision_chat-7", "general"),
        ("LRVInstruction-000", "general"),
    ],
)
def test_vl_rewardbench_groups_by_the_beginning_of_the_id(row_id, group):
    assert made("vl_rewardbench", id=row_id)[0].category == group


def test_multimodal_rewardbench_follows_better_and_splits_two_areas():
    assert sides("multimodal_rewardbench", Output1="one", Output2="two", Better="Output1") == ("one", "two")
    assert sides("multimodal_rewardbench", Output1="one", Output2="two", Better="Output2") == ("two", "one")
    assert refused("multimodal_rewardbench", Better="A") == "broken label_not_known"
    assert refused("multimodal_rewardbench", Text=None) == "broken text_not_filled"
    for wrong in ("Knowledge", "open_generation", None):
        assert refused("multimodal_rewardbench", Category=wrong) == "broken category_not_known"
    parts = {
        ("reasoning", "mathvista_1"): "math",
        ("reasoning", "emma_1"): "coding",
        ("safety", "pairs_1"): "bias",
        ("safety", "memes_1"): "toxicity",
        ("vqa", "math_1"): None,
    }
    for (category, row_id), part in parts.items():
        assert made("multimodal_rewardbench", ID=row_id, Category=category)[0].extra["part"] == part


def test_mm_rlhf_rewardbench_reads_pictures_and_sets_videos_aside():
    assert sides("mm_rlhf_rewardbench", chosen="one", rejected="two") == ("one", "two")
    assert made("mm_rlhf_rewardbench", image="safety/x.png.png")[0].category == "safety"
    assert refused("mm_rlhf_rewardbench", image="other/x.png") == "broken category_not_known"
    assert refused("mm_rlhf_rewardbench", video="video/abc", image=None) == "set_aside video_prompt"


def test_every_subset_of_rewardbench_has_its_section():
    llmbar = "llmbar-natural llmbar-adver-neighbor llmbar-adver-GPTInst llmbar-adver-GPTOut llmbar-adver-manual"
    sections = {
        "Chat": "alpacaeval-easy alpacaeval-length alpacaeval-hard mt-bench-easy mt-bench-med",
        "Chat Hard": f"mt-bench-hard {llmbar}",
        "Safety": "refusals-dangerous refusals-offensive xstest-should-refuse xstest-should-respond donotanswer",
        "Reasoning": "math-prm hep-cpp hep-go hep-java hep-js hep-python hep-rust",
    }
    for section, subsets in sections.items():
        for subset in subsets.split():
            assert made("rewardbench", subset=subset)[0].extra["section"] == section
    assert sides("rewardbench", chosen="one", rejected="two") == ("one", "two")
    assert refused("rewardbench", subset="donotAnswer") == "broken subset_not_known"


def test_a_row_of_rewardbench_2_is_one_right_answer_against_three():
    found = made("rewardbench_2", chosen=["right"], rejected=["x", "y", "z"])
    assert [(pair.chosen, pair.rejected) for pair in found] == [("right", "x"), ("right", "y"), ("right", "z")]
    assert [pair.extra["rejected_positions"] for pair in found] == [[0], [1], [2]]
    assert {pair.extra["group"] for pair in found} == {"4711"}


def test_ties_of_rewardbench_2_pair_every_right_answer_with_every_wrong_one():
    ties = {"subset": "Ties", "id": "tied:3", "num_correct": 2, "num_incorrect": 3}
    found = made("rewardbench_2", chosen=["a", "b"], rejected=["x", "y", "x "], **ties)
    assert [(pair.chosen, pair.rejected) for pair in found] == [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]
    assert found[0].extra["rejected_positions"] == [0, 2]
    assert refused("rewardbench_2", num_correct=2) == "broken counts_differ"
    assert refused("rewardbench_2", chosen="right") == "broken completions_not_lists"


def test_rm_bench_makes_nine_pairs_and_keeps_the_styles():
    found = made("rm_bench", chosen=["c0", "c1", "c2"], rejected=["r0", "r1", "r2"])
    cells = [(pair.extra["chosen_styles"], pair.extra["rejected_styles"]) for pair in found]
    assert cells == [([i], [j]) for i in range(3) for j in range(3)]
    assert all(pair.chosen == f"c{i[0]}" and pair.rejected == f"r{j[0]}"
               for pair, (i, j) in zip(found, cells, strict=True))  # fmt: skip
    assert refused("rm_bench", chosen=["c0", "c1"]) == "broken styles_not_three"
    assert refused("rm_bench", _file="total_filtered.json") == "broken domain_not_known"


def test_equal_styles_of_rm_bench_share_a_pair_and_none_is_lost():
    found = made("rm_bench", chosen=["c0", "same", "same"], rejected=["r0", "r1", "r2"])
    assert len(found) == 6
    cells = {(i, j) for pair in found for i in pair.extra["chosen_styles"] for j in pair.extra["rejected_styles"]}
    assert len(cells) == 9


def test_both_files_of_safety_are_one_domain_of_rm_bench_with_ids_apart():
    one, two = (made("rm_bench", _file=f"safety-{part}_filtered.json")[0] for part in ("refuse", "response"))
    assert one.category == two.category == "safety"
    assert one.extra["group"] != two.extra["group"]


def test_judgebench_keeps_the_label_because_a_tie_counts_as_b():
    assert sides("judgebench", response_A="one", response_B="two", label="A>B") == ("one", "two")
    assert sides("judgebench", response_A="one", response_B="two", label="B>A") == ("two", "one")
    assert made("judgebench", label="A>B")[0].extra["label"] == "A>B"
    assert made("judgebench", source="livebench-math")[0].category == "livebench-math"
    assert made("judgebench")[0].category == "mmlu-pro"
    assert refused("judgebench", label="A=B") == "broken label_not_known"


def test_m_rewardbench_keeps_language_section_and_id():
    (pair,) = made("m_rewardbench", chosen="one", rejected="two")
    assert (pair.chosen, pair.rejected, pair.language) == ("one", "two", "deu_Latn")
    assert (pair.category, pair.extra["section"], pair.extra["id"]) == ("llmbar-natural", "Chat Hard", 4711)


def test_a_subset_that_no_section_of_m_rewardbench_counts_is_refused():
    assert refused("m_rewardbench", source="alpacaeval-extra") == "broken subset_not_known"


def test_rewardmath_sets_one_right_solution_against_all_wrong_ones():
    right, wrong = example("rewardmath")["rows"]
    rows = [wrong, right, {**wrong, "id": 2, "eval_solution": ["Guess: 15."]}, {**wrong, "id": 3}]
    found = made("rewardmath", rows=rows)
    assert [pair.chosen for pair in found] == ["First $3 \\cdot 4 = 12$.\nThen $2 + 12 = \\boxed{14}$."] * 2
    assert [pair.extra["rejected_ids"] for pair in found] == [[1, 3], [2]]
    assert refused("rewardmath", rows=[wrong, wrong]) == "broken not_one_right"
    assert refused("rewardmath", rows=[right, {**right, "id": 5}, wrong]) == "broken not_one_right"
    assert refused("rewardmath", rows=[right, {**wrong, "eval_solution": "text"}]) == "broken steps_not_a_list"
    assert refused("rewardmath", rows=[right, {**wrong, "solution_type": "neither"}]).endswith("type_not_known")


def test_label_0_of_auto_j_is_the_first_response_and_2_a_tie():
    responses = {"response 1": "one", "response 2": "two"}
    assert sides("auto_j", label=0, **responses) == ("one", "two")
    assert sides("auto_j", label=1, **responses) == ("two", "one")
    assert refused("auto_j", label=2) == "set_aside tie"
    assert refused("auto_j", label=True) == refused("auto_j", label="0") == "broken label_not_known"


def test_label_1_of_evalbiasbench_is_the_first_response():
    assert sides("evalbiasbench", response1="one", response2="two", label=1) == ("one", "two")
    assert sides("evalbiasbench", response1="one", response2="two", label=2) == ("two", "one")
    assert refused("evalbiasbench", label=0) == "broken label_not_known"


def test_three_parts_of_mj_bench_on_the_hub_are_splits_and_criteria_and_bias_is_none(store, tmp_path):
    row = {key: value for key, value in example("mj_bench_hub").items() if key != "_file"}
    (tmp_path / "data").mkdir()
    for label, part in enumerate(("alignment", "bias", "quality", "safety")):
        native = {**row, "caption": f"A fox, {part}.", "label": label % 2}
        pq.write_table(pa.Table.from_pylist([native]), tmp_path / "data" / f"{part}-00000-of-00001.parquet")
    books = ingest(store, "mj_bench_hub", path=str(tmp_path))
    assert (books.rows, books.pairs, books.asides, books.new_columns) == (3, 3, {}, [])
    told = ("source_split", "criterion", "category", "label_source", "modality")
    assert sorted(store.scan("pairs", ["mj_bench_hub"]).select(told).collect().iter_rows()) == [
        ("alignment", "alignment", "alignment", "human", "to_image"),
        ("quality", "quality", "quality", "constructed", "to_image"),
        ("safety", "safety", "safety", "human", "to_image"),
    ]
    pictures = [row["image0"]["bytes"], row["image1"]["bytes"]]
    (pair,) = made("mj_bench_hub", label=1)
    assert (pair.rejected_images, pair.chosen_images) == ([pictures[0]], [pictures[1]])
    assert ingest(store, "mj_bench_alignment", path=str(tmp_path)).pairs == 1


# Rows, pairs and findings of the real files.
REAL = {
    "auto_j": ("prometheus-eval", 1392, 1017, {"tie": 373, "identical_completions": 1, "empty_completion": 1}),
    "evalbiasbench": ("evalbiasbench", 80, 80, {}),
    "judgebench": ("judgebench", 350, 350, {}),
    "rewardmath": ("rewardmath", 2, 18, {}),
    "rm_bench": ("rm-bench", 641, 5646, {}),
}


@pytest.mark.real
@pytest.mark.parametrize("name", REAL)
def test_real_benchmark_files_become_exactly_these_pairs(name, store, real_data):
    folder, rows, pairs, asides = REAL[name]
    books = ingest(store, name, path=str(real_data / folder))
    assert (books.rows, books.pairs, books.asides, books.new_columns) == (rows, pairs, asides, [])


@pytest.mark.real
def test_every_cell_of_the_real_rm_bench_can_be_found_again(store, real_data):
    ingest(store, "rm_bench", path=str(real_data / "rm-bench"))
    cells = defaultdict(set)
    for extra in map(json.loads, store.scan("pairs", ["rm_bench"]).collect()["extra"]):
        cells[extra["group"]] |= {(i, j) for i in extra["chosen_styles"] for j in extra["rejected_styles"]}
    assert len(cells) == 641
    assert all(len(found) == 9 for found in cells.values())


@pytest.mark.real
def test_an_always_equal_scorer_gets_the_published_share_of_judgebench(store, real_data):
    ingest(store, "judgebench", path=str(real_data / "judgebench"))
    frame = store.scan("pairs", ["judgebench"]).collect()
    labels = Counter(json.loads(extra)["label"] for extra in frame["extra"])
    assert labels == {"A>B": 193, "B>A": 157}
    assert dict(frame["category"].value_counts().iter_rows()) == {
        "mmlu-pro": 154, "livebench-reasoning": 98, "livebench-math": 56, "livecodebench": 42
    }  # fmt: skip


def _draw(paths: set[str], root: Path) -> None:
    """A picture of its own for every path of a benchmark whose pictures are not at hand."""
    for number, path in enumerate(sorted(paths)):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, (8, 8, 3), dtype=np.uint8)
        (root / path).write_bytes(encode_image(pixels, "PNG"))


@pytest.mark.real
def test_rows_of_vl_rewardbench_as_json_lines_fall_into_its_groups(store, real_data, tmp_path):
    text = (real_data / "vl-rewardbench" / "data.jsonl").read_text()
    (tmp_path / "data.jsonl").write_text(text)
    _draw({row["image"] for row in map(json.loads, text.splitlines())}, tmp_path)
    books = ingest(store, "vl_rewardbench", path=str(tmp_path))
    assert (books.rows, books.pairs, books.asides, books.new_columns) == (941, 941, {}, [])
    groups = store.scan("pairs", ["vl_rewardbench"]).collect()["category"].value_counts()
    assert dict(groups.iter_rows()) == {"hallucination": 574, "reasoning": 239, "general": 128}


def test_vl_rewardbench_without_the_columns_of_either_form_is_refused(store, tmp_path):
    rows = [{"id": f"RLHF-{n}", "image": "a.png", "question": "q", "good": "a", "bad": "b"} for n in range(20)]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(SourceChanged, match=r"missing_column .*'human_ranking' is not in the row"):
        ingest(store, "vl_rewardbench", path=str(tmp_path))


@pytest.mark.real
def test_mm_rlhf_rewardbench_has_the_published_questions_per_category(store, real_data, tmp_path):
    text = (real_data / "mm-rlhf-rewardbench" / "mm_reward_bench.jsonl").read_text()
    (tmp_path / "native").mkdir()
    (tmp_path / "native" / "mm_reward_bench.jsonl").write_text(text)
    _draw({row["image"] for row in map(json.loads, text.splitlines()) if "image" in row}, tmp_path / "native")
    books = ingest(store, "mm_rlhf_rewardbench", path=str(tmp_path / "native"))
    assert (books.rows, books.pairs, books.asides) == (170, 145, {"video_prompt": 25})
    frame = store.scan("pairs", ["mm_rlhf_rewardbench"]).collect()
    questions = defaultdict(set)
    for category, extra in frame.select("category", "extra").iter_rows():
        questions[category].add(json.loads(extra)["group"])
    assert dict(frame["category"].value_counts().iter_rows()) == {"mcq": 42, "long": 37, "short": 34, "safety": 32}
    assert {category: len(ids) for category, ids in questions.items()} == {
        "mcq": 10,
        "long": 10,
        "short": 10,
        "safety": 6,
    }


def test_pictures_of_multimodal_rewardbench_lie_below_data_or_beside_it(store, tmp_path):
    row = example("multimodal_rewardbench")
    for place in ("", "data"):
        root = tmp_path / f"root_{place}"
        picture = root / place / row["Image"]
        picture.parent.mkdir(parents=True)
        picture.write_bytes(PIXELS_PNG)
        (root / "data").mkdir(exist_ok=True)
        (root / "data" / "all_data.json").write_text(json.dumps([row]))
        assert ingest(store, "multimodal_rewardbench", path=str(root)).pairs == 1
