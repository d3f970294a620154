"""Text sources whose sides are whole conversations: the prompt is told once, scores agree with the label."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_sources_adapters import aside, example, made, only
from test_sources_text import sides, talk

import sources
from sources import ultrafeedback
from sources._read import ingest
from sources._sides import margin

LISTS = [
    "magpie_dpo",
    "olmo2_mix",
    "olmo2_mix_13b",
    "olmo2_mix_7b",
    "skywork_80k_v0_2",
    "tulu3_if",
    "tulu3_if_8b",
    "tulu3_mix",
    "tulu3_mix_405b",
    "tulu3_mix_70b",
    "tulu3_personas_if",
    "tulu3_wildchat_ultrafeedback",
    "ultrafeedback_binarized",
    "ultrafeedback_cleaned",
]


@pytest.mark.parametrize("name", LISTS)
def test_the_chosen_list_is_the_chosen_side_and_the_prompt_is_told_once(name):
    pair = only(name, chosen=talk("q", "a", "r", "good"), rejected=talk("q", "a", "r", "bad"))
    assert sides(pair) == ("good", "bad")
    assert pair.prompt == talk("q", "a", "r")


@pytest.mark.parametrize("name", LISTS)
def test_lists_that_part_before_the_last_reply_are_set_aside(name):
    assert aside(name, chosen=talk("q", "good"), rejected=talk("Q", "bad")) == "set_aside prompts_differ"
    unanswered = aside(name, chosen=talk("q", "a", "r"), rejected=talk("q", "a", "r"))
    assert unanswered == "set_aside last_turn_not_the_assistants"


@pytest.mark.parametrize(
    ("name", "high", "low"),
    [
        ("ultrafeedback_binarized", "score_chosen", "score_rejected"),
        ("ultrafeedback_cleaned", "chosen-rating", "rejected-rating"),
        ("olmo2_mix", "chosen_rating", "rejected_rating"),
        ("olmo2_mix_7b", "chosen_rating", "rejected_rating"),
        ("tulu3_if", "chosen_rating", "rejected_rating"),
        ("tulu3_if_8b", "chosen_rating", "rejected_rating"),
        ("tulu3_mix_405b", "chosen_rating", "rejected_rating"),
    ],
)
def test_scores_beside_a_label_give_the_margin_or_speak_against_the_row(name, high, low):
    assert only(name, **{high: 4.0, low: 1.5}).source_margin == 2.5
    assert only(name, **{high: None, low: 1.5}).source_margin is None
    assert aside(name, **{high: 4, low: 4.0}) == "set_aside tie"
    assert aside(name, **{high: 1.5, low: 4.0}) == "set_aside scores_oppose_label"
    for wrong in ("4", True, float("nan")):
        assert aside(name, **{high: wrong, low: 1.5}).startswith("broken chosen_")


def test_mixtures_without_ratings_have_no_margin():
    row = example("olmo2_mix")
    for column in ("prompt", "chosen_rating", "rejected_rating", "chosen_model", "rejected_model"):
        del row[column]
    (pair,) = made("olmo2_mix", row)
    assert pair.source_margin is None
    assert only("tulu3_if").source_margin is None
    assert margin(None, 1.0, "x") is margin(1.0, None, "x") is None


def test_every_mixture_of_tulu_and_olmo_is_read_from_its_own_repository(store, tmp_path):
    names = [name for name in LISTS if name.startswith(("olmo2", "tulu3"))]
    repos = {sources.load(name).source.repo for name in names}
    assert len(repos) == len(names) == 10
    for name in names:
        folder = tmp_path / name / "data"
        folder.mkdir(parents=True)
        row = {key: value for key, value in example(name).items() if key != "_file"}
        part = "wildchat_unused" if name == "tulu3_wildchat_ultrafeedback" else "train"
        pq.write_table(pa.Table.from_pylist([row]), folder / f"{part}-00000-of-00001.parquet")
        books = ingest(store, name, path=str(tmp_path / name))
        assert (books.pairs, books.asides, books.new_columns) == (1, {}, [])
    extra = store.scan("pairs", ["tulu3_personas_if"]).collect()["extra"][0]
    assert json.loads(extra)["chonsen_model"] == "model-a"


def test_facts_of_a_file_and_of_a_part_are_kept():
    assert only("tulu3_wildchat_ultrafeedback").category == "wildchat_unused"
    assert only("skywork_80k_v0_2").label_source is None
    assert only("skywork_80k_v0_2", source="HelpSteer2").label_source == "human"


def test_magpie_finds_the_scores_of_both_sides_among_the_five():
    pair = only("magpie_dpo")
    assert pair.source_margin == pytest.approx(0.08)
    assert (pair.chosen_ratings, pair.rejected_ratings) == ({"armorm": 0.16}, {"armorm": 0.08})
    assert only("magpie_dpo", chosen=talk("q", "new"), rejected=talk("q", "12 cm.")).source_margin is None
    swapped = example("magpie_dpo")
    chosen, rejected = swapped["rejected"], swapped["chosen"]
    assert aside("magpie_dpo", chosen=chosen, rejected=rejected) == "set_aside scores_oppose_label"
    with pytest.raises(ValueError, match="shorter"):
        made("magpie_dpo", example("magpie_dpo", rewards_armorm=[{"score": 1.0}]))


def test_the_hard_cut_keeps_the_widest_pair_of_an_instruction():
    row = example("ultrafeedback_hard")
    middle = {**row["completions"][0], "model": "model-c", "response": "Mulch.", "overall_score": 6.0}
    row["completions"].insert(1, middle)
    assert len(made("ultrafeedback", row)) == 3
    (pair,) = made("ultrafeedback_hard", row)
    assert sides(pair) == ("Mulch the beds, water at dawn and collect the rain.", "Water less.")
    assert pair.source_margin == 4.5
    twin = {**row["completions"][0], "response": "as good as the first"}
    row["completions"] = [twin, *row["completions"]]
    assert sides(made("ultrafeedback_hard", row)[0])[0] == "as good as the first"
    row["completions"] = [twin, {**twin, "response": "just as good"}]
    assert [item.reason for item in made("ultrafeedback_hard", row)] == ["tie"]
    assert list(ultrafeedback.pairs(example("ultrafeedback"))) == made(
        "ultrafeedback_hard", example("ultrafeedback")
    )


@pytest.mark.real
def test_magpie_scores_of_real_rows_are_found(real_data):
    rows = json.loads((real_data / "magpie" / "example_instructions_5res_armorm.json").read_text())
    for row in rows:
        scores = [reward["score"] for reward in row["rewards_armorm"]]
        best, worst = (row["responses"][scores.index(pick(scores))] for pick in (max, min))
        asked = row["instruction"]
        (pair,) = made("magpie_dpo", {**row, "chosen": talk(asked, best), "rejected": talk(asked, worst)})
        assert pair.source_margin == pytest.approx(max(scores) - min(scores))
