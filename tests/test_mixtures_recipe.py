"""Recipes: what is written is checked, and every mistake is one line that says where and what was meant."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import BaseModel

from mixtures._recipe import load_recipe
from pairs.errors import RecipeError
from pipelines import steps

SOURCES = ("hh_rlhf", "ultrafeedback", "rlaif_v")


class Duplicates(BaseModel, extra="forbid"):
    text_jaccard: float = 0.8
    priority: list[str] = []


class LengthBias(BaseModel, extra="forbid"):
    policy: Literal["match", "weight", "cap"] = "match"
    bins: int = 8
    ratio: float = 1.0


class Train(BaseModel, extra="forbid"):
    backbone: str = "embedded"
    learning_rate: float = 1e-3


RULES = {"duplicates": Duplicates, "length_bias": LengthBias}
GOOD = """
size = 100
splits = { validation = 0.01, test = 0.02 }
[sources.rlaif_v]
weight = 3
[sources.hh_rlhf]
weight = 1.5
cap = 10
[rules.length_bias]
policy = "cap"
[rules.duplicates]
[train]
backbone = "x/y"
"""


def read(tmp_path, text, name="demo"):
    path = tmp_path / f"{name}.toml"
    path.write_text(text)
    return load_recipe(path, rules=RULES, sources=SOURCES, train=Train)


def problems(tmp_path, text, name="demo"):
    with pytest.raises(RecipeError) as caught:
        read(tmp_path, text, name)
    return [line.split(".toml: ", 1)[1] for line in str(caught.value).splitlines()]


def test_a_recipe_keeps_its_order_its_text_and_its_defaults(tmp_path):
    recipe = read(tmp_path, GOOD)
    assert recipe.name == "demo"
    assert recipe.text == GOOD
    assert list(recipe.sources) == ["rlaif_v", "hh_rlhf"]
    assert list(recipe.rules) == ["length_bias", "duplicates"]
    assert recipe.rules["length_bias"] == LengthBias(policy="cap")
    assert (recipe.seed, recipe.size, recipe.temperature) == (17, 100, 1.0)
    assert recipe.sources["rlaif_v"].weight == 3.0
    assert recipe.train == Train(backbone="x/y")
    assert recipe.rewards.model == "embedded"


def test_the_fingerprint_is_of_the_meaning(tmp_path):
    base = read(tmp_path, GOOD).fingerprint
    assert read(tmp_path, "# a remark\n" + GOOD.replace("size = 100", "size=1_00")).fingerprint == base
    assert (
        read(tmp_path, GOOD.replace("[rules.duplicates]", "[rules.duplicates]\ntext_jaccard = 0.8")).fingerprint
        == base
    )
    for old, new in (("1.5", "1.6"), ("size = 100", "size = 101"), ("x/y", "x/z"), ('"cap"', '"match"')):
        assert read(tmp_path, GOOD.replace(old, new)).fingerprint != base
    swapped = GOOD.replace("[rules.duplicates]\n", "").replace(
        "[rules.length", "[rules.duplicates]\n[rules.length"
    )
    assert list(read(tmp_path, swapped).rules) == ["duplicates", "length_bias"]
    assert read(tmp_path, swapped).fingerprint != base


POLCY = "[rules.length_bias] has no key 'polcy'; did you mean 'policy'? (known: policy, bins, ratio)"
WEIGHTS = "weights add up to 1.5 and leave no share to the sources without one"
COMMERCIAL = "licences = { use = 'commercial', allow = ['MIT', 'CC-BY-NC-4.0'] }"
UNSET = (
    "sources.rlaif_v.path needs the environment variable NOWHERE_SET: set it to the folder of the source's files, "
    "which sources/rlaif_v.* describes, or take the table [sources.rlaif_v] out"
)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("policy =", "polcy ="), POLCY),
        (("size =", "sise ="), "the top level has no key 'sise'; did you mean 'size'?"),
        (("[rules.dup", "[rule.dup"), "the top level has no key 'rule'; did you mean 'rules'?"),
        (("cap =", "kap ="), "[sources.hh_rlhf] has no key 'kap'; did you mean 'cap'?"),
        (("rules.duplicates", "rules.duplicate"), "[rules.duplicate]: no rule 'duplicate'; did you mean 'dup"),
        (("hh_rlhf", "hh_rlh"), "[sources.hh_rlh]: no source 'hh_rlh'; did you mean 'hh_rlhf'?"),
        (("backbone", "backbon"), "[train] has no key 'backbon'; did you mean 'backbone'?"),
        (("[train]", "[rewards]\nmodle = 'x'\n[train]"), "[rewards] has no key 'modle'; did you mean 'model'?"),
        (("100", "'100'"), "size is '100': input should be a valid integer"),
        (("100", "true"), "size is True: input should be a valid integer"),
        (("100", "0"), "size is 0: input should be greater than or equal to 1"),
        (("1.5", "nan"), "sources.hh_rlhf.weight is nan: input should be a finite number"),
        (("1.5", "-1"), "sources.hh_rlhf.weight is -1: input should be greater than 0"),
        (('"cap"', '"cup"'), "rules.length_bias.policy is 'cup': input should be 'match', 'weight' or 'cap'"),
        (("[train]", "[[train]]"), "train is [{'backbone': 'x/y'}], expected a table [train]"),
        (("test = 0.02", "test = 1.5"), "splits.test is 1.5: input should be less than 1"),
        (("test = 0.02", "test = 0.99"), "splits add up to 1, which leaves nothing for train"),
        (("test =", "train ="), "splits.train: expected a name like"),
        (("weight = 3", ""), WEIGHTS),
        (("size = 100", "modality_ratio = { txt = 1.0 }"), "modality_ratio has no modality 'txt'; did you"),
        (("size = 100", "modality_ratio = { text = 0 }"), "modality_ratio has no number above 0"),
        (("size = 100", "category_ratio = { chat = 0 }"), "category_ratio has no number above 0"),
        (("size =", "max_copys ="), "the top level has no key 'max_copys'; did you mean 'max_copies'?"),
        (("size = 100", "max_copies = 0"), "max_copies is 0: input should be greater than or equal to 1"),
        (("size =", "label_sources.alow ="), "[label_sources] has no key 'alow'; did you mean 'allow'?"),
        (("size = 100", "label_sources.deny = ['modell']"), "label_sources names 'modell', which no pair has; "),
        (("size = 100", "modalities.allow = ['txt']"), "modalities names 'txt', which no pair has; did"),
        (("size = 100", "modalities.allow = []"), "modalities.allow is []: list should have at least 1 item"),
        (("size = 100", "licences.use = 'private'"), "licences.use is 'private': input should be 'commercial'"),
        (("size = 100", COMMERCIAL), "licences.allow names 'CC-BY-NC-4.0', but licences.use is 'commercial'"),
        (("size = 100", "size = = 3"), "not TOML: "),
        (("weight = 3", "weight = 3\npath = '${NOWHERE_SET}/x'"), UNSET),
        (("weight = 3", "weight = 3\npath = '/x'\nrevision = 'v1'"), "sources.rlaif_v has a path and a revision"),
        (("weight = 3", "weight = 3\nrevision = ''"), "sources.rlaif_v.revision is '': string should have at"),
    ],
)  # fmt: skip
def test_each_mistake_is_one_line_that_says_where(tmp_path, change, line):
    assert change[0] in GOOD
    found = problems(tmp_path, GOOD.replace(*change, 1))
    assert len(found) == 1
    assert found[0].startswith(line)


def test_a_rule_names_only_sources_of_the_recipe(tmp_path):
    known = GOOD.replace("[rules.duplicates]", '[rules.duplicates]\npriority = ["hh_rlhf"]')
    assert read(tmp_path, known).rules["duplicates"].priority == ["hh_rlhf"]
    assert problems(tmp_path, known.replace('["hh_rlhf"]', '["rlaif_v", "hh_rhlf"]')) == [
        "rules.duplicates.priority names no source 'hh_rhlf'; did you mean 'hh_rlhf'? (known: rlaif_v, hh_rlhf)"
    ]


def test_a_rule_is_against_benchmarks_of_the_recipe_only(tmp_path):
    file = tmp_path / "m.toml"

    def told(against, *sources):
        named = "".join(f"[sources.{name}]\n" for name in sources)
        file.write_text(f"{named}[rules.contamination]\nagainst = {against}\n")
        try:
            return steps.load_recipe(str(file)).rules["contamination"].against
        except RecipeError as error:
            return str(error).split(".toml: ", 1)[1]

    assert told(["judgebench"], "hh_rlhf", "judgebench") == ["judgebench"]
    assert told(["judgebench"], "hh_rlhf", "llmbar") == (
        "rules.contamination.against names no source 'judgebench' (known: hh_rlhf, llmbar)"
    )
    assert told(["hh_rlhf"], "hh_rlhf", "judgebench") == (
        "rules.contamination.against names 'hh_rlhf', which is no benchmark (known: judgebench)"
    )
    assert told(["rm_bensh"], "hh_rlhf", "rm_bench") == (
        "rules.contamination.against names no source 'rm_bensh'; did you mean 'rm_bench'? "
        "(known: hh_rlhf, rm_bench)"
    )
    assert told(["hh_rlhf"], "hh_rlhf") == (
        "rules.contamination.against names 'hh_rlhf', which is no benchmark; this file lists no benchmark"
    )


def test_benchmarks_that_are_only_compared_with_need_no_share(tmp_path):
    file = tmp_path / "m.toml"
    text = "[sources.hh_rlhf]\nweight = 0.6\n[sources.rlaif_v]\nweight = 0.4\n[sources.llmbar]\n"
    file.write_text(text)
    assert steps.load_recipe(str(file)).sources["llmbar"].weight is None
    for more in ("admit_benchmark = true\n", "[sources.shp]\n"):
        file.write_text(text + more)
        with pytest.raises(RecipeError, match=r"weights add up to 1 and leave no share"):
            steps.load_recipe(str(file))


def test_all_mistakes_of_a_file_are_shown_at_once(tmp_path):
    text = GOOD.replace("size =", "sise =").replace("cap = 10", "cap = 'x'").replace("policy", "polcy")
    assert len(problems(tmp_path, text)) == 3


def test_a_recipe_needs_a_source_and_a_name_that_can_be_published(tmp_path):
    assert problems(tmp_path, "seed = 1")[0].startswith("names no source")
    assert "'text'" in problems(tmp_path, GOOD, "text")[0]
    assert "named like its file" in problems(tmp_path, GOOD, "a b")[0]
    with pytest.raises(RecipeError, match=r"none\.toml: No such file"):
        load_recipe(tmp_path / "none.toml", rules=RULES, sources=SOURCES, train=Train)


def test_variables_in_paths_are_filled_in_and_leave_the_fingerprint(tmp_path, monkeypatch):
    text = GOOD.replace("weight = 3", "weight = 3\npath = '${PREFMILL_HERE}/x'")
    monkeypatch.setenv("PREFMILL_HERE", "/data")
    first = read(tmp_path, text)
    monkeypatch.setenv("PREFMILL_HERE", "/other")
    assert first.sources["rlaif_v"].path == "/data/x"
    assert read(tmp_path, text).fingerprint == first.fingerprint


def test_a_bilevel_search_wants_its_trusted_sets_named(tmp_path):
    text = GOOD + "[search]\nmethod = 'bilevel'\n"
    assert problems(tmp_path, text) == [
        "search.method 'bilevel' learns weights against trusted sets; name them in search.trusted"
    ]
    assert read(tmp_path, text + "trusted = ['hh_rlhf']\n").search.method == "bilevel"


@pytest.mark.parametrize("rule", ["contradictions", "duplicates", "near_duplicates", "near_images"])
def test_labels_are_compared_before_any_is_flipped(tmp_path, rule):
    (tmp_path / "turned.toml").write_text(
        f'[sources.hh_rlhf]\n[rules.reward_disagreement]\npolicy = "flip"\n[rules.{rule}]\n'
    )
    with pytest.raises(RecipeError) as caught:
        steps.load_recipe(str(tmp_path / "turned.toml"))
    assert str(caught.value).endswith(
        f"[rules.{rule}] compares labels as the sources wrote them, but comes after [rules.reward_disagreement], "
        "which flips some: write it before"
    )
    for text in (
        f'[sources.hh_rlhf]\n[rules.{rule}]\n[rules.reward_disagreement]\npolicy = "flip"\n',
        f'[sources.hh_rlhf]\n[rules.reward_disagreement]\npolicy = "soften"\n[rules.{rule}]\n',
    ):
        (tmp_path / "sound.toml").write_text(text)
        assert rule in steps.load_recipe(str(tmp_path / "sound.toml")).rules
