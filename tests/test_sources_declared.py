"""Sources declared in TOML: what each key does, which mistakes are named, and the guide that shows how."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import sources
from mixtures._recipe_tables import SourceRecipe
from pairs.errors import BadRow, PrefmillError, SetAside, SourceChanged
from pairs.media import encode_image
from pairs.schema import Pair
from pipelines.steps import load_recipe
from sources import _declared
from sources._read import ingest
from sources._shapes import PIXELS_PNG

ROOT = Path(__file__).parent.parent
GUIDE = ROOT / "docs" / "adding_a_source.md"
HEAD = """
about = "Toy votes, https://example.org/toy"
repo = "nobody/toy"
licence = "MIT"
label_source = "human"
"""
FILES = """
[files]
train = ["*.jsonl", "*.csv", "*.json"]
"""
PLAIN = """
[columns]
prompt = "q"
chosen = "good"
rejected = "bad"
"""
EXAMPLE = """
[example]
q = "q"
good = "yes"
bad = "no"
"""
VOTES = """
[columns]
prompt = "q"
a = "left"
b = "right"
label = "vote"

[labels]
a = [1, "left"]
b = [2, "right"]
tie = [0, true]

[example]
q = "q"
left = "one"
right = "two"
vote = 1
"""


@pytest.fixture
def declared(tmp_path):
    """Load a source from the text of its TOML."""

    def make(text: str):
        file = tmp_path / f"toy_{len(list(tmp_path.iterdir()))}.toml"
        file.write_text(text)
        return _declared.load(file, "sources.toy")

    return make


def pairs(module, **changes: Any) -> list[Pair | SetAside]:
    return list(module.pairs({**module.source.example, **changes}))


def only(module, **changes: Any) -> Pair:
    (pair,) = pairs(module, **changes)
    assert isinstance(pair, Pair)
    return pair


def broken(module, **changes: Any) -> str:
    with pytest.raises(BadRow) as caught:
        pairs(module, **changes)
    return f"{caught.value.kind} {caught.value.reason}"


def test_a_file_of_columns_is_a_source_with_its_facts(declared):
    module = declared(HEAD + FILES + PLAIN + EXAMPLE)
    assert module.__doc__ == "Toy votes, https://example.org/toy"
    assert (module.source.repo, module.source.licence, module.source.role) == ("nobody/toy", "MIT", "train")
    pair = only(module, more={"x": 1})
    assert (pair.prompt, pair.chosen, pair.rejected, pair.extra) == ("q", "yes", "no", {"more": {"x": 1}})


@pytest.mark.parametrize(
    ("vote", "chosen"), [(1, "one"), (1.0, "one"), ("left", "one"), (2, "two"), ("right", "two")]
)
def test_the_label_says_which_side_is_chosen(declared, vote, chosen):
    pair = only(declared(HEAD + FILES + VOTES), vote=vote)
    assert (pair.chosen, {pair.chosen, pair.rejected}) == (chosen, {"one", "two"})
    assert pair.extra == {"vote": vote}


def test_ties_and_null_labels_are_set_aside_and_unknown_labels_are_broken(declared):
    module = declared(HEAD + FILES + VOTES)
    assert [pairs(module, vote=vote)[0].reason for vote in (0, True, None)] == ["tie", "tie", "no_label"]
    assert broken(module, vote="1") == broken(module, vote=3) == "broken label_not_known"
    assert broken(module, vote=False) == "broken label_not_known"
    with pytest.raises(KeyError):
        list(module.pairs({"q": "q", "left": "one", "right": "two"}))


def test_an_optional_label_that_is_absent_sets_the_row_aside(declared):
    module = declared(HEAD + 'optional = ["vote"]\n' + FILES + VOTES)
    (finding,) = module.pairs({"q": "q", "left": "one", "right": "two"})
    assert (finding.kind, finding.reason) == ("set_aside", "no_label")


def test_messages_turns_and_typed_parts_are_understood(declared):
    module = declared(HEAD + FILES + PLAIN + EXAMPLE)
    turns = [
        {"from": "system", "value": "s"},
        {"from": "human", "value": "h"},
        {"from": "observation", "value": "o"},
    ]
    assert [turn["role"] for turn in only(module, q=turns).prompt] == ["system", "user", "tool"]
    parts = [{"type": "image"}, {"type": "text", "text": "Who?"}, {"type": "text", "value": "Where?"}]
    pictured = declared(HEAD + FILES + PLAIN + 'images = "photo"\n' + EXAMPLE + 'photo = "a.png"\n')
    assert only(pictured, q=[{"role": "user", "content": parts}]).prompt[0]["content"] == "<image>\nWho?\nWhere?"
    assert broken(module, q=[{"role": "user", "content": parts}]) == "broken picture_not_named"
    assert only(module, good={"role": "assistant", "content": "yes"}).chosen == [
        {"role": "assistant", "content": "yes"}
    ]
    assert broken(module, q=[{"from": "narrator", "value": "x"}]) == "broken speaker_not_known"
    assert broken(module, q=[{"role": "user", "content": [{"type": "audio"}]}]) == "broken part_not_text"
    assert broken(module, q=7) == "broken prompt_not_text"
    assert broken(module, good=None) == "broken good_not_text"


def test_without_a_prompt_two_dialogues_share_theirs(declared):
    user = {"role": "user", "content": "q"}
    good, bad = ({"role": "assistant", "content": text} for text in ("yes", "no"))
    text = HEAD + FILES + PLAIN + EXAMPLE
    module = declared(text.replace('prompt = "q"\n', ""))
    pair = only(module, good=[user, good], bad=[user, bad])
    assert (pair.prompt, pair.chosen, pair.rejected) == ([user], [good], [bad])
    assert broken(module, good=[user, good], bad=[{**user, "content": "Q"}, bad]) == "set_aside prompts_differ"
    assert broken(module) == "broken dialogue_not_messages"
    assert broken(declared(text), good=[user, good]) == "broken completion_holds_prompt"


def test_texts_are_filled_from_columns_and_paths_reach_into_them(declared):
    module = declared(
        HEAD
        + FILES
        + """
[columns]
prompt = "q"
chosen = "answers.1.text"
rejected = "answers.0.text"
margin = "gap"
rationale = "why"

[texts]
criterion = "faithfulness"
category = "{topic.name}, part {topic.number}"
group = "g{topic.number}"

[example]
q = "q"
answers = [{ text = "no" }, { text = "yes" }]
topic = { name = "rivers", number = 3 }
gap = "1.5"
why = "because"
"""
    )
    pair = only(module)
    assert (pair.chosen, pair.rejected, pair.source_margin, pair.rationale) == ("yes", "no", 1.5, "because")
    assert (pair.criterion, pair.category, pair.extra["group"]) == ("faithfulness", "rivers, part 3", "g3")
    assert broken(module, topic={"name": ["x"], "number": 3}) == "broken column_not_text"
    with pytest.raises(IndexError):
        pairs(module, answers=[{"text": "no"}])


def test_pictures_come_embedded_or_as_paths_one_or_many_or_none(declared):
    module = declared(
        HEAD
        + FILES
        + PLAIN
        + 'images = ["first", "second"]\n'
        + EXAMPLE
        + 'first = "<picture>"\nsecond = "b.png"\n'
    )
    assert only(module).images == [PIXELS_PNG, "b.png"]
    assert only(module, first=None, second=["x.png", {"bytes": PIXELS_PNG}]).images == ["x.png", PIXELS_PNG]
    assert broken(module, first={"bytes": None, "path": "a.png"}) == "broken image_not_bytes"
    named = declared(HEAD + FILES + PLAIN + '[texts]\nimages = "photos/{n}.jpg"\n' + EXAMPLE + "n = 5\n")
    assert only(named).images == ["photos/5.jpg"]
    assert (module.source.modality, named.source.modality) == ("image", "image")  # a mark is never a word there


def test_pictures_that_no_key_names_do_not_land_in_extra(declared):
    module = declared(HEAD + FILES + PLAIN + EXAMPLE)
    assert only(module, thumb=PIXELS_PNG, photo={"bytes": PIXELS_PNG, "path": "x"}, n=1).extra == {"n": 1}


def test_each_item_of_a_list_is_a_pair(declared):
    module = declared(
        HEAD
        + 'each = "pairs"\n'
        + FILES
        + '[columns]\nprompt = "q"\nchosen = "_item.0"\nrejected = "_item.1"\n'
        + '[example]\nq = "q"\npairs = [["a", "b"], ["c", "d"]]\n'
    )
    assert [(pair.chosen, pair.rejected) for pair in pairs(module)] == [("a", "b"), ("c", "d")]
    assert broken(module, pairs="ab") == "broken not_a_list"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("licence =", "license =", "did you mean 'licence'"),
        ('chosen = "good"', 'choosen = "good"', r"\[columns\] has no key 'choosen'; did you mean 'chosen'"),
        ('chosen = "good"', 'chosen = "goood"', "column 'goood' is not in the example; did you mean 'good'"),
        ('chosen = "good"\n', "", "needs chosen and rejected; or a, b and label"),
        ('chosen = "good"', 'chosen = "good"\nlabel = "q"', "needs chosen and rejected; or a, b and label"),
        ('label_source = "human"', 'label_source = "people"', "'human', 'model'"),
        ('label_source = "human"', 'label_source = "human"\nmodality = "picture"', "'multi_image'"),
        ('repo = "nobody/toy"', "repo = 7", "repo is 7: input should be a valid string"),
        ('repo = "nobody/toy"\n', "", "the top level lacks the key 'repo'"),
        ('repo = "nobody/toy"', 'repo = "nobody/toy"\nrevision = "main"', "a branch moves"),
        ("[example]", '[texts]\nprompt = "{q}!"\n[example]', r"prompt stands in \[columns\] and in \[texts\]"),
        ("[example]", "[labels]\na = [1]\nb = [2]\n[example]", "come together"),
        ("[example]", "[example", "not TOML"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_that_names_the_file_and_the_remedy(declared, old, new, message):
    text = HEAD + FILES + PLAIN + EXAMPLE
    assert old in text
    with pytest.raises(PrefmillError, match=message) as caught:
        declared(text.replace(old, new))
    assert "\n" not in str(caught.value)


def test_a_label_with_two_meanings_is_refused(declared):
    with pytest.raises(PrefmillError, match="two meanings"):
        declared(HEAD + FILES + VOTES.replace('"right"]', '"left"]'))
    declared(HEAD + FILES + VOTES)  # true is not 1


def test_a_declared_source_is_found_read_and_read_again_when_its_file_changes(store, tmp_path, monkeypatch):
    mine, native = tmp_path / "mine", tmp_path / "native"
    mine.mkdir()
    native.mkdir()
    (mine / "toy_votes.toml").write_text(HEAD + FILES + VOTES)
    (native / "votes.jsonl").write_text(
        "".join(json.dumps({"q": f"q{n}", "left": "a", "right": "b", "vote": n % 3}) + "\n" for n in range(9))
    )
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(mine)])
    sources.names.cache_clear()
    try:
        assert "toy_votes" in sources.names()
        books = ingest(store, "toy_votes", path=str(native))
        assert (books.rows, books.pairs, books.asides) == (9, 6, {"tie": 3})
        assert not ingest(store, "toy_votes", path=str(native)).changed
        assert store.scan("pairs", ["toy_votes"]).collect()["chosen"][0][0]["content"] == "a"
        (mine / "toy_votes.toml").write_text(HEAD.replace("MIT", "CC0-1.0") + FILES + VOTES)
        assert ingest(store, "toy_votes", path=str(native)).licence == "CC0-1.0"
    finally:
        sources.names.cache_clear()


def test_names_that_clash_or_cannot_be_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(tmp_path)])
    try:
        for file, message in (("hh_rlhf.toml", "have one name"), ("my-votes.toml", "named like its file")):
            (tmp_path / file).write_text("")
            sources.names.cache_clear()
            with pytest.raises(PrefmillError, match=message):
                sources.names()
            (tmp_path / file).unlink()
    finally:
        monkeypatch.undo()
        sources.names.cache_clear()
    with pytest.raises(PrefmillError, match="did you mean 'hh_rlhf'"):
        sources.load("hh_rlfh")


# Rows, pairs and findings of the real files.
REAL = {
    "llama_factory_v1_dpo": ("llama-factory", 10, 10, {}),
    "medicalgpt_dpo": ("medicalgpt", 499, 499, {}),
    "medicalgpt_toolcall_dpo": ("medicalgpt", 11, 11, {}),
    "sparse_feedback": ("sparse-feedback", 20, 80, {}),
    "sparse_feedback_verdicts": ("sparse-feedback", 118, 80, {"tie": 38}),
    "llava_review": ("llava-gpt4-review", 320, 286, {"empty_completion": 1, "tie": 33}),
    "clipscore_captions": ("clipscore-example", 2, 2, {}),
}


@pytest.mark.real
@pytest.mark.parametrize("name", REAL)
def test_real_files_of_declared_sources_become_exactly_these_pairs(name, store, real_data):
    folder, rows, pairs, asides = REAL[name]
    books = ingest(store, name, path=str(real_data / folder))
    assert (books.rows, books.pairs, books.asides, books.new_columns) == (rows, pairs, asides, [])


@pytest.mark.real
def test_real_captions_of_sugar_crepe_meet_their_photos(store, real_data, tmp_path):
    """The photos are not at hand, so one picture stands for all."""
    (tmp_path / "val2017").mkdir()
    captions = json.loads((real_data / "sugar-crepe" / "replace_att.json").read_text())
    for row in captions.values():
        (tmp_path / "val2017" / row["filename"]).write_bytes(PIXELS_PNG)
    (tmp_path / "replace_att.json").write_text(json.dumps(captions))
    books = ingest(store, "sugar_crepe", path=str(tmp_path))
    assert (books.rows, books.pairs) == (788, 788)
    pair = store.scan("pairs", ["sugar_crepe"]).collect().row(0, named=True)
    assert (pair["modality"], pair["criterion"]) == ("image", "faithfulness")
    assert pair["chosen"][0]["content"] in {row["caption"].rstrip() for row in captions.values()}


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)


def test_the_sources_of_the_guide_work_as_it_says(tmp_path):
    mine, votes, ratings = (tmp_path / name for name in ("mine", "votes", "ratings"))
    for folder in (mine, votes, ratings, votes / "a"):
        folder.mkdir()
    (row,), (toml, join, urls, recipe), (code,) = blocks("json"), blocks("toml"), blocks("python")
    (tmp_path / "recipe.toml").write_text(recipe)
    assert load_recipe(str(tmp_path / "recipe.toml")).sources["povid"].pictures == "/data/coco/train2014.zip"
    assert SourceRecipe(**tomllib.loads(urls)["sources"]["mine"]).open_urls[0] == "images.example.org"
    shipped = tomllib.loads((ROOT / "sources" / "llava_review.toml").read_text())
    assert tomllib.loads(join)["join"].items() <= shipped["join"].items()
    (mine / "kitchen_votes.toml").write_text(toml)
    (mine / "kitchen_ratings.py").write_text(code)
    (votes / "votes.jsonl").write_text(row)
    (votes / "a" / "danube.png").write_bytes(encode_image(_stripes()))
    answers = [{"text": text, "stars": stars} for text, stars in (("A", 5), ("B", 2), ("C", 2), ("D", None))]
    (ratings / "r.jsonl").write_text(json.dumps({"question": "q", "answers": answers}))
    environment = {**os.environ, "PREFMILL_SOURCES": str(mine), "PYTHONPATH": str(ROOT)}
    said = {}
    for name, folder in (("kitchen_votes", votes), ("kitchen_ratings", ratings)):
        command = [sys.executable, "-c", "from pipelines.cli import app; app()", "check", name, str(folder)]
        said[name] = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
    assert "1 gave pairs, 1 of them" in said["kitchen_votes"]
    assert "PNG of 12 x 8 pixels" in said["kitchen_votes"]
    assert "1 gave pairs, 2 of them" in said["kitchen_ratings"]
    assert "margin 3" in said["kitchen_ratings"]
    assert "3 score_missing" in said["kitchen_ratings"]


def _stripes():
    import numpy as np

    return np.tile(np.arange(12, dtype=np.uint8)[None, :, None] * 20, (8, 1, 3))


def test_the_guide_names_every_key():
    from sources._declaration import Columns, Declared, Texts

    for key in {*Declared.model_fields, *Columns.model_fields, *Texts.model_fields}:
        assert f"`{key}`" in GUIDE.read_text() or f"`[{key}]`" in GUIDE.read_text(), key


JOINED = (
    HEAD
    + """
[files]
train = ["votes.jsonl"]
[join.asked]
files = ["questions/*.json"]
key = "_key"
by = "q_id"
[columns]
prompt = "asked._value"
a = "left"
b = "right"
a_score = "scores.0"
b_score = "scores.1"
[example]
q_id = 1
left = "yes"
right = "no"
scores = [2, 1]
asked = { _key = "1", _value = "Is it?" }
"""
)


def voted(q_id, *scores):
    return {"q_id": q_id, "left": f"yes {q_id}", "right": f"no {q_id}", "scores": scores}


@pytest.fixture
def installed(tmp_path_factory, monkeypatch):
    """Put the text of a TOML file where sources are found, as the source `toy`."""

    def put(text: str) -> None:
        folder = tmp_path_factory.mktemp("mine")
        (folder / "toy.toml").write_text(text)
        monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(folder)])
        sources.names.cache_clear()

    yield put
    monkeypatch.undo()
    sources.names.cache_clear()


def test_rows_of_other_files_are_joined_and_scores_decide(installed, store, tmp_path):
    installed(JOINED)
    (tmp_path / "questions").mkdir()
    (tmp_path / "questions" / "one.json").write_text(json.dumps({"1": "Is it?", "2": "Was it?", "4": "Will it?"}))
    (tmp_path / "questions" / "two.json").write_text(json.dumps({"2": "Was it?", "4": "Would it?"}))
    rows = [voted(1, 9, 8.5), voted("2", 1, 3), voted(1, 2, 2), voted(2, 1, None), voted(3, 1, 2), voted(4, 1, 2)]
    (tmp_path / "votes.jsonl").write_text("\n".join(map(json.dumps, rows)))
    books = ingest(store, "toy", path=str(tmp_path))
    assert (books.rows, books.pairs, books.broken) == (6, 2, 2)
    assert {"tie": 1, "score_missing": 1, "not_joined": 2}.items() <= books.asides.items()
    found = store.scan("pairs", ["toy"]).collect()
    said = {row["prompt"][0]["content"]: (row["chosen"][0]["content"], row["source_margin"])
            for row in found.iter_rows(named=True)}  # fmt: skip
    assert said == {"Is it?": ("yes 1", 0.5), "Was it?": ("no 2", 2.0)}
    reasons = store.scan("bad_rows", ["toy"]).collect().filter(pl.col("reason") == "not_joined")["detail"]
    assert any("has no row" in reason for reason in reasons)
    assert any("has unlike rows" in reason for reason in reasons)
    # A joined file that changes is read again; a missing one is named.
    assert not ingest(store, "toy", path=str(tmp_path)).changed
    (tmp_path / "questions" / "two.json").unlink()
    assert ingest(store, "toy", path=str(tmp_path)).pairs == 3
    (tmp_path / "questions" / "one.json").unlink()
    with pytest.raises(SourceChanged, match=r"no file questions/\*.json below .*, whose rows are joined"):
        ingest(store, "toy", path=str(tmp_path))


def test_a_table_without_a_header_line_gets_its_columns_from_the_file(installed, store, tmp_path):
    installed(HEAD.strip() + '\nheader = ["q", "good", "bad"]\n' + FILES + PLAIN + EXAMPLE)
    (tmp_path / "a.csv").write_text('Is it?,yes,no\n"Was it,\nthen?",no,yes\nshort,row\n')
    books = ingest(store, "toy", path=str(tmp_path))
    assert (books.rows, books.pairs, books.broken) == (3, 2, 1)


def test_real_descriptions_of_imageinwords_are_pairs_on_five_scales(store, real_data, tmp_path):
    (tmp_path / "images").mkdir()
    lines = (real_data / "imageinwords" / "IIW-400" / "data.jsonl").read_text()
    (tmp_path / "data.jsonl").write_text(lines)
    for number, line in enumerate(lines.splitlines()):
        (tmp_path / "images" / f"{json.loads(line)['image/key']}.jpg").write_bytes(
            PIXELS_PNG + bytes(str(number), "ascii")
        )
    books = ingest(store, "imageinwords", path=str(tmp_path))
    # As counted in the file: 418 verdicts for a side, 82 Neutral, 300 photos that nobody compared.
    assert (books.rows, books.pairs, books.asides) == (400, 418, {"not_compared": 300, "tie": 82})
    found = store.scan("pairs", ["imageinwords"]).collect()
    assert dict(found["source_margin"].value_counts().iter_rows()) == {2.0: 221 + 6, 1.0: 165 + 26}
    by_people = {json.loads(line)["IIW"].strip() for line in lines.splitlines()}
    assert sum(row[0]["content"] in by_people for row in found["chosen"]) == 221 + 165


def test_real_rows_of_mj_benchs_alignment_are_pairs_of_pictures(store, real_data, tmp_path):
    shutil.copytree(real_data / "mj-bench" / "alignment", tmp_path / "alignment")
    (tmp_path / "images").mkdir()
    names = set()
    for file in (tmp_path / "alignment" / "benchmark").rglob("*.json"):
        names |= {row[side] for row in json.loads(file.read_text()) for side in ("image0", "image1")}
    for number, name in enumerate(sorted(names)):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / name).write_bytes(encode_image(_shade(number)))
    books = ingest(store, "mj_bench_alignment", path=str(tmp_path))
    assert (books.rows, books.pairs, books.broken) == (840, 519, 0)


def _shade(number):
    import numpy as np

    return np.full((4, 4, 3), (number % 256, number // 256, 0), np.uint8)
