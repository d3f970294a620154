"""Multimodal sources: the better side is chosen under every label convention, odd shapes are refused by name."""

from __future__ import annotations

import base64
import json
import time
import zipfile

import pytest
from test_sources_adapters import aside, example, made, only

from pairs.errors import BadRow, SetAside
from pairs.schema import Pair
from sources._read import ingest
from sources._shapes import PIXELS_PNG
from sources._turns import pictures_first, unmarked

OTHER_PNG = PIXELS_PNG + b"another"


@pytest.mark.parametrize("name", ["mm_rlhf", "omnialign_v_dpo", "mmpr_v1_2", "spa_vl"])
def test_chosen_columns_are_the_chosen_side(name):
    pair = only(name, chosen="good", rejected="bad")
    assert (pair.chosen, pair.rejected) == ("good", "bad")


def test_chosen_turns_are_the_chosen_side():
    turns = {"chosen": {"from": "gpt", "value": "good"}, "rejected": {"from": "gpt", "value": "bad"}}
    pair = only("mmif_23k", **turns)
    assert (pair.chosen[0]["content"], pair.rejected[0]["content"]) == ("good", "bad")
    assert only("mmif_23k", images="a.jpg").images == ["a.jpg"]
    assert aside("mmif_23k", chosen={"from": "robot", "value": "x"}) == "broken speaker_not_known"
    assert only("hpd_v3", path1="good.jpg", path2="bad.jpg").chosen_images == ["good.jpg"]
    assert only("hpd_v3", confidence=None).source_margin is None


def test_mm_rlhf_sets_videos_and_ties_aside_and_takes_several_pictures():
    assert only("mm_rlhf").prompt == "Which tool lies on the bench?"
    assert only("mm_rlhf", image=["long/a.jpg", "long/b.jpg"]).images == ["long/a.jpg", "long/b.jpg"]
    assert aside("mm_rlhf", is_tie=True) == "set_aside tie"
    row = example("mm_rlhf", video="video/walk_3")
    del row["image"]
    with pytest.raises(SetAside, match="video_prompt"):
        made("mm_rlhf", row)


def test_mm_rlhf_nbest_ranks_by_the_aspects_that_all_answers_have():
    best, middle, worst = example("mm_rlhf_nbest")["models_output"]
    found = [
        (pair.chosen, pair.rejected, pair.source_margin)
        for pair in made("mm_rlhf_nbest", example("mm_rlhf_nbest"))
    ]
    assert found == [(best, middle, 1.0), (best, worst, 3.5), (middle, worst, 2.5)]
    found = made("mm_rlhf_nbest", example("mm_rlhf_nbest", helpfulness=[1, None, 5]))
    assert [type(item) for item in found] == [SetAside, Pair, Pair]  # faithfulness alone: 5, 5 and 1
    assert found[1].chosen_ratings == {"helpfulness": 1.0, "faithfulness": 5.0}
    assert found[2].chosen_ratings == {"helpfulness": None, "faithfulness": 5.0}
    found = made("mm_rlhf_nbest", example("mm_rlhf_nbest", helpfulness=None, faithfulness=[None] * 3))
    assert {item.reason for item in found} == {"score_missing"}
    assert aside("mm_rlhf_nbest", faithfulness="5, 5, 1") == "broken scores_not_listed"
    assert aside("mm_rlhf_nbest", video="video/walk_3") == "set_aside video_prompt"


@pytest.mark.parametrize(
    ("name", "column", "value", "seen"),
    [
        ("mm_rlhf_nbest", "image", "", "image is ''"),
        ("mm_rlhf_nbest", "question", None, "question is None"),
        ("mm_rlhf_nbest", "models_output", [], r"models_output is \[\]"),
        ("mm_rlhf_nbest", "faithfulness", [5, 1], "faithfulness has 2 scores for 3 answers"),
        ("mm_rlhf", "image", [], r"image is \[\]"),
        ("mm_rlhf", "prompt", " ", "prompt is ' '"),
        ("mm_rlhf", "rejected", None, "rejected is None"),
    ],
)
def test_incomplete_rows_of_mm_rlhf_are_set_aside_by_column(name, column, value, seen):
    with pytest.raises(SetAside, match=f"incomplete_row: {seen}"):
        made(name, example(name, **{column: value}))


def test_a_twentieth_of_incomplete_rows_does_not_refuse_mm_rlhf_nbest(store, tmp_path):
    row = example("mm_rlhf_nbest")
    asked = [{**row, "question": f"Which tool is it, {number}?"} for number in range(400)]
    unpictured = {key: value for key, value in row.items() if key != "image"}
    native = [*asked, *[unpictured] * 10, *[{**row, "question": None}] * 12, *[{**row, "helpfulness": [1]}] * 2]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, native)))
    for place in ("short", "long", "mcq", "safety"):
        with zipfile.ZipFile(tmp_path / f"{place}.zip", "w") as archive:
            archive.writestr(f"{place}/000417.jpg", PIXELS_PNG)
    books = ingest(store, "mm_rlhf_nbest", path=str(tmp_path))
    assert (books.pairs, books.broken, books.asides) == (1200, 0, {"incomplete_row": 24})


@pytest.mark.parametrize(
    ("answer", "chosen"), [("<answer>1</answer>", "Five"), ("<answer> 2 </answer>", "Two"), ("1", "Five")]
)
def test_the_tagged_number_of_r1_reward_is_the_better_response(answer, chosen):
    pair = only("r1_reward_rl", answer=[answer])
    assert pair.chosen.startswith(chosen)
    assert {pair.chosen, pair.rejected} == {"Five swans and a boat.", "Two swans."}
    assert pair.prompt == "How many swans are on the lake?"


def test_r1_reward_takes_the_plausible_shapes_and_refuses_others():
    text = "#### [Question]: q <image>\n#### [Response 1]: one\n#### [Response 2]: two\n"
    turns = [{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": text}]}]
    pair = only("r1_reward_rl", message=json.dumps(turns))
    assert (pair.prompt, pair.chosen, pair.rejected) == ("q ", "two", "one")
    coded = base64.b64encode(PIXELS_PNG).decode()
    assert only("r1_reward_rl", image=f"data:image/png;base64,{coded}").images == [PIXELS_PNG]
    assert only("r1_reward_rl", image="long/swans_3.jpg").images == ["long/swans_3.jpg"]
    assert aside("r1_reward_rl", image="abcd!") == "broken image_not_base64"
    for answer in ([], ["3"], ["1", "2"], "both"):
        assert aside("r1_reward_rl", answer=answer) == "broken answer_not_known"
    quoted = [{"role": "user", "content": text.replace("one", "I quote #### [Response 2]: two")}]
    assert aside("r1_reward_rl", message=json.dumps(quoted)) == "broken headings_not_known"
    unmarked_end = [{"role": "user", "content": text + "**Output Format:** 1 or 2"}]
    assert only("r1_reward_rl", message=json.dumps(unmarked_end)) == pair
    assert aside("r1_reward_rl", message="[]") == "broken headings_not_known"


def test_omnialign_takes_question_for_prompt():
    row = example("omnialign_v_dpo", question="<image>\nWhy?", image=["a.jpg"])
    del row["prompt"]
    (pair,) = made("omnialign_v_dpo", row)
    assert (pair.prompt, pair.images, pair.category) == ("Why?", ["a.jpg"], "knowledge")
    assert only("omnialign_v_dpo", prompt=None, question="Why?").prompt == "Why?"
    assert only("omnialign_v_dpo", prompt="Why?", question=None).prompt == "Why?"


def test_mmpr_takes_one_picture_several_or_none():
    assert only("mmpr_v1_2").images == ["images/Geometry/train/triangle_31.png"]
    assert only("mmpr_v1_2", image=["a.png", "b.png"]).images == ["images/Geometry/a.png", "images/Geometry/b.png"]
    meta = {"root": "s3://somewhere/MMPR-v1.2/images/Geometry/"}
    assert only("mmpr_v1_2", meta=meta).images == ["images/Geometry/train/triangle_31.png"]
    assert only("mmpr_v1_2", meta={"root": "Geometry"}).images == ["Geometry/train/triangle_31.png"]
    row = example("mmpr_v1_2")
    del row["image"], row["answer_gt"]
    assert aside("mmpr_v1_2", video="clips/3.mp4") == "set_aside video_prompt"
    (pair,) = made("mmpr_v1_2", row)
    assert (list(pair.images), pair.criterion, pair.label_source) == ([], "overall", "constructed")
    assert (only("mmpr_v1_2").criterion, only("mmpr_v1_2").label_source) == ("correctness", "rule")


BRACKETS = "Question: [What?]\n{} [one]\n{} [two [sic]]\nASSISTANT:\n"
FIRST = BRACKETS.format("The first response:", "The second response:")
NUMBERS = BRACKETS.format("Response 1:", "Response 2:")
ARENA = (
    "<|User Prompt|>\nWhat?\n<|The Start of Assistant A's Answer|>\none\n<|The End of Assistant A's Answer|>\n"
    "<|The Start of Assistant B's Answer|>\ntwo [sic]\n<|The End of Assistant B's Answer|>"
)


@pytest.mark.parametrize(
    ("asked", "judged", "chosen", "margin"),
    [
        (
            BRACKETS.format("The first response:", "The second response:"),
            "The better response: [first]",
            "one",
            None,
        ),
        (BRACKETS.format("Response 1:", "Response 2:"), "The better response: [2]", "two [sic]", None),
        (BRACKETS.format("Response A:", "Response B:"), "So. The better response: [B]", "two [sic]", None),
        (ARENA, "My final verdict is: [[A>B]]", "one", 1.0),
        (ARENA, "[[B>A]]", "two [sic]", 1.0),
        (ARENA, "Not [[A>B]] but [[B>>A]]", "two [sic]", 2.0),
        (FIRST, "The first response is better: it says why.", "one", None),
        (FIRST, "Overall, the second answer is clearly the better one.", "two [sic]", None),
        (FIRST, "Both name it. Thus the better answer is the second response.", "two [sic]", None),
        (NUMBERS, "Response 1 is better than Response 2.", "one", None),
        (NUMBERS, "It is not that the answers are alike.\n**[Response 2]**", "two [sic]", None),
        (NUMBERS, "My verdict: [Response 1].", "one", None),
        (NUMBERS, "Response 2 is better at names.\nThe better response: [Response 1]", "one", None),
        (NUMBERS, "They are equally good at names. The better response: [1]", "one", None),
    ],
)
def test_llava_critic_follows_the_verdict(asked, judged, chosen, margin):
    turns = [{"from": "human", "value": "<image>\n" + asked}, {"from": "gpt", "value": judged}]
    pair = only("llava_critic_113k", conversations=turns)
    assert (pair.prompt, pair.chosen, pair.source_margin) == ("What?", chosen, margin)
    assert {pair.chosen, pair.rejected} == {"one", "two [sic]"}
    assert pair.rationale == judged


@pytest.mark.parametrize(
    ("asked", "judged", "reason"),
    [
        (ARENA, "[[A=B]]", "set_aside tie"),
        (NUMBERS, "[equal]", "set_aside tie"),
        (NUMBERS, "The better response: [tie]", "set_aside tie"),
        (NUMBERS, "Both are equally good, for " + 400 * "they say the same. ", "set_aside tie"),
        (NUMBERS, "Response 1 is better in style. Response 2 is better.", "broken verdict_not_known"),
        (NUMBERS, "The better response: [1]\nThe better response: [2]", "broken verdict_not_known"),
        (NUMBERS, "Response 1 is better in style.", "broken verdict_not_known"),
        (NUMBERS, "Response 1 is not better.", "broken verdict_not_known"),
        (NUMBERS, "[Response 1] is wrong.", "broken verdict_not_known"),
        (NUMBERS, "[Response 1]\nLong.\n[Response 2]\nShort.", "broken verdict_not_known"),
        (BRACKETS.format("Response 1:", "Response 2:"), "Both are equally good.", "set_aside tie"),
        (
            BRACKETS.format("Response 1:", "Response 2:"),
            "The better response: [third]",
            "broken verdict_not_known",
        ),
        (BRACKETS.format("Response 1:", "Response 2:"), "I like the first.", "broken verdict_not_known"),
        ("Which is better?", "The better response: [first]", "broken judge_prompt_not_known"),
    ],
)
def test_llava_critic_names_ties_and_what_it_cannot_read(asked, judged, reason):
    turns = [{"from": "human", "value": asked}, {"from": "gpt", "value": judged}]
    assert aside("llava_critic_113k", conversations=turns) == reason


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        ("[two]\nAnswer in one sentence.", "broken judge_prompt_not_known"),
        ("[two]\nAnswer with [first], [second] or [equal]", "broken response_end_not_clear"),
        ("[two, in [0, 1)]\nAnswer with [first] or [second]", "broken response_end_not_clear"),
        ("[two] Answer with [first] or [second]", "broken response_end_not_clear"),
    ],
)
def test_llava_critic_takes_no_words_of_the_prompt_for_the_second_response(second, reason):
    for end in ("", "\nASSISTANT:\n"):
        asked = f"Question: [What?]\nThe first response: [one]\nThe second response: {second}{end}"
        turns = [{"from": "human", "value": asked}, {"from": "gpt", "value": "The better response: [first]"}]
        assert aside("llava_critic_113k", conversations=turns) == reason


@pytest.mark.parametrize(
    "second", ["x = [\n1,\n2]\nprint(x[0])", "an interval [0, 1)", "cut off \\[ x", "(0, 1) ["]
)
def test_llava_critic_keeps_brackets_of_a_response(second):
    asked = f"Question: [What?]\nThe first response: [one]\nThe second response: [{second}]\nASSISTANT:\n"
    turns = [{"from": "human", "value": asked}, {"from": "gpt", "value": "The better response: [second]"}]
    assert only("llava_critic_113k", conversations=turns).chosen == second


@pytest.mark.parametrize("text", ["Question: [" * 90_000, BRACKETS * 10_000, ":" * 900_000, "]\n" * 400_000])
def test_llava_critic_gives_up_on_hostile_texts_at_once(text):
    asked = example("llava_critic_113k")["conversations"][0]["value"]
    started = time.process_time()
    for human, judge in ((text, "A."), (asked, text)):
        turns = [{"from": "human", "value": human}, {"from": "gpt", "value": judge}]
        assert aside("llava_critic_113k", conversations=turns).startswith("broken ")
    assert time.process_time() - started < 10, "the time grows with the square of the text"


def test_llava_human_preference_counts_outputs_from_one():
    outputs = {"output_1": {"from": "llava", "value": "one"}, "output_2": {"from": "llava", "value": "two"}}
    pair = only("llava_human_preference_10k", preference=1, **outputs)
    assert (pair.chosen, pair.rejected) == ("one", "two")
    assert [turn["role"] for turn in pair.prompt] == ["user", "assistant", "user"]
    wrapped = [example("llava_human_preference_10k")["conversations"]]
    pair = only("llava_human_preference_10k", preference=2, conversations=wrapped, **outputs)
    assert (pair.chosen, pair.rejected) == ("two", "one")
    assert aside("llava_human_preference_10k", preference=0) == "broken label_not_known"
    asked = wrapped[0][:1]
    assert aside("llava_human_preference_10k", conversations=asked) == "broken last_turn_not_the_models"


def test_povid_keeps_the_pictures_name_and_the_shared_prompt():
    pair = only("povid")
    assert pair.images == ["COCO_train2014_000000012345.jpg"]
    assert "two people" in pair.chosen[0]["content"]
    turns = example("povid")["rejected_conversations"]
    turns[0]["value"] = "<image>\nDescribe the square."
    assert aside("povid", rejected_conversations=turns) == "set_aside prompts_differ"


def test_beavertails_v_makes_two_pairs_that_may_oppose_each_other():
    helpful, safe = made("beavertails_v", example("beavertails_v"))
    assert (helpful.criterion, safe.criterion) == ("helpfulness", "harmlessness")
    assert (helpful.chosen, helpful.rejected) == (safe.rejected, safe.chosen)
    assert helpful.chosen == example("beavertails_v")["response_1"]
    assert helpful.chosen_ratings == {"helpful": 2.0, "harmless": -2.0}
    found = made("beavertails_v", example("beavertails_v", more_helpful_response_id=0, safer_response_id=1))
    assert [type(item) for item in found] == [SetAside, Pair]
    assert found[1].chosen == example("beavertails_v")["response_1"]
    with pytest.raises(BadRow, match="rating_not_a_number"):
        made("beavertails_v", example("beavertails_v", safer_response_id="second"))
    with pytest.raises(BadRow, match="label_not_known"):
        made("beavertails_v", example("beavertails_v", safer_response_id=None))


@pytest.mark.parametrize("name", ["wildvision_battle", "visionarena_battle"])
def test_the_winner_of_a_battle_is_chosen(name):
    first, second = (example(name)[f"conversation_{side}"][-1]["content"] for side in "ab")
    pair = only(name, winner="model_a")
    assert (pair.chosen[0]["content"], pair.rejected[0]["content"]) == (first, second)
    assert '"model-a"' in json.dumps(pair.extra["chosen_model"])
    pair = only(name, winner="model_b")
    assert (pair.chosen[0]["content"], pair.rejected[0]["content"]) == (second, first)
    assert pair.prompt[0]["content"].startswith("<image>\n")
    assert aside(name, winner="tie") == aside(name, winner="tie (bothbad)") == "set_aside tie"
    assert aside(name, winner="both") == "broken winner_not_known"


def test_battles_of_several_turns_need_the_same_turns_before_the_last():
    def said(*texts: str) -> list[dict[str, object]]:
        turns = enumerate(texts)
        return [{"role": ("user", "assistant")[n % 2], "content": text, "num_tokens": n} for n, text in turns]

    same = {"conversation_a": said("q", "r", "q2", "one"), "conversation_b": said("q", "r", "q2", "two")}
    same["conversation_b"][0]["num_tokens"] = 9
    pair = only("visionarena_battle", **same)
    assert [turn["content"] for turn in pair.prompt] == ["<image>\nq", "r", "q2"]
    wrapped = {key: [[turn] for turn in turns] for key, turns in same.items()}
    assert only("visionarena_battle", **wrapped) == pair
    differ = {**same, "conversation_b": said("q", "another", "q2", "two")}
    assert aside("visionarena_battle", **differ) == "set_aside prompts_differ"
    unanswered = {**same, "conversation_b": said("q", "r", "q2")}
    assert aside("visionarena_battle", **unanswered) == "set_aside last_turn_not_the_assistants"
    assert aside("visionarena_battle", conversation_a=[]) == "set_aside last_turn_not_the_assistants"


def test_pickapic_chooses_by_the_label_and_sets_the_rest_aside():
    assert only("pickapic_v2", label_0=1.0, label_1=0.0).chosen_images == [PIXELS_PNG]
    pair = only("pickapic_v2", label_0=0.0, label_1=1.0)
    assert (pair.chosen_images, pair.rejected_images) == ([OTHER_PNG], [PIXELS_PNG])
    assert (pair.extra["chosen_uid"], pair.extra["rejected_model"]) == ("b2", "model-a")
    assert aside("pickapic_v2", label_0=0.5, label_1=0.5) == "set_aside tie"
    assert aside("pickapic_v2", has_label=False) == "set_aside no_label"
    assert aside("pickapic_v2", are_different=False) == "set_aside same_picture"
    assert aside("pickapic_v2", label_0=1.0, label_1=1.0) == "broken label_not_known"


def test_hpd_v2_reads_votes_and_ranks():
    assert only("hpd_v2", human_preference=[1, 0], file_path=["a", "b"]).chosen_images == ["a"]
    assert only("hpd_v2", human_preference=[0, 1], file_path=["a", "b"]).chosen_images == ["b"]
    assert aside("hpd_v2", human_preference=[1, 1]) == "set_aside tie"
    assert aside("hpd_v2", human_preference=[2, 0]) == "broken label_not_known"
    row = {"prompt": "p", "image_path": ["a", "b", "c", "d"], "rank": [2.5, 1, 3, 3], "raw_annotations": []}
    found = made("hpd_v2", row)
    sides = [(p.chosen_images[0], p.rejected_images[0], p.source_margin) for p in found if isinstance(p, Pair)]
    assert sides == [("b", "a", 1.5), ("a", "c", 0.5), ("a", "d", 0.5), ("b", "c", 2.0), ("b", "d", 2.0)]
    assert [item.reason for item in found if isinstance(item, SetAside)] == ["tie"]
    with pytest.raises(ValueError, match="shorter"):
        made("hpd_v2", {**row, "rank": [1, 2]})


def test_rank_one_of_imagereward_is_the_best_in_both_forms():
    (pair,) = made("imagereward_db", example("imagereward_db"))
    assert (pair.chosen_images, pair.source_margin) == (["images/train/train_1/0017_1.webp"], 1.0)
    assert pair.chosen_ratings["overall_rating"] > pair.rejected_ratings["overall_rating"]
    row = {"id": "1-2", "prompt": "p", "generations": ["a", "b", "c"], "ranking": [2, 1, 2]}
    found = made("imagereward_db", {"rows": [row]})
    assert [type(item) for item in found] == [Pair, SetAside, Pair]
    assert (found[0].chosen_images, found[0].rejected_images) == (["b"], ["a"])
    for rank in (0, 1.5, True, None):
        with pytest.raises(BadRow, match="rank_not_known"):
            made("imagereward_db", {"rows": [{**row, "ranking": [rank, 1, 2]}]})
    group = example("imagereward_db")
    with pytest.raises(BadRow, match="group_not_whole"):
        made("imagereward_db", {"rows": group["rows"][:1]})


def test_marks_go_before_the_first_user_turn_once():
    turns = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "q"},
        {"role": "user", "content": "r"},
    ]
    assert [turn["content"] for turn in pictures_first(turns, 2)] == ["s", "<image>\n<image>\nq", "r"]
    assert pictures_first(pictures_first(turns, 1), 1) == pictures_first(turns, 1)
    assert unmarked("<image>\nWhere is <image> this?<image>") == "Where is this?"


def test_videos_of_one_prompt_are_compared_scale_by_scale():
    first, second = example("videofeedback")["rows"]
    (found,) = [pair for pair in made("videofeedback", example("videofeedback")) if isinstance(pair, Pair)]
    assert (found.criterion, found.source_margin) == ("visual quality", 2.0)
    assert found.chosen_images == first["images"]
    assert found.rejected_images == second["images"]
    better = [first, {**second, "dynamic degree": "4"}]
    found = [one for one in made("videofeedback", {"rows": better}) if isinstance(one, Pair)]
    opposed = {pair.criterion: pair.chosen_images for pair in found}
    assert opposed == {"visual quality": first["images"], "dynamic degree": second["images"]}
    unscored = [first, {**second, "visual quality": None, "dynamic degree": "N/A"}]
    asides = [item.reason for item in made("videofeedback", {"rows": unscored})]
    assert asides == ["score_missing", "tie", "score_missing", "tie", "tie"]
    with pytest.raises(SetAside, match="no other video"):
        made("videofeedback", {"rows": [first]})


def test_the_label_of_mj_benchs_alignment_is_the_index_of_the_better_picture():
    row = example("mj_bench_alignment")
    for label in (0, 1):
        (pair,) = made("mj_bench_alignment", {**row, "label": label})
        assert pair.chosen_images == [row[f"image{label}"]["bytes"]]
        assert pair.rejected_images == [row[f"image{1 - label}"]["bytes"]]
    with pytest.raises(BadRow, match="expected 0 or 1"):
        made("mj_bench_alignment", {**row, "label": "0"})
