"""Every source keeps its contract on its example and on broken rows; every label has the right sign."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import sources
from pairs.errors import BadRow, SetAside
from pairs.media import check_image
from pairs.schema import Pair, canonical_pair
from pairs.tables import PAIRS
from pairs.values import MAX_CHARS
from sources._convert import Converter
from sources._media import MediaFinder
from sources._shapes import PIXELS_PNG, Rated, image_bytes, ranked, rating
from sources._spool import Spool

BROKEN_ROWS = 800  # of each source; a quarter of them is whole
NESTED = "a key that no text may show"
HUGE = "x" * (MAX_CHARS + 1)


def example(name: str, **changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(sources.load(name).source.example), **changes}


def made(name: str, row: dict[str, Any]) -> list[Pair | SetAside]:
    return list(sources.load(name).pairs(row))


def only(name: str, **changes: Any) -> Pair:
    """The one pair of the example with changes."""
    (pair,) = made(name, example(name, **changes))
    assert isinstance(pair, Pair)
    return pair


def aside(name: str, **changes: Any) -> str:
    """Why the example with changes gives no pair."""
    try:
        (finding,) = made(name, example(name, **changes))
    except BadRow as bad:
        finding = bad
    assert isinstance(finding, BadRow)
    return f"{finding.kind} {finding.reason}"


def canonical(name: str, pair: Pair) -> dict[str, Any]:
    """The columns the reader would make, with stand-ins for the ids of media."""
    sides = (pair.images, pair.chosen_images, pair.rejected_images)
    for value in (value for side in sides for value in side):
        if not isinstance(value, bytes | str):
            raise BadRow("image_not_bytes")
    ids = [[ascii(value) for value in side] for side in sides]
    record = canonical_pair(pair, media_ids=ids[0], chosen_media_ids=ids[1], rejected_media_ids=ids[2])
    source = sources.load(name).source
    place = {"source": name, "source_revision": "r", "source_split": "s", "source_row": "0"}
    facts = {"label_source": source.label_source, "licence": source.licence, "role": source.role}
    return {**record, **place, **facts}


@pytest.mark.parametrize("name", sources.names())
def test_an_example_becomes_pairs_that_fit_the_schema(name):
    found = [canonical(name, pair) for pair in made(name, example(name)) if isinstance(pair, Pair)]
    assert found
    pa.RecordBatch.from_pylist(found, schema=PAIRS).validate(full=True)


@pytest.mark.parametrize("name", sources.names())
def test_a_source_says_what_it_is(name):
    module = sources.load(name)
    assert module.__doc__
    assert "http" in module.__doc__
    assert module.source.licence
    assert (module.source.modality == "text") == (
        canonical(name, made(name, example(name))[0])["modality"] == "text"
    )


@pytest.mark.parametrize("name", sources.names())
def test_broken_rows_end_as_pairs_or_named_findings_and_the_books_balance(name, store, tmp_path):
    """Rows in the reader's hands: each is kept or set aside once, and nothing else is raised."""
    module, rng = sources.load(name), random.Random(name)
    _put_pictures(name, tmp_path)
    finder = MediaFinder(fsspec.filesystem("file"), str(tmp_path), ())
    converter = Converter(module.source, module.pairs, finder)
    records, findings = 0, 0
    with Spool(store, name, tmp_path / "spool", {"source_revision": "r", "role": module.source.role}) as spool:
        for number in range(BROKEN_ROWS):
            row = example(name)
            for _ in range(rng.randint(0, 3)):
                _break(row, rng)
            place = f"f:{number}"
            found = converter.row(row, "train", place, str(row.get("_file", "f")))
            assert found[0] or found[1]
            assert all(isinstance(finding, BadRow) and finding.reason for finding in found[1])
            spool.add("train", place, *found)
            records, findings = records + len(found[0]), findings + len(found[1])
        summary = spool.close()
    pairs, bad_rows = (pq.read_table(tmp_path / "spool" / f"{file}.parquet") for file in ("pairs", "bad_rows"))
    pairs.validate(full=True)
    with_pairs = len(set(np.fromfile(tmp_path / "spool" / "rows", dtype=np.int64).tolist()))
    assert (summary.rows, summary.rows - summary.without) == (BROKEN_ROWS, with_pairs)
    assert pc.sum(bad_rows["whole_row"]).as_py() == summary.without
    assert pairs.num_rows == summary.offered == records
    assert bad_rows.num_rows == sum(count for count, _ in summary.asides.values()) == findings
    assert records > BROKEN_ROWS / 10, "rows that are whole become pairs between the others"
    assert findings > BROKEN_ROWS / 10, "the mutations do not bite"
    for column in ("prompt", "chosen", "rejected"):
        assert NESTED not in str(pairs[column].to_pylist())


def _put_pictures(name: str, folder: Path) -> None:
    """A picture wherever the pairs of the example look for one."""
    pairs = [pair for pair in made(name, example(name)) if isinstance(pair, Pair)]
    named = {value for pair in pairs for value in (*pair.images, *pair.chosen_images, *pair.rejected_images)}
    for value in named:
        if isinstance(value, str):
            (folder / value).parent.mkdir(parents=True, exist_ok=True)
            (folder / value).write_bytes(PIXELS_PNG + value.encode())  # no two alike


def _break(row: dict[str, Any], rng: random.Random) -> None:
    """Damage one value somewhere in the row, at any depth."""
    holder: Any = row
    while True:
        keys = [key for key in (holder if isinstance(holder, dict) else range(len(holder))) if key != "_file"]
        if not keys:
            return
        key = rng.choice(keys)
        value = holder[key]
        if isinstance(value, dict | list) and value and rng.random() < 0.75:
            holder = value
            continue
        break
    wrong = [None, True, 0, -1, 2, 3.5, 10**400, float("nan"), float("inf"), b"\xff", "", "N/A", [], {}, HUGE]
    wrong += [
        {NESTED: value},
        [value],
        [[NESTED]],
        f"{value}\0",
        f"{value}\ud800",
        "\n\nHuman: ",
        "\n\nAssistant:",
    ]
    choice = rng.randrange(len(wrong) + 3)
    if choice < len(wrong):
        holder[key] = wrong[choice]
    elif choice == len(wrong) and isinstance(holder, list):
        holder.append(value)
    else:
        del holder[key]


def test_hh_rlhf_splits_at_the_last_reply_and_leaves_the_word_human_alone():
    said = "Novels by\n\nHumans and by Human: machines"
    pair = only(
        "hh_rlhf",
        chosen=f"\n\nHuman: {said}\n\nAssistant: better",
        rejected=f"\n\nHuman: {said}\n\nAssistant:",
        _file="harmless-base/test.jsonl.gz",
    )
    assert pair.prompt == [{"role": "user", "content": said}]
    assert (pair.chosen, pair.rejected) == ("better", "")
    assert (pair.criterion, pair.category) == ("harmlessness", "harmless-base")
    assert only("hh_rlhf").criterion == "helpfulness"


@pytest.mark.parametrize(
    ("chosen", "rejected", "reason"),
    [
        ("\n\nHuman: a\n\nAssistant: b", "\n\nHuman: A\n\nAssistant: c", "set_aside prompts_differ"),
        (
            "\n\nHuman: a\n\nAssistant: b",
            "\n\nHuman: a\n\nAssistant: b\n\nHuman: c",
            "set_aside last_turn_not_the_assistants",
        ),
        ("\n\nHuman: a\n\nHuman: b\n\nAssistant: c",) * 2 + ("set_aside turns_do_not_alternate",),
        ("Human: a Assistant: b", "Human: a Assistant: c", "broken dialogue_not_marked"),
        ("\n\nAssistant: b", "\n\nAssistant: c", "broken dialogue_not_marked"),
    ],
)
def test_hh_rlhf_names_what_is_wrong_with_a_dialogue(chosen, rejected, reason):
    assert aside("hh_rlhf", chosen=chosen, rejected=rejected) == reason


@pytest.mark.parametrize(
    ("votes", "chosen", "margin"), [((1, 1, 1), "one", 1.0), ((0, 1, 1), "one", 2 / 3), ((2, 1, 2), "two", 1 / 3)]
)
def test_pandalm_follows_the_majority(votes, chosen, margin):
    ballots = dict(zip(("annotator1", "annotator2", "annotator3"), votes, strict=True))
    pair = only("pandalm", response1="one", response2="two", **ballots)
    assert {pair.chosen, pair.rejected} == {"one", "two"}
    assert (pair.chosen, pair.source_margin) == (chosen, pytest.approx(margin))


@pytest.mark.parametrize("votes", [(0, 0, 1), (0, 1, 2), (0, 0, 0)])
def test_pandalm_without_a_majority_is_a_tie(votes):
    ballots = dict(zip(("annotator1", "annotator2", "annotator3"), votes, strict=True))
    assert aside("pandalm", **ballots) == "set_aside tie"


def test_one_based_labels_of_llmbar_and_names_of_ukp_point_at_the_better_one():
    assert only("llmbar", output_1="one", output_2="two", label=1).chosen == "one"
    assert only("llmbar", output_1="one", output_2="two", label=2).chosen == "two"
    assert aside("llmbar", label=0) == "broken label_not_known"
    assert only("ukp_convarg", a1="one", a2="two", label="a1").chosen == "one"
    pair = only("ukp_convarg", a1="one", a2="two<br/>lines", label="a2")
    assert (pair.chosen, pair.rejected) == ("two\nlines", "one")
    assert pair.prompt == 'The debate is "should towns build trams". Argue convincingly for the side "yes".'


def test_label_0_of_mj_bench_is_one_when_image_0_is_better():
    assert only("mj_bench", label_0=1).chosen_images == [
        "quality/objects_indoor/examples_objects_indoor/desk_4.jpg"
    ]
    assert only("mj_bench", label_0=0).rejected_images == only("mj_bench", label_0=1).chosen_images
    assert aside("mj_bench", label_0=True) == "broken label_not_known"


def test_chosen_columns_are_the_chosen_side():
    assert only("llama_factory_dpo", chosen="good", rejected="bad").chosen == "good"
    assert only("llama_factory_dpo").chosen[0]["content"].startswith("Air scatters")
    assert only("llama_factory_dpo", _file="dpo_zh_demo.json").language == "zh"
    assert aside("llama_factory_dpo", chosen={"from": "narrator", "value": "x"}) == "broken speaker_not_known"
    assert only("rlaif_v", chosen="good", rejected="bad").chosen == "good"
    text = json.dumps({"question": "q", "chosen": "good", "rejected": "bad"})
    assert (only("rlhf_v", text=text).chosen, only("rlhf_v", text=text).rejected) == ("good", "bad")
    assert only("rasbt_dpo", chosen="good", rejected="bad").chosen == "good"


@pytest.mark.parametrize("origin", ["{'model': 'm', 'type': 'captioning'}", '{"type": "captioning"}', "", None])
def test_rlaif_v_reads_where_an_answer_came_from_leniently(origin):
    assert only("rlaif_v", origin_split=origin).category == ("captioning" if origin else None)


@pytest.mark.parametrize("name", ["ultrafeedback", "vlfeedback"])
def test_the_better_rated_completion_is_chosen_wherever_it_stands(name):
    row = example(name)
    first = made(name, row)[0]
    row["completions"].reverse()
    assert made(name, row)[0] == first
    row["completions"].append({**row["completions"][0], "response": "a third one, rated the same"})
    found = made(name, row)
    assert [type(item) for item in found] == [Pair, SetAside, Pair]
    assert found[1].reason == "tie"


def test_an_answer_without_a_rating_of_vlfeedback_loses_its_own_pairs_alone():
    first, second = example("vlfeedback")["completions"]
    third = {**copy.deepcopy(second), "model": "model-c", "response": "A street."}
    del third["annotations"]["Helpfulness"]
    for unrated in (third, {**third, "annotations": None}, {**third, "annotations": {"Helpfulness": None}}):
        found = made("vlfeedback", example("vlfeedback", completions=[first, unrated, second]))
        pair = next(item for item in found if isinstance(item, Pair))
        assert (pair.chosen, pair.rejected) == (first["response"], second["response"])
        assert [item.reason for item in found if isinstance(item, SetAside)] == ["score_missing"] * 2


def test_ultrafeedback_reads_rows_without_lists_of_correct_answers():
    pair = only("ultrafeedback", correct_answers=None, incorrect_answers=None)
    assert (pair.reference, pair.extra["incorrect_answers"]) == ("", [])


def test_ultrafeedback_never_mixes_two_kinds_of_score():
    row = example("ultrafeedback")
    assert only("ultrafeedback").source_margin == 4.5
    row["completions"][0].update({"overall_score": 10.0, "fine-grained_score": 1.0})
    row["completions"][1]["overall_score"] = None
    pair = only("ultrafeedback", completions=row["completions"])
    assert (pair.chosen, pair.source_margin) == ("Water less.", 2.0)
    assert pair.chosen_ratings == {"instruction_following": 2.0, "honesty": 4.0}
    assert pair.rejected_ratings == {"instruction_following": 5.0, "honesty": None}


def test_vlfeedback_takes_a_mapping_of_lists_and_leaves_out_unrated_answers():
    completions = example("vlfeedback")["completions"]
    columns = {key: [completion[key] for completion in completions] for key in completions[0]}
    assert only("vlfeedback", completions=columns) == only("vlfeedback")
    assert only("vlfeedback").source_margin == pytest.approx(14 / 3 - 8 / 3)
    completions[0]["annotations"]["Helpfulness"]["Rating"] = "N/A"
    assert aside("vlfeedback", completions=completions) == "set_aside score_missing"


def test_ratings_are_numbers_or_nothing():
    assert [rating(value) for value in ("4", " 4.5 ", "N/A", 3, None)] == [4.0, 4.5, None, 3.0, None]
    for wrong in ("four", "", "nan", "9" * 400, True, float("inf")):
        with pytest.raises(BadRow):
            rating(wrong)


def test_all_completions_meet_once_with_the_better_one_first():
    found = list(ranked([Rated("low", 1.0), Rated("high", 3.0), Rated("none", None), Rated("mid", 2.0)]))
    pairs = [(item[0].completion, item[1].completion, item[2]) for item in found if isinstance(item, tuple)]
    assert pairs == [("high", "low", 2.0), ("mid", "low", 1.0), ("high", "mid", 1.0)]
    assert [item.reason for item in found if isinstance(item, SetAside)] == ["score_missing"] * 3


def test_embedded_pictures_are_bytes_and_the_example_picture_decodes():
    assert image_bytes({"bytes": PIXELS_PNG, "path": "x"}) == PIXELS_PNG
    assert check_image(PIXELS_PNG).phash is not None
    for wrong in (None, {"bytes": None, "path": "x.jpg"}, PIXELS_PNG, "x.jpg"):
        with pytest.raises(BadRow, match="image_not_bytes"):
            image_bytes(wrong)
