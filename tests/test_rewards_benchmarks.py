"""Official metrics: examples worked by hand for each benchmark, and real reward models' published decisions."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pairs.errors import PrefmillError
from rewards._cells import Cells
from rewards.benchmarks import _SECTIONS, _TRANSLATED, _WEIGHTS, BENCHMARKS, measure, rule_key
from sources._read import ingest


def judged(*rows, **facts):
    """Pairs as `measure` takes them, each given as (chosen reward, rejected reward, other columns)."""
    made = []
    for place, (chosen, rejected, more) in enumerate(rows):
        base = {
            "source_split": "test", "prompt_id": f"p{place}", "chosen_id": f"c{place}", "rejected_id": f"r{place}",
            "category": None, "language": None, "extra": {}, "contaminated": False,
        }  # fmt: skip
        made.append({**base, **facts, **more, "chosen": chosen, "rejected": rejected})
    for row in made:
        row["extra"] = json.dumps(row["extra"])
    return pl.DataFrame(made, infer_schema_length=None).with_columns(
        pl.col("chosen", "rejected").cast(pl.Float64), pl.col("category", "language").cast(pl.String)
    )


def values(found):
    return {name: round(value, 9) for name, (value, _, _) in found.figures.items()}


def test_sections_of_rewardbench_weigh_what_the_leaderboard_says():
    sums = [sum(_WEIGHTS[name] for name in names) for names in _SECTIONS.values()]
    assert sums == [358, 456, 740, 1968]
    assert sum(_TRANSLATED.values()) == 2869 - 447 + 983


def test_rewardbench_is_the_mean_of_sections_with_maths_as_heavy_as_code():
    rows = [(1, 0, {"category": "math-prm"}), (0, 1, {"category": "hep-cpp"}), (0, 1, {"category": "hep-go"}),
            (1, 0, {"category": "alpacaeval-easy"}), (1, 1, {"category": "alpacaeval-hard"})]  # fmt: skip
    found = measure("rewardbench", judged(*rows))
    reasoning, chat = 984 / (984 + 2 * 164), 100 / (100 + 95)
    assert found.headline == "macro"
    assert values(found)["Reasoning"] == round(reasoning, 9)
    assert values(found)["Chat"] == round(chat, 9), "equal rewards are wrong"
    assert values(found)["macro"] == round((reasoning + chat) / 2, 9)
    assert found.tied == 1
    assert len(found.missing) == 23
    assert {"donotanswer 0 of 136", "math-prm 1 of 447", "alpacaeval-easy 1 of 100"} <= set(found.missing)


def test_m_rewardbench_averages_languages_not_rows():
    rows = [(1, 0, {"category": "math-prm", "language": "deu_Latn"})]
    rows += [(0, 1, {"category": "math-prm", "language": "arb_Arab"})] * 3
    assert values(measure("m_rewardbench", judged(*rows))) == {"macro": 0.5, "arb_Arab": 0.0, "deu_Latn": 1.0}


def test_m_rewardbench_weighs_by_its_own_sizes():
    """By hand: 983 of maths right, 163 of Python and 164 of Go wrong; of Chat all 79 easy ones; of Safety none."""
    rows = [(1, 0, {"category": "math-prm"}), (0, 1, {"category": "hep-python"}), (1, 1, {"category": "hep-go"}),
            (1, 0, {"category": "alpacaeval-easy"}), (0, 1, {"category": "donotanswer"})]  # fmt: skip
    found = measure("m_rewardbench", judged(*rows, language="deu_Latn"))
    assert values(found)["deu_Latn"] == round((983 / 1310 + 1 + 0) / 3, 9)


def test_judgebench_gives_equal_rewards_to_b_and_its_headline_to_gpt():
    """By hand: of four pairs by gpt one is won and one of the two ties has the label B>A."""
    rows = [(1, 0, "A>B", "gpt"), (1, 1, "B>A", "gpt"), (1, 1, "A>B", "gpt"), (0, 1, "B>A", "gpt"),
            (1, 0, "B>A", "claude")]  # fmt: skip
    frame = judged(
        *((x, y, {"source_split": by, "category": "livecodebench", "extra": {"label": label}})
          for x, y, label, by in rows)
    )  # fmt: skip
    found = measure("judgebench", frame)
    assert found.headline == "gpt"
    assert (values(found)["gpt"], values(found)["claude"]) == (0.5, 1.0)
    # A judge is right where more of its answers, in both orders, name the better one: a tie is not.
    assert values(measure("judgebench", frame, judge=True))["gpt"] == 0.25


def test_a_judge_that_is_undecided_counts_as_each_benchmark_says():
    rows = [(1, 0, {}), (1, 1, {}), (1, 1, {}), (0, 1, {})]

    def micro(name, category, **more):
        return values(measure(name, judged(*rows, category=category), **more))[category]

    assert micro("rewardbench", "math-prm") == 0.25
    assert micro("rewardbench", "math-prm", judge=True) == 0.5, "a tie of a judge is half a win"
    assert micro("vl_rewardbench", "general") == 0.25
    assert micro("vl_rewardbench", "general", judge=True) == 0.5, "a tie of a judge is left out: one of two"
    assert micro("mj_bench", "mpii", judge=True) == 0.25
    undecided = judged((1, 1, {"category": "general"}))
    with pytest.raises(PrefmillError, match="vl_rewardbench: no pair that the judge decides, of 1"):
        measure("vl_rewardbench", undecided, judge=True)


def test_llmbar_is_the_mean_of_natural_and_of_the_mean_of_four_adversarial_sets():
    """By hand: Natural 2 of 2; Neighbor 1 of 2, GPTInst 0 of 1, GPTOut 1 of 1, Manual 0 of 1; others beside."""
    rows = [("Natural", 1, 0), ("Natural", 1, 0), ("Adversarial/Neighbor", 1, 0), ("Adversarial/Neighbor", 1, 1),
            ("Adversarial/GPTInst", 0, 1), ("Adversarial/GPTOut", 1, 0), ("Adversarial/Manual", 0, 1),
            ("FairEval", 0, 1), ("FairEval", 0, 1)]  # fmt: skip
    found = values(measure("llmbar", judged(*((x, y, {"category": name}) for name, x, y in rows))))
    assert (found["Natural"], found["Adversarial"]) == (1.0, 0.375)
    assert found["macro"] == 0.6875
    assert (found["FairEval"], found["Adversarial/Neighbor"]) == (0.0, 0.5)


def test_mj_bench_counts_near_rewards_as_ties_where_its_definition_says_so():
    """By hand: differences 0.05 (a tie within 0.1), 0.1 (one too), 0.2, -0.05 (a tie), -0.5."""
    rows = [(0.05, 0, {}), (0.5, 0.4, {}), (0.2, 0, {}), (0, 0.05, {}), (0, 0.5, {})]
    frame = judged(*rows, category="mpii")
    exact = values(measure("mj_bench", frame))
    assert (exact["micro"], exact["without ties"]) == (0.6, 0.6)
    near = replace(BENCHMARKS["mj_bench"], tie_within=0.1)
    entries = near.entries(frame)
    sums = np.bincount(entries.cell, entries.value), np.bincount(entries.cell)
    found = near.figures(Cells(entries.cells, *sums))
    assert (found["micro"], found["without ties"]) == (0.2, 0.5)


def test_pictures_of_mj_bench_that_score_alike_are_wrong_and_are_left_out_beside():
    frame = judged((1, 0, {}), (0, 1, {}), (1, 1, {}), (1, 1, {}), category="object")
    for part in ("mj_bench", "mj_bench_alignment"):
        found = values(measure(part, frame))
        assert (found["micro"], found["without ties"]) == (0.25, 0.5)


def best_of(rewards, subset="Math", name="1", right=1):
    """A row of RewardBench 2: the first `right` rewards are those of right answers."""
    rows = []
    for i, chosen in enumerate(rewards[:right]):
        for j, rejected in enumerate(rewards[right:]):
            extra = {"group": name, "subset": subset, "chosen_positions": [i], "rejected_positions": [j]}
            ids = {"prompt_id": name, "chosen_id": f"{name}c{i}", "rejected_id": f"{name}r{j}"}
            rows.append((chosen, rejected, {"category": subset, "extra": extra, **ids}))
    return rows


def test_rewardbench_2_shares_credit_among_the_highest():
    for rewards, score in (((1, 1, 0, 0), 0.5), ((0, 1, 0, 0), 0.0), ((2, 1, 0, 0), 1.0), ((1, 1, 1, 1), 0.25)):
        assert values(measure("rewardbench_2", judged(*best_of(rewards))))["Math"] == score


def test_equal_wrong_answers_of_rewardbench_2_share_as_often_as_they_stand():
    extra = {"group": "1", "subset": "Math", "chosen_positions": [0], "rejected_positions": [0, 1, 2]}
    assert values(measure("rewardbench_2", judged((1, 1, {"extra": extra}))))["Math"] == 0.25


def test_ties_of_rewardbench_2():
    flawless = best_of((9, 0, 0), "Ties", "ref:1") + best_of((9, 8, 0, 0), "Ties", "tied:1", right=2)
    assert values(measure("rewardbench_2", judged(*flawless)))["Ties"] == round(1 + 0.01 * np.tanh(7), 9)
    # All right answers beat all wrong ones, but differ more among each other than from those.
    spread = best_of((9, 0), "Ties", "ref:1") + best_of((9, 4, 3), "Ties", "tied:1", right=2)
    margin = np.tanh(1 / 5 - 1)
    assert values(measure("rewardbench_2", judged(*spread)))["Ties"] == round(0.6 + 0.01 * margin, 9)
    # A constant model: 0/0 counts as 0.
    flat = best_of((1, 1), "Ties", "ref:1") + best_of((1, 1, 1), "Ties", "tied:1", right=2)
    assert values(measure("rewardbench_2", judged(*flat)))["Ties"] == 0


def styles(right, wrong, domain="chat", name="chat:1"):
    return [
        (chosen, rejected, {"category": domain, "prompt_id": name, "extra": {
            "group": name, "chosen_styles": [i], "rejected_styles": [j]}})
        for i, chosen in enumerate(right) for j, rejected in enumerate(wrong)
    ]  # fmt: skip


def test_rm_bench_reads_the_matrix_of_styles():
    # A model that likes style: right answers 0, 1, 2 and wrong ones 0.5, 1.5, 2.5.
    found = values(measure("rm_bench", judged(*styles((0, 1, 2), (0.5, 1.5, 2.5)))))
    assert (found["hard"], found["normal"], found["easy"]) == (0, 0, 1)
    assert found["chat"] == found["macro"] == round(1 / 3, 9)
    two = styles((0, 1, 2), (0.5, 1.5, 2.5)) + styles((3, 3, 3), (1, 2, 4), "code", "code:1")
    found = values(measure("rm_bench", judged(*two)))
    assert found["macro"] == round((found["easy"] + found["normal"] + found["hard"]) / 3, 9)
    assert found["macro"] == round((found["chat"] + found["code"]) / 2, 9)
    assert measure("rm_bench", judged(*two)).missing == [
        "chat 1 of 129", "math 0 of 529", "code 1 of 228", "safety 0 of 441"
    ]  # fmt: skip


def test_acc_plus_counts_groups_that_are_wholly_right():
    rows = [(1, 0, "a"), (1, 0, "a"), (1, 0, "b"), (0, 1, "b"), (1, 1, "b")]
    frame = judged(*((x, y, {"category": "mcq", "extra": {"group": g}}) for x, y, g in rows))
    found = values(measure("mm_rlhf_rewardbench", frame))
    assert (found["acc"], found["acc+"]) == (0.6, 0.5)


def test_rewardmath_wants_the_right_solution_before_all_nine():
    def problem(name, right, *wrong):
        facts = {"category": "Algebra", "prompt_id": name, "chosen_id": name}
        return [
            (right, reward, {**facts, "rejected_id": f"{name}{i}", "extra": {"group": name, "rejected_ids": [i]}})
            for i, reward in enumerate(wrong)
        ]

    found = measure("rewardmath", judged(*problem("1", 5, 1, 2), *problem("2", 5, 5, 2), *problem("3", 0, 1, 2)))
    assert values(found)["strict"] == round(1 / 3, 9)
    assert values(found)["tolerant"] == round(2 / 3, 9)
    assert values(found)["mrr"] == round((1 + 1 / 2 + 1 / 3) / 3, 9)


def test_vl_rewardbench_gives_micro_and_macro():
    rows = [(1, 0, {"category": "hallucination"})] * 6 + [(0, 1, {"category": "reasoning"})] * 2
    found = measure("vl_rewardbench", judged(*rows))
    assert found.headline == "micro"
    assert (values(found)["micro"], values(found)["macro"]) == (0.75, 0.5)
    assert found.missing == ["pairs 8 of 1,247", "no general"]


def test_multimodal_rewardbench_gives_its_areas_and_their_halves_and_the_whole_over_rows():
    rows = [(1, 0, {"category": "reasoning", "extra": {"part": "math"}}),
            (0, 1, {"category": "reasoning", "extra": {"part": "coding"}}),
            (0, 1, {"category": "reasoning", "extra": {"part": "coding"}}),
            (1, 0, {"category": "vqa", "extra": {"part": None}})]  # fmt: skip
    assert values(measure("multimodal_rewardbench", judged(*rows))) == {
        "micro": 0.5, "reasoning": round(1 / 3, 9), "vqa": 1.0, "reasoning: coding": 0.0, "reasoning: math": 1.0,
    }  # fmt: skip


def test_every_benchmark_of_the_table_is_a_source():
    import sources

    assert {sources.load(name).source.role for name in BENCHMARKS} == {"benchmark"}


def test_a_prompt_with_an_unjudged_completion_is_left_out_whole_and_counted():
    rows = best_of((2, 1, 0, 0), name="1") + best_of((0, None, 1, 0), name="2")
    found = measure("rewardbench_2", judged(*rows))
    assert (found.pairs, found.unjudged, values(found)["Math"]) == (3, 3, 1.0)
    with pytest.raises(PrefmillError, match="no pair that the model can judge, of 3"):
        measure("rewardbench_2", judged(*best_of((None, 1, 1, 0))))


def of_judgebench(split, counts):
    return [
        (
            1,
            0,
            {"source_split": split, "category": name, "prompt_id": f"{split}{name}{n}", "extra": {"label": "A>B"}},
        )
        for name, count in counts.items()
        for n in range(count)
    ]


JUDGEBENCH = {"mmlu-pro": 154, "livebench-reasoning": 98, "livebench-math": 56, "livecodebench": 42}


def test_judgebench_by_gpt_alone_is_whole_and_by_claude_alone_has_no_headline():
    gpt, claude = of_judgebench("gpt", JUDGEBENCH), of_judgebench("claude", {"livecodebench": 31})
    assert measure("judgebench", judged(*gpt)).missing == []
    assert measure("judgebench", judged(*gpt, *claude[:3])).missing == [], "claude's are not in the headline"
    short = judged(*gpt[:-1], (None, 0, gpt[-1][2]), *claude)
    assert measure("judgebench", short).missing == ["gpt/livecodebench 41 of 42"]
    found = measure("judgebench", judged(*claude))
    assert np.isnan(found.figures["gpt"][0])
    assert found.missing == [f"gpt/{name} 0 of {size}" for name, size in JUDGEBENCH.items()]


def test_too_few_rows_are_named_by_part_in_every_benchmark():
    def missing(name, *rows, **facts):
        return measure(name, judged(*rows, **facts)).missing

    solved = {"category": "Algebra", "extra": {"group": 1, "rejected_ids": [1]}}
    assert missing("rewardmath", (1, 0, solved)) == ["problems 1 of 483"]
    assert missing("mj_bench", (1, 0, {"category": "mpii"})) == ["pairs 1 of 1,121"]
    assert missing("mj_bench_alignment", (1, 0, {})) == ["pairs 1 of 724"]
    area = {"category": "knowledge", "extra": {"part": None}}
    assert missing("multimodal_rewardbench", (1, 0, area)) == [
        "pairs 1 of 4,711", "open_generation/correctness_task 0 of 623",
        "open_generation/preference_task 0 of 654", "knowledge 1 of 630", "reasoning 0 of 1,098", "no safety",
        "no vqa",
    ]  # fmt: skip
    one = {"category": "math-prm", "language": "deu_Latn"}
    assert missing("m_rewardbench", (1, 0, one)) == ["languages 1 of 23", "deu_Latn 1 of 2,869"]
    group = {"category": "mcq", "extra": {"group": "a"}}
    assert missing("mm_rlhf_rewardbench", (1, 0, group))[-1] == "video 0 of 25"
    two = best_of((2, 1, 0, 0)) + best_of((9, 0), "Ties", "ref:1") + best_of((9, 8, 1), "Ties", "tied:1", right=2)
    assert missing("rewardbench_2", *two) == [
        "Factuality 0 of 475", "Precise IF 0 of 160", "Math 1 of 183", "Safety 0 of 450", "Focus 0 of 495",
        "Ties 2 of 102",
    ]  # fmt: skip
    assert missing("llmbar", (1, 0, {"category": "Natural"}))[0] == "Natural 1 of 100"
    many = [(1, 0, {"category": "Natural"})] * 101 + [(1, 0, {"category": "Adversarial/Manual"})] * 46
    assert len(missing("llmbar", *many)) == 3


def test_rows_that_are_not_judged_are_missing_where_no_size_is_official():
    assert measure("auto_j", judged((1, 0, {}), (None, 0, {}))).missing == ["pairs 1 of 2"]
    assert measure("auto_j", judged((1, 0, {}), (1, 0, {}))).missing == []
    rows = [(1, 0, {"category": "general"})] * 1_250 + [(1, 0, {"category": "reasoning"})]
    rows += [(1, 0, {"category": "hallucination"}), (None, 0, {"category": "reasoning"})]
    assert measure("vl_rewardbench", judged(*rows)).missing == ["pairs 1,252 of 1,253", "reasoning 1 of 2"]


def test_rows_of_rewardbench_2_are_named_by_subset_and_id():
    """Two subsets may number their rows alike: as one row of four right answers they would be wrong."""
    rows = best_of((2, 1, 0, 0), "Math", "1") + best_of((0, 1, 0, 0), "Focus", "1")
    found = measure("rewardbench_2", judged(*rows))
    assert (values(found)["Math"], values(found)["Focus"]) == (1.0, 0.0)


def test_both_rows_of_a_number_of_ties_are_contaminated_as_one():
    ref, tied = best_of((9, 0), "Ties", "ref:1"), best_of((9, 8, 1), "Ties", "tied:1", right=2)
    touched = [(*ref[0][:2], {**ref[0][2], "contaminated": True})]
    other = best_of((9, 0), "Ties", "ref:2") + best_of((9, 8, 1), "Ties", "tied:2", right=2)
    found = measure("rewardbench_2", judged(*touched, *tied, *other))
    assert (found.clean[0], found.contaminated[0]) == (3, 3)
    lost = measure("rewardbench_2", judged((None, 0, ref[0][2]), *tied, *other))
    assert (lost.pairs, lost.unjudged) == (3, 3), "alone tied:1 could not be counted"


def test_contaminated_prompts_are_counted_apart():
    rows = [(1, 0, {"contaminated": True})] * 3 + [(1, 0, {}), (0, 1, {})]
    found = measure("auto_j", judged(*rows))
    assert values(found)["micro"] == 0.8
    assert (found.clean[0], found.clean[1][0], found.contaminated[0], found.contaminated[1][0]) == (2, 0.5, 3, 1.0)
    assert measure("auto_j", judged((1, 0, {}))).clean is None


def test_intervals_resample_prompts_not_pairs():
    apart = measure("auto_j", judged(*[(i % 2, 0.5, {"prompt_id": f"p{i}"}) for i in range(400)]))
    together = measure("auto_j", judged(*[(i % 2, 0.5, {"prompt_id": f"p{i % 2}"}) for i in range(400)]))
    low, high = apart.figures["micro"][1:]
    assert 0.44 < low < 0.46 < 0.54 < high < 0.56  # 0.5 +- 1.96 * 0.5 / sqrt(400)
    assert together.figures["micro"][1:] == (0.0, 1.0)
    assert apart == measure("auto_j", judged(*[(i % 2, 0.5, {"prompt_id": f"p{i}"}) for i in range(400)]))


def with_rewards(store, name, reward):
    """A source's pairs with rewards by `reward(row, side)`."""
    rows = store.scan("pairs", [name]).collect()
    for side in ("chosen", "rejected"):
        rows = rows.with_columns(
            pl.Series(side, [reward(row, side) for row in rows.iter_rows(named=True)], dtype=pl.Float64)
        )
    return rows.with_columns(contaminated=pl.lit(False))


@pytest.fixture
def judgebench(store, real_data):
    ingest(store, "judgebench", path=str(real_data / "judgebench"), splits=["gpt"])
    return store


def test_an_always_equal_scorer_gets_what_judgebench_gives_it(judgebench):
    found = measure("judgebench", with_rewards(judgebench, "judgebench", lambda row, side: 1.0))
    assert found.headline == "gpt"
    assert (found.pairs, found.tied, found.missing) == (350, 350, [])
    assert values(found)["gpt"] == round(157 / 350, 9), "all its answers are B"


def test_the_decisions_published_with_judgebench_are_reproduced(judgebench, real_data):
    """150 decisions by Skywork-Reward-Llama-3.1-8B, and what their official accuracy comes to."""
    (outputs,) = (real_data / "judgebench" / "outputs").iterdir()
    games = {row["pair_id"]: row for row in map(json.loads, outputs.read_text().splitlines())}

    def reward(row, side):
        extra = json.loads(row["extra"])
        if extra["pair_id"] not in games:
            return None
        first, second = games[extra["pair_id"]]["judgments"][0]["judgment"]["scores"]
        return first if (extra["label"] == "A>B") == (side == "chosen") else second

    frame = with_rewards(judgebench, "judgebench", reward)
    from rewards._metrics import right

    scored = frame.filter(pl.col("chosen").is_not_null())
    won = right(scored, "wrong")
    for row, one in zip(scored.iter_rows(named=True), won, strict=True):
        extra = json.loads(row["extra"])
        opposite = {"A>B": "B>A", "B>A": "A>B"}[extra["label"]]
        assert games[extra["pair_id"]]["judgments"][0]["decision"] == (extra["label"] if one else opposite)
    official = [game["judgments"][0]["decision"] == game["label"] for game in games.values()]
    found = measure("judgebench", frame)
    assert found.pairs == len(official) == 150
    assert values(found)["gpt"] == round(sum(official) / 150, 9) == round(89 / 150, 9)
    by_source = defaultdict(list)
    for game in games.values():
        name = "mmlu-pro" if game["source"].startswith("mmlu-pro") else game["source"]
        by_source[f"gpt/{name}"].append(game["judgments"][0]["decision"] == game["label"])
    assert {name: round(float(np.mean(won)), 9) for name, won in by_source.items()}.items() <= values(
        found
    ).items()


SCORERS = {
    "ImageReward": 39,
    "aesthetics": 44,
    "blipscore": 10,
    "clipscore_v2": 42,
    "hps_v2.1": 54,
    "pickscore_v1": 56,
}


def test_the_predictions_published_with_mj_bench_are_reproduced(store, real_data):
    """56 predictions each by six scorers of pictures: how many their authors count as right."""
    ingest(store, "mj_bench", path=str(real_data / "mj-bench"))
    media = store.scan("media", ["mj_bench"]).collect()
    assert media.height == 112
    by_name = {}
    for file in (real_data / "mj-bench" / "quality" / "objects_indoor" / "examples_objects_indoor").iterdir():
        by_name[file.name] = media_id(store, media, file)
    for scorer, published in SCORERS.items():
        rows = json.loads(
            (real_data / "mj-bench" / "personal" / "result" / scorer / "object_indoor0.0.json").read_text()
        )
        reward_of = {}
        for row in rows:
            for side in "01":
                reward_of[by_name[row[f"image_{side}_path"]]] = row[f"score_{side}"]
        frame = with_rewards(store, "mj_bench", lambda row, side: reward_of[row[f"{side}_media_ids"][0]])  # noqa: B023
        found = measure("mj_bench", frame)
        assert sum(row["pred"] == row["label"] for row in rows) == published
        assert values(found)["micro"] == round(published / 56, 9), scorer
        assert found.tied == 0


def media_id(store, media, file):
    from pairs.media import check_image

    return check_image(file.read_bytes()).media_id


def test_real_benchmarks_have_the_sizes_their_metrics_expect(store, real_data):
    sizes = {
        "rm-bench": ("rm_bench", {"chat 0 0": 129, "code 0 0": 228, "safety 0 0": 284}),
        "llmbar": ("llmbar", {"Natural": 100, "Adversarial/Neighbor": 134, "Adversarial/Manual": 46}),
    }
    for folder, (name, counts) in sizes.items():
        splits = ["natural", "adversarial", "processed"] if name == "llmbar" else ["test"]
        ingest(store, name, path=str(real_data / folder), splits=splits)
        frame = with_rewards(store, name, lambda row, side: float(len(row[side][0]["content"])))
        entries = BENCHMARKS[name].entries(frame)
        held = dict(zip(entries.cells, np.bincount(entries.cell).tolist(), strict=True))
        assert counts.items() <= held.items()
        found = measure(name, frame)
        assert found.missing == {"rm_bench": ["math 0 of 529", "safety 284 of 441"], "llmbar": []}[name]
        assert all(0 <= low <= value <= high <= 1 for value, low, high in found.figures.values() if value == value)
    by_length = with_rewards(store, "rm_bench", lambda row, side: float(len(row[side][0]["content"])))
    levels = values(measure("rm_bench", by_length))
    assert levels["easy"] > levels["normal"] > levels["hard"], "length alone falls for style"


@pytest.mark.parametrize(
    "change",
    [{"headline": "macro"}, {"ties": "half"}, {"tie_within": 0.1}, {"weights": {"a": 2.0}}, {"per": "language"},
     {"by": pl.col("language")}, {"parts": pl.col("language")}],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_a_changed_definition_has_another_key(change, monkeypatch):
    before = {name: rule_key(name) for name in BENCHMARKS}
    monkeypatch.setitem(BENCHMARKS, "mj_bench", replace(BENCHMARKS["mj_bench"], **change))
    assert {name for name in BENCHMARKS if rule_key(name) != before[name]} == {"mj_bench"}


def test_changed_code_of_the_metrics_gives_other_keys(tmp_path):
    root = Path(__file__).parent.parent
    for room in ("rewards", "pairs"):
        shutil.copytree(root / room, tmp_path / room)
    told = "from rewards.benchmarks import rule_key; print(rule_key('mj_bench'))"
    keys = []
    for change in ("", "# another line\n"):
        with (tmp_path / "rewards" / "_cells.py").open("a") as file:
            file.write(change)
        done = subprocess.run(
            [sys.executable, "-c", told], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        keys.append(done.stdout.strip())
    assert keys[0] == rule_key("mj_bench") != keys[1]
