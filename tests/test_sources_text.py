"""Text sources: the better side is chosen under every label convention, odd shapes are refused by name."""

from __future__ import annotations

import gzip
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_sources_adapters import aside, example, made, only

import sources
from pairs.errors import BadRow, SetAside
from pairs.schema import Pair
from sources import hh_rlhf
from sources._read import ingest
from sources._sides import marked_turns

START = "\n\nHuman: How?\n\nAssistant: So."
PIECES = ["\n\nHuman: ", "\n\nAssistant: ", "\n\nHuman:", "\n\nAssistant:", "\n", " ", "So.", "Human: "]


def talk(*said: str) -> list[dict[str, str]]:
    """A conversation that the user opens."""
    return [{"role": ("user", "assistant")[turn % 2], "content": text} for turn, text in enumerate(said)]


def sides(pair: Pair) -> tuple[str, str]:
    """Chosen and rejected as bare texts."""
    chosen, rejected = (
        side if isinstance(side, str) else side[-1]["content"] for side in (pair.chosen, pair.rejected)
    )
    return chosen, rejected


def rated(response: str, helpfulness: object, **changes: object) -> dict[str, object]:
    return {**example("helpsteer2")["rows"][0], "response": response, "helpfulness": helpfulness, **changes}


def test_helpsteer2_pairs_neighbours_by_helpfulness():
    pair = only("helpsteer2", rows=[rated("bad", 1), rated("good", 4)])
    assert (sides(pair), pair.source_margin, pair.criterion) == (("good", "bad"), 3, "helpfulness")
    assert pair.chosen_ratings["verbosity"] == 1
    assert aside("helpsteer2", rows=[rated("one", 2), rated("two", 2)]) == "set_aside tie"
    assert aside("helpsteer2", rows=[rated("alone", 2)]) == "set_aside single_completion"
    for wrong in (5, -1, 2.5, "4", True, None):
        assert aside("helpsteer2", rows=[rated("one", wrong), rated("two", 2)]) == "broken rating_not_known"


def test_helpsteer2_tells_turns_from_their_marks():
    assert only("helpsteer2").prompt == talk("A river?", "The Danube.", "Where does it end?")
    plain = only("helpsteer2", rows=[rated("a", 1, prompt="Tell."), rated("b", 2, prompt="Tell.")])
    assert plain.prompt == talk("Tell.")
    ended = "q\n<extra_id_1>Assistant\na"
    rows = [rated("a", 1, prompt=ended), rated("b", 2, prompt=ended)]
    assert aside("helpsteer2", rows=rows) == "broken last_turn_not_the_users"


def test_helpsteer2_reads_two_native_rows_as_one(store, tmp_path):
    rows = [rated("good", 4), rated("bad", 0), rated("x", 1, prompt="alone"), rated("y", 3, prompt="other")]
    rows.append(rated("z", 2, prompt="other"))
    with gzip.open(tmp_path / "train.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    books = ingest(store, "helpsteer2", path=str(tmp_path), splits=["train"])
    assert (books.rows, books.pairs, books.asides) == (3, 2, {"single_completion": 1})


@pytest.mark.parametrize(
    ("name", "column", "first", "second"),
    [
        ("helpsteer2_preference", "preference_strength", "response_1", "response_2"),
        ("helpsteer3", "overall_preference", "response1", "response2"),
    ],
)
def test_a_preference_below_zero_is_for_the_first_response(name, column, first, second):
    texts = {first: "first", second: "second"}
    pair = only(name, **texts, **{column: -2})
    assert (sides(pair), pair.source_margin) == (("first", "second"), 2)
    pair = only(name, **texts, **{column: 1})
    assert (sides(pair), pair.source_margin) == (("second", "first"), 1)
    assert aside(name, **{column: 0}) == "set_aside tie"
    for wrong in (4, -4, 1.0, "1", True, None):
        assert aside(name, **{column: wrong}) == "broken preference_not_known"


def test_an_annotator_of_helpsteer3_may_give_no_reason_or_be_missing():
    first, second = example("helpsteer3")["individual_preference"]
    pair = only("helpsteer3", individual_preference=[{**first, "reasoning": None}, {**second, "score": None}])
    assert (pair.rationale, pair.extra["scores"]) == (second["reasoning"], [-3, None])
    pair = only("helpsteer3", individual_preference=None)
    assert (pair.rationale, pair.extra["scores"]) == ("", [])


def test_helpsteer2_preference_keeps_validation_rows_out_of_training():
    assert aside("helpsteer2_preference", split="val") == "set_aside validation_row"
    assert aside("helpsteer2_preference", split="dev") == "broken split_not_known"


@pytest.mark.parametrize(("better", "safer"), [(0, 1), (1, 0), (0, 0), (1, 1)])
def test_pku_saferlhf_is_two_pairs_with_indices_from_zero(better, safer):
    row = example(
        "pku_saferlhf", response_0="zero", response_1="one", better_response_id=better, safer_response_id=safer
    )
    helpful, harmless = made("pku_saferlhf", row)
    assert (helpful.criterion, harmless.criterion) == ("helpfulness", "harmlessness")
    assert sides(helpful) == (("zero", "one"), ("one", "zero"))[better]
    assert sides(harmless) == (("zero", "one"), ("one", "zero"))[safer]
    assert harmless.chosen_ratings == {"safe": float(safer)}
    assert harmless.extra["rejected"]["harms"] == ([] if safer == 0 else ["Privacy Violation"])
    assert harmless.extra["chosen"]["severity"] == (2, 0)[safer]


@pytest.mark.parametrize("wrong", [2, -1, True, None, "0", 1.0])
def test_pku_saferlhf_refuses_the_row_when_one_index_is_odd(wrong):
    assert aside("pku_saferlhf", safer_response_id=wrong) == "broken label_not_known"
    assert aside("pku_saferlhf", is_response_0_safe=1) == "broken safety_not_known"


def test_shp_prefers_a_when_labels_is_one():
    texts = {"human_ref_A": "a", "human_ref_B": "b"}
    assert sides(only("shp", **texts, labels=1)) == ("a", "b")
    pair = only("shp", **texts, labels=0)
    assert (sides(pair), pair.source_margin, pair.extra["group"]) == (("b", "a"), 5.0, "p7")
    assert (pair.chosen_ratings, pair.category) == ({"votes": 20}, "askculinary")
    assert aside("shp", labels=True) == aside("shp", labels=2) == "broken label_not_known"


def test_offsetbias_counts_outputs_from_one():
    texts = {"output_1": "one", "output_2": "two"}
    assert sides(only("offsetbias", **texts, label=1)) == ("one", "two")
    assert sides(only("offsetbias", **texts, label=2)) == ("two", "one")
    assert aside("offsetbias", label=0) == aside("offsetbias", label=True) == "broken label_not_known"


def seven(*ranks: object) -> dict[str, object]:
    answers = [{"answer": f"text {at}", "model": f"m{at}", "rank": rank} for at, rank in enumerate(ranks)]
    return example("nectar", answers=answers, num_responses=len(answers))


def test_nectar_makes_21_pairs_and_rank_one_is_the_best():
    found = made("nectar", seven(3.0, 1.0, 7.0, 2.0, 6.0, 5.0, 4.0))
    assert len(found) == 21
    for pair in found:
        assert pair.extra["chosen_rank"] < pair.extra["rejected_rank"]
        assert pair.source_margin == pair.extra["rejected_rank"] - pair.extra["chosen_rank"]
    best = next(pair for pair in found if pair.source_margin == 6.0)
    assert sides(best) == ("text 1", "text 2")
    assert best.prompt == talk("Which sea is the saltiest?")
    assert sum(isinstance(item, SetAside) for item in made("nectar", seven(1, 1, 2, 2, 2, 3, 4))) == 4


def test_nectar_refuses_other_ranks_and_open_prompts():
    for wrong in (0, 8.0, "1", True, None, float("nan")):
        row = seven(1.0, wrong)
        assert aside("nectar", answers=row["answers"], num_responses=2) == "broken rank_not_known"
    assert aside("nectar", num_responses=7) == "broken answers_missing"
    row = example("nectar")
    row["num_response"] = row.pop("num_responses")  # as the card spells it
    assert len(made("nectar", row)) == 3
    with pytest.raises(BadRow, match="answers_missing"):
        made("nectar", {**row, "num_response": 4})
    del row["num_response"]
    assert len(made("nectar", row)) == len(made("nectar", {**row, "num_responses": None})) == 3
    assert len(made("nectar", {**row, "num_responses": None, "num_response": 3})) == 3
    for prompt in ("Which sea?", "\n\nHuman: q\n\nAssistant: said", "\n\nHuman: q", "x\n\nHuman: q\n\nAssistant:"):
        assert aside("nectar", prompt=prompt) == "broken prompt_not_marked"
    twice = "\n\nHuman: q\n\nHuman: r\n\nAssistant:"
    assert aside("nectar", prompt=twice) == "set_aside turns_do_not_alternate"


def test_ultrainteract_takes_the_trajectory_as_the_prompt_and_its_root_as_the_group():
    pair = only("ultrainteract_pair", chosen="right", rejected="wrong")
    assert sides(pair) == ("right", "wrong")
    assert [message["role"] for message in pair.prompt] == ["user", "assistant", "user"]
    assert pair.extra["group"] == "0a1b"
    for speakers in (["user", "assistant"], ["tool", "user"], []):
        trajectory = [{"from": speaker, "value": "x"} for speaker in speakers]
        assert aside("ultrainteract_pair", trajectory=trajectory) == "broken speaker_not_known"


def test_an_empty_system_prompt_of_orca_is_no_turn():
    pair = only("orca_dpo_pairs", chosen="good", rejected="bad")
    assert sides(pair) == ("good", "bad")
    assert [message["role"] for message in pair.prompt] == ["system", "user"]
    for nothing in (" ", None):
        assert only("orca_dpo_pairs", system=nothing).prompt == talk("Why is ice slippery?")


def test_the_higher_score_of_webgpt_wins_and_its_own_quotes_follow_it():
    answers = {"answer_0": "zero", "answer_1": "one"}
    assert sides(only("webgpt_comparisons", **answers)) == ("zero", "one")
    pair = only("webgpt_comparisons", **answers, score_0=-0.25, score_1=0.25)
    assert (sides(pair), pair.source_margin, pair.extra["group"]) == (("one", "zero"), 0.5, "q3")
    assert pair.extra["rejected_quotes"]["title"] == ["Autumn"]
    assert aside("webgpt_comparisons", score_0=0.0, score_1=-0.0) == "set_aside tie"
    assert aside("webgpt_comparisons", score_0=None) == "set_aside score_missing"
    assert aside("webgpt_comparisons", score_0=True) == "broken score_not_a_number"


def test_summaries_are_chosen_by_an_index_from_zero():
    texts = [{"text": text, "policy": "p", "note": None} for text in ("zero", "one")]
    assert sides(only("summarize_from_feedback", summaries=texts, choice=0)) == ("zero", "one")
    pair = only("summarize_from_feedback", summaries=texts, choice=1)
    assert (sides(pair), pair.extra["group"]) == (("one", "zero"), "t3_1")
    for wrong in (2, True, None, "1"):
        assert aside("summarize_from_feedback", choice=wrong) == "broken choice_not_known"
    assert aside("summarize_from_feedback", summaries=texts[:1], choice=0) == "broken choice_not_known"


@pytest.mark.parametrize(
    ("extra", "confidence"), [({"confidence": 7}, 7), ({"confidence": None}, None), ({}, None)]
)
def test_the_confidence_of_a_summarys_rater_is_kept_and_is_no_margin(extra, confidence):
    pair = only("summarize_from_feedback", extra=extra)
    assert (pair.extra["confidence"], pair.source_margin) == (confidence, None)
    assert only("summarize_from_feedback", extra=None).extra["confidence"] is None


def test_summaries_of_news_have_an_article_in_place_of_the_post():
    info = example("summarize_from_feedback")["info"]
    news = {**info, "post": None, "article": "The bridge opened.", "title": None, "subreddit": None, "site": "cnn"}
    pair = only("summarize_from_feedback", info=news)
    assert pair.prompt == "Summarize this news article in a few sentences.\n\nThe bridge opened."
    assert pair.category == "cnn"
    assert aside("summarize_from_feedback", info={**news, "article": None}) == "broken prompt_empty"


@pytest.mark.parametrize("name", ["chatbot_arena", "arena_preference_100k"])
def test_an_arena_vote_names_the_better_model_or_one_of_two_ties(name):
    talks = {"conversation_a": talk("q", "from a"), "conversation_b": talk("q", "from b")}
    pair = only(name, **talks, winner="model_a")
    assert (sides(pair), pair.prompt) == (("from a", "from b"), talk("q"))
    assert (pair.extra["chosen_model"], pair.extra["rejected_model"]) == ("model-a", "model-b")
    pair = only(name, **talks, winner="model_b")
    assert (sides(pair), pair.extra["chosen_model"]) == (("from b", "from a"), "model-b")
    assert aside(name, **talks, winner="tie") == "set_aside tie"
    assert aside(name, **talks, winner="tie (bothbad)") == "set_aside tie_both_bad"
    assert aside(name, **talks, winner="both_bad") == "set_aside tie_both_bad"
    assert aside(name, **talks, winner="a") == "broken winner_not_known"


@pytest.mark.parametrize("name", ["chatbot_arena", "arena_preference_100k"])
def test_arena_battles_of_several_turns_make_no_pair(name):
    longer = {"conversation_a": talk("q", "a", "r", "x"), "conversation_b": talk("q", "a", "r", "y")}
    assert aside(name, **longer) == "set_aside several_turns"
    parted = {"conversation_a": talk("q", "a", "r", "x"), "conversation_b": talk("q", "b", "r", "y")}
    assert aside(name, **parted) == "set_aside prompts_differ"


def test_codeultrafeedback_joins_ratings_by_model_and_keeps_the_aspect():
    pair = only("codeultrafeedback")
    assert sides(pair) == ("def add(first, second):\n    return first + second", "f=lambda a,b:a+b")
    assert (pair.source_margin, pair.criterion) == (3.0, "code-readability")
    assert pair.extra["chosen_rationale"] == "Plain names."
    notes = example("codeultrafeedback")["annotations"]
    assert aside("codeultrafeedback", annotations=[{**note, "rating": "4"} for note in notes]) == "set_aside tie"
    unrated = [notes[0], {**notes[1], "rating": "N/A"}]
    assert aside("codeultrafeedback", annotations=unrated) == "set_aside score_missing"
    for wrong in (notes[:1], [notes[0], notes[0]], [notes[0], {**notes[1], "model": "model-z"}]):
        assert aside("codeultrafeedback", annotations=wrong) == "broken models_differ"


def test_a_step_of_math_stands_after_the_shared_beginning():
    pair = only("math_step_dpo", initial_reason_steps="Step 1: x\nStep 2:", chosen="right", rejected=" wrong")
    assert sides(pair) == ("Step 1: x\nStep 2: right", "Step 1: x\nStep 2: wrong")
    assert sides(only("math_step_dpo", initial_reason_steps="", chosen="right"))[0] == "right"
    assert (pair.criterion, pair.reference) == ("correctness", "450")


def test_themis_puts_the_context_before_the_question():
    pair = only("themis_tara", context="Tom has a boat.", question="Who has a boat?")
    assert pair.prompt == "Tom has a boat.\n\nWho has a boat?"
    assert (sides(pair)[0], pair.source_margin) == ("There are 3 days between them.", 2.0)
    assert only("themis_tara", _file="hh_rlhf/hh_rlhf_train.json").label_source == "human"
    row = example("themis_tara")
    swapped = {"pos_answer": row["neg_answer"], "neg_answer": row["pos_answer"]}
    assert aside("themis_tara", **swapped) == "set_aside scores_oppose_label"


def test_finegrained_rlhf_compares_every_two_predictions_in_order():
    found = made("finegrained_rlhf", example("finegrained_rlhf", preference=[1, 2, 0, 1, 2, 0]))
    assert [item.reason for item in found if isinstance(item, SetAside)] == ["tie", "tie"]
    compared = [(item.extra["chosen"], item.extra["rejected"]) for item in found if isinstance(item, Pair)]
    assert compared == [(1, 2), (3, 1), (2, 3), (4, 2)]
    assert sides(found[1]) == ("The tower was begun in 1871 and lit in 1874.", "It was lit in 1874.")
    assert found[0].prompt.startswith("North Point Light\n\nThe tower was begun")
    assert found[0].prompt.endswith("It was lit in 1874.\n\nWhen was the lighthouse lit first?")
    for wrong in ([1, 1], [1, 1, 1, 1, 1, 3], [True] * 6, [None] * 6):
        assert aside("finegrained_rlhf", preference=wrong) == "broken preference_not_known"
    for wrong in (["text"], [["title alone"]]):
        assert aside("finegrained_rlhf", passages=wrong) == "broken passage_not_known"


def test_marks_split_a_dialogue_and_leave_the_text_before_them():
    before, turns = marked_turns("q<A>a<U>", re.compile("<(U|A)>"), {"U": "user", "A": "assistant"})
    assert talk(before)[:1] + turns == talk("q", "a", "")


# Counted apart from the adapters: rows, pairs and findings as the files' own texts give them.
REAL = [
    ("themis_tara", "themis-tara", "train", 2615, 2612, {"identical_completions": 3}),
    ("themis_tara", "themis-tara", "test", 1013, 1004, {"empty_completion": 1, "identical_completions": 8}),
    ("finegrained_rlhf", "finegrained-rlhf", "validation", 500, 2616, {"tie": 384}),
]


@pytest.mark.real
@pytest.mark.parametrize(("name", "folder", "split", "rows", "pairs", "asides"), REAL)
def test_real_files_become_exactly_these_pairs(name, folder, split, rows, pairs, asides, store, real_data):
    books = ingest(store, name, path=str(real_data / folder), splits=[split])
    assert (books.rows, books.pairs, books.asides, books.new_columns) == (rows, pairs, asides, [])


@pytest.mark.real
def test_preferred_predictions_of_finegrained_rlhf_share_more_words_with_the_gold_answer(real_data):
    rows = json.loads((real_data / "finegrained-rlhf" / "dev_feedback.json").read_text())
    better = []
    for pair in (item for row in rows for item in made("finegrained_rlhf", row) if isinstance(item, Pair)):
        gold, chosen, rejected = (
            set(text.lower().split()) for text in (pair.reference, pair.chosen, pair.rejected)
        )
        closeness = [2 * len(side & gold) / (len(side) + len(gold)) for side in (chosen, rejected)]
        better.append(closeness[0] > closeness[1])
    assert sum(better) / len(better) > 0.58


@pytest.mark.parametrize("name", ["helpsteer2", "magpie_dpo", "pku_saferlhf", "shp", "ultrafeedback_binarized"])
def test_no_file_for_testing_is_read_as_training(name):
    train = sources.load(name).source.files["train"]
    assert not any(word in pattern for pattern in train for word in ("test", "valid", "*.json"))


@settings(max_examples=500, deadline=None, database=None)
@given(st.lists(st.sampled_from(PIECES), max_size=8), *[st.lists(st.sampled_from(PIECES), max_size=5)] * 2)
def test_hh_rlhf_reads_the_second_dialogue_as_it_reads_the_first(shared, one, other):
    row = {"chosen": START + "".join(shared + one), "rejected": START + "".join(shared + other)}
    chosen = hh_rlhf._parts(row["chosen"])
    quick = hh_rlhf._other_reply(row, chosen)
    assert quick is None or [*chosen[:-1], quick] == hh_rlhf._parts(row["rejected"])


def test_hh_rlhf_refuses_a_second_text_without_marks_when_the_first_reply_is_empty():
    row = {
        "chosen": START + "\n\nHuman: More?\n\nAssistant: ",
        "rejected": "no marks",
        "_file": "a/train.jsonl.gz",
    }
    with pytest.raises(BadRow, match="dialogue_not_marked"):
        list(hh_rlhf.pairs(row))
