"""Nothing is lost at the door: each value of a native row changes what becomes of it, or is listed here."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

import sources
from pairs.errors import BadRow

SHAPES = (TypeError, ValueError, AttributeError, LookupError)  # what the reader takes for a broken row
# Columns, by their last name, that repeat what stands elsewhere in the row or say nothing of the pair.
NOT_KEPT = {
    "arena_preference_100k": {"num_tokens"},  # of the texts
    "codeultrafeedback": {"models"},  # each answer names its own
    "helpsteer2": {"prompt"},  # rows come together because theirs are equal
    "imagereward_db": {"prompt_id", "classification"},  # likewise, of the rows after the first
    "llama_factory_v1_dpo": {"loss_weight"},  # its docstring says so
    "llava_critic_113k": {"from"},  # always the same two
    "llava_human_preference_10k": {"from", "value"},  # the empty place of the outputs
    "magpie_dpo": {"instruction"},  # the first turn
    **{name: {"prompt"} for name in ("olmo2_mix", "olmo2_mix_7b", "olmo2_mix_13b")},  # the turns before the last
    "pickapic_v2": {"best_image_uid", "__index_level_0__"},  # the chosen one's
    "rewardmath": {"problem", "answer", "subject", "level", "problem_id"},  # of the rows after the first
    "rmb_pairwise": {"language"},  # of each message
    "summarize_from_feedback": {"article"},  # stands in for the post where that is null
    **{name: {"prompt"} for name in ("tulu3_if", "tulu3_if_8b", "tulu3_mix_405b")},
    "tulu3_wildchat_ultrafeedback": {"prompt"},
    "ultrafeedback": {"models"},
    "ultrafeedback_binarized": {"prompt", "messages"},  # of the chosen side
    "ultrafeedback_cleaned": {"prompt"},
    "ultrafeedback_hard": {"models"},
    "videofeedback": {"text prompt"},  # rows come together because theirs are equal
    "vlfeedback": {"models"},
    "webgpt_comparisons": {"tokens_0", "tokens_1"},  # the same texts as numbers
}


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    elif not isinstance(value, bytes):
        yield path


def became(module: Any, row: dict[str, Any]) -> str:
    row.setdefault("_file", "folder/file.jsonl")
    try:
        return repr(list(module.pairs(row)))
    except (BadRow, *SHAPES) as error:
        return repr(error)


def altered(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [f"{value} altered", f"altered {value}"]
    if isinstance(value, bool):
        return [not value]
    return [value + 7919] if isinstance(value, int | float) else ["altered"]


@pytest.mark.parametrize("name", sources.names())
def test_every_value_of_a_row_is_kept(name):
    module = sources.load(name)
    example = module.source.example
    plain = became(module, copy.deepcopy(example))
    lost = set()
    for path in leaves(example):
        *way, last = path
        rows = []
        place: Any = example
        for key in path:
            place = place[key]
        for value in altered(place):
            row = copy.deepcopy(example)
            at: Any = row
            for key in way:
                at = at[key]
            at[last] = value
            rows.append(row)
        if all(became(module, row) == plain for row in rows):
            lost.add(path)
    # The file name inside an embedded picture is null in most rows, and says nothing where it is not.
    lost = {path for path in lost if path[-1] not in ("path", "_file")}
    listed = NOT_KEPT.get(name, set())
    assert {path for path in lost if not listed.intersection(path)} == set()
    assert {key for key in listed if not any(key in path for path in lost)} == set(), "is kept after all"


def only(name: str, **changed: Any) -> Any:
    module = sources.load(name)
    (pair,) = module.pairs({**copy.deepcopy(module.source.example), "_file": "x.json", **changed})
    return pair


def test_what_judges_said_stays_with_the_side_it_was_said_of():
    extra = only("vlfeedback").extra
    assert extra["chosen_rationales"]["Visual Faithfulness"] == "Fits the picture."
    assert extra["rejected_rationales"]["Visual Faithfulness"] == "It rains."
    extra = only("ultrafeedback", incorrect_answers=["None", "Water at noon."]).extra
    assert (extra["chosen"]["critique"], extra["rejected"]["principle"]) == ("Short and useful.", "honesty")
    assert extra["rejected"]["annotations"]["honesty"] == {"Rationale": "Plain."}
    assert extra["incorrect_answers"] == ["Water at noon."]
    assert only("magpie_dpo").extra["others"] == [["3 times 3 is 9.", 0.13]]


def test_the_side_that_is_an_edit_of_the_other_is_named():
    assert only("rlhf_v").extra["edited"] == "chosen"
    assert only("povid").extra["edited"] == "rejected"
    example = sources.load("rasbt_dpo").source.example
    assert only("rasbt_dpo").extra == {"edited": "rejected"}
    assert only("rasbt_dpo", output=example["rejected"]).extra == {"edited": "chosen"}
    assert only("rasbt_dpo", output="A third one.").extra == {"output": "A third one."}
