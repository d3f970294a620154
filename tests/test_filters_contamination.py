"""Contamination: what a training pair shares with a benchmark, and what is no leak."""

from __future__ import annotations

import gzip
import importlib
import json
import random

import polars as pl
import pytest
from filter_frames import pairs, survivors

from filters import _apply
from filters.contamination import Rule, overlap
from pairs import tables
from pairs.errors import BadRow
from pairs.schema import Pair, canonical_pair
from pairs.tables import PAIRS

QUESTION = "Which three plants would you put on a balcony in Ghent that faces north and gets no rain?"
RIGHT = (
    "Ferns, hostas and ivy all do well in the shade as long as you water them by hand every third day in summer"
)
WRONG = "Tomatoes and cacti are what I would take because they look nice and because everybody has a few of them"
OWN = "An answer of the training set that says something entirely different and is long enough to be told apart"
OTHER = (
    "Yet another answer that shares no run of words at all with the ones that stand above this line in the file"
)
MEDIA = pl.from_arrow(tables.MEDIA.empty_table())
WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("", "n", "rt", "st")]


def exam(*rows, images=()):
    return pairs(*rows, images=images).with_columns(role=pl.lit("benchmark"))


def run(table, media=MEDIA, files=None):
    """The signal; `files` are the bytes of the pictures by id."""
    reads = {"media": media.lazy(), "read_media": lambda rows: {name: files[name] for name in rows["media_id"]}}
    return pl.from_arrow(_apply.run_signal("contamination", {"pairs": table.lazy(), **reads}))


def measured(*tables):
    """The signal of the training pairs."""
    every = pl.concat(tables)
    signal = run(every)
    assert set(signal["pair_id"]) == set(every["pair_id"])
    return signal.join(every.filter(pl.col("role") == "train"), on="pair_id", how="semi")


def test_a_benchmark_s_own_pairs_have_no_hit():
    signal = run(BENCHMARK)
    assert signal["hits"].to_list() == [[]]


def hits(*tables):
    """(part, similarity) by benchmark of the only training pair; a list of them where it shares several parts."""
    (row,) = measured(*tables)["hits"].to_list()
    found = {}
    for hit in row:
        found.setdefault(hit["benchmark"], []).append((hit["part"], pytest.approx(hit["similarity"])))
    return {name: parts[0] if len(parts) == 1 else parts for name, parts in found.items()}


BENCHMARK = exam(("bench", QUESTION, RIGHT, WRONG))


@pytest.mark.parametrize(
    ("prompt", "similarity"),
    [
        (QUESTION, 1),
        (QUESTION.upper() + "!!", 1),
        (QUESTION.replace("three", "four"), 17 / 19),
        (f"Answer in one word. {QUESTION} Think it over before you write, and name your sources in the end.", 1),
    ],
)
def test_a_shared_prompt_is_found(prompt, similarity):
    assert hits(pairs(("a", prompt, OWN, OTHER)), BENCHMARK) == {"bench": ("prompt", similarity)}


def test_a_dialogue_that_opens_with_the_benchmarks_prompt_is_found():
    table = pairs(("a", "Who sings?", OWN, OTHER))
    turns = [("user", "How do I knit?"), ("assistant", OTHER), ("user", "And in winter?")]
    prompt = [{"role": role, "content": content} for role, content in turns]
    dialogue = table.with_columns(prompt=pl.Series([prompt]))
    assert hits(dialogue, exam(("bench", "how do I knit", RIGHT, WRONG))) == {"bench": ("prompt", 1)}
    assert hits(dialogue, exam(("bench", "And in winter", RIGHT, WRONG))) == {}


def test_a_system_turn_hides_no_shared_prompt():
    told = [{"role": "system", "content": OTHER}, {"role": "user", "content": "How tall?"}]
    table = pairs(("a", "x", OWN, OTHER)).with_columns(prompt=pl.Series([told]))
    assert hits(table, exam(("bench", "How tall?", RIGHT, WRONG))) == {"bench": ("prompt", 1)}


def test_every_benchmark_is_named_however_it_spells_the_prompt():
    spelt = [
        exam((name, QUESTION + mark, RIGHT, WRONG)) for name, mark in (("one", "!"), ("two", "..."), ("six", ""))
    ]
    assert set(hits(pairs(("a", QUESTION, OWN, OTHER)), *spelt)) == {"one", "two", "six"}


def test_of_pairs_on_one_prompt_the_least_is_named():
    several = exam(*(("bench", QUESTION, f"{RIGHT} {number}", WRONG) for number in range(30)))
    (row,) = measured(pairs(("a", QUESTION, OWN, OTHER)), several)["hits"].to_list()
    assert row[0]["benchmark_pair"] == several["pair_id"].min()


def test_the_same_words_in_another_order_are_another_completion():
    shuffled = " ".join(random.Random(0).sample(RIGHT.split(), len(RIGHT.split())))
    assert hits(pairs(("a", "What is new?", shuffled, OWN)), BENCHMARK) == {}


def test_a_benchmark_that_quotes_a_training_prompt_is_no_leak():
    assert (
        hits(pairs(("a", QUESTION, OWN, OTHER)), exam(("bench", f"{OTHER} {QUESTION} {WRONG}", RIGHT, OWN[:40])))
        == {}
    )


@pytest.mark.parametrize(("side", "part"), [(("chosen", RIGHT), "chosen"), (("rejected", WRONG), "rejected")])
def test_a_shared_completion_is_found_on_either_side(side, part):
    completions = {"chosen": OWN, "rejected": OTHER} | dict([side])
    table = pairs(("a", "What is new?", completions["chosen"], completions["rejected"]))
    assert hits(table, BENCHMARK) == {"bench": (part, 1)}
    turned = exam(("bench", QUESTION, WRONG, RIGHT))
    assert hits(table, turned) == {"bench": (part, 1)}, "whichever side the benchmark prefers"


def test_what_strangers_say_as_well_is_no_leak():
    assert (
        hits(
            pairs(("a", "What is new?", "Yes, of course.", "No.")),
            exam(("bench", QUESTION, "Yes, of course.", "No.")),
        )
        == {}
    )
    refusal = "I am sorry but as a language model I cannot help you with that request, please ask somebody else."
    many = exam(*(("bench", f"{QUESTION} {number}", refusal, RIGHT[number:]) for number in range(3)))
    assert hits(pairs(("a", "What is new?", OWN, refusal)), many) == {}


def test_a_picture_is_found_whatever_is_asked():
    seen = exam(("bench", "What is shown?", RIGHT, WRONG), images=["1" * 32])
    assert hits(pairs(("a", "Count the cats.", OWN, OTHER), images=["1" * 32]), seen) == {"bench": ("picture", 1)}
    both = {"bench": [("prompt", 1), ("picture", 1)]}
    assert hits(pairs(("a", "What is shown?", OWN, OTHER), images=["1" * 32]), seen) == both


def test_a_prompt_that_fits_any_picture_needs_the_picture():
    plain = "Describe this image."
    seen = exam(("bench", plain, RIGHT, WRONG), images=["1" * 32])
    assert hits(pairs(("a", plain, OWN, OTHER), images=["2" * 32]), seen) == {}
    generic = "Please describe this image in as much detail as you can and leave nothing out"
    many = [exam(("bench", generic, RIGHT + str(i), WRONG), images=[str(i) * 32]) for i in range(3)]
    assert hits(pairs(("a", generic, OWN, OTHER), images=["9" * 32]), *many) == {}
    specific = exam(("bench", QUESTION, RIGHT, WRONG), images=["1" * 32])
    assert hits(pairs(("a", QUESTION, OWN, OTHER)), specific) == {"bench": ("prompt", 1)}
    assert hits(pairs(("a", QUESTION, OWN, OTHER), images=["2" * 32]), specific) == {"bench": ("prompt", 1)}


def test_the_worst_hit_of_each_benchmark_is_kept_and_the_rule_chooses_among_them():
    table = pairs(("a", QUESTION, OWN, OTHER))
    edited = exam(("second", QUESTION.replace("three", "four"), RIGHT, WRONG), ("second", "Who?", OWN, WRONG))
    signal = measured(table, BENCHMARK, edited)
    seen = survivors(table)
    (made,) = _apply.decide("contamination", seen, signal, Rule()).to_dicts()
    assert (made["reason"], made["value"], made["by"]) == ("contaminated_prompt", 1, BENCHMARK["pair_id"][0])
    (made,) = _apply.decide("contamination", seen, signal, Rule(against=["second"])).to_dicts()
    assert (made["reason"], made["by"]) == ("contaminated_chosen", edited["pair_id"][1])
    assert _apply.decide("contamination", seen, signal, Rule(against=["third"])).is_empty()


def test_the_rule_may_let_a_shared_picture_with_another_question_pass():
    seen = exam(("bench", QUESTION, RIGHT, WRONG), images=["1" * 32])
    table = pairs(("a", "Count the cats.", OWN, OTHER), ("a", QUESTION, OWN, OTHER), images=["1" * 32])
    signal = measured(table, seen)
    (first, second), but_pictures = table["pair_id"], ["prompt", "chosen", "rejected"]
    made = _apply.decide("contamination", survivors(table), signal, Rule())
    assert dict(made.select("pair_id", "reason").iter_rows()) == {
        first: "contaminated_picture",
        second: "contaminated_prompt",
    }
    made = _apply.decide("contamination", survivors(table), signal, Rule(parts=but_pictures))
    assert made["pair_id"].to_list() == [second]
    (counted,) = overlap(signal, pl.concat([table, seen])).to_dicts()
    assert (counted["hit"], counted["prompt"], counted["picture"]) == (2, 1, 2)


def test_the_threshold_belongs_to_the_rule():
    table = pairs(("a", QUESTION.replace("three", "four"), OWN, OTHER))
    signal = measured(table, BENCHMARK)
    assert _apply.decide("contamination", survivors(table), signal, Rule(similarity=0.9)).is_empty()
    assert _apply.decide("contamination", survivors(table), signal, Rule(similarity=0.88)).height == 1


def test_a_pair_that_was_not_measured_is_dropped():
    table = pairs(("a", QUESTION, OWN, OTHER))
    made = _apply.decide("contamination", survivors(table), measured(table, BENCHMARK).clear(), Rule())
    assert made["reason"].to_list() == ["contamination_signal_missing"]


def test_benchmarks_have_no_signal_and_without_them_nothing_is_hit():
    table = pairs(("a", QUESTION, RIGHT, WRONG))
    assert measured(table, BENCHMARK)["pair_id"].to_list() == table["pair_id"].to_list()
    assert hits(table) == {}
    assert measured(BENCHMARK).is_empty()


def text(rng, low, high):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(low, high)))


def made_up(rng, source, count):
    return [(source, text(rng, 5, 40), text(rng, 5, 150), text(rng, 5, 150)) for _ in range(count)]


def leaked(rng, row):
    """One training row that shares something with a benchmark's row, and what."""
    part = rng.choice(["prompt", "quoted", "chosen", "rejected"])
    _, prompt, chosen, rejected = row
    mine = made_up(rng, "a", 1)[0]
    if part == "chosen" and len(chosen.split()) >= 16:
        return ("a", mine[1], chosen, mine[3]), part
    if part == "rejected" and len(rejected.split()) >= 16:
        return ("a", mine[1], mine[2], rejected), part
    if part == "quoted" and len(prompt.split()) >= 8:
        return ("a", f"{mine[2]} {prompt} {mine[3]}", *mine[2:]), "prompt"
    return ("a", prompt.title(), *mine[2:]), "prompt"


def test_all_planted_leaks_are_found_and_none_is_invented():
    rng = random.Random(11)
    exams = made_up(rng, "bench", 200)
    planted = [leaked(rng, row) for row in exams]
    clean = pairs(*made_up(rng, "b", 600))
    dirty = pairs(*(row for row, _ in planted))
    signal = measured(clean, dirty, exam(*exams))
    found = dict(signal.explode("hits").drop_nulls().unnest("hits").select("pair_id", "part").iter_rows())
    assert found == {pair_id: part for pair_id, (_, part) in zip(dirty["pair_id"], planted, strict=True)}
    table = overlap(signal, pl.concat([clean, dirty, exam(*exams)]))
    assert table.select("source", "benchmark", "pairs", "hit").rows() == [("a", "bench", 200, 200)]
    assert table.select(pl.sum_horizontal("prompt", "chosen", "rejected", "picture")).item() == 200


def test_the_order_of_rows_and_the_size_of_batches_change_no_byte(monkeypatch):
    rng = random.Random(12)
    exams = made_up(rng, "bench", 40)
    table = pl.concat([exam(*exams), pairs(*(leaked(rng, row)[0] for row in exams), *made_up(rng, "b", 40))])
    expected = measured(table)
    monkeypatch.setattr("filters._pair_texts.ROWS", 7)
    for seed in (1, 2):
        assert measured(table.sample(fraction=1, shuffle=True, seed=seed)).equals(expected)


def native(name, role, rows):
    """The pairs of native rows `(file, row)` of a real source, broken ones left out."""
    module, made = importlib.import_module(f"sources.{name}"), []
    facts = {"source": name, "source_revision": "0", "source_split": "test", "source_row": "0"}
    facts |= {"label_source": "human", "licence": "MIT", "role": role}
    for file, row in rows:
        try:
            found = [pair for pair in module.pairs({**row, "_file": file}) if isinstance(pair, Pair)]
            made += [canonical_pair(p, media_ids=(), chosen_media_ids=(), rejected_media_ids=()) for p in found]
        except BadRow:
            continue
    table = pl.DataFrame([{**row, **facts} for row in made], schema_overrides={"rationale": pl.String})
    return table.select(PAIRS.names).cast(pl.from_arrow(PAIRS.empty_table()).schema)


@pytest.mark.real
def test_the_questions_that_themis_took_from_hh_rlhf_are_found(real_data):
    folder = real_data / "hh-rlhf"
    dialogues = [
        (str(file.relative_to(folder)), json.loads(line))
        for file in sorted(folder.glob("*/test.jsonl.gz"))
        for line in gzip.decompress(file.read_bytes()).decode().rstrip().split("\n")
    ]
    folder = real_data / "themis-tara"
    tasks = [
        (str(file.relative_to(folder)), json.loads(line))
        for file in sorted(folder.glob("hh_rlhf/*.json"))
        for line in file.open(encoding="utf-8")
    ]
    train, themis = native("hh_rlhf", "train", dialogues), native("themis_tara", "benchmark", tasks)
    opening = pl.col("prompt").list.first().struct.field("content")
    shared = set(train.select(opening).to_series()) & set(themis.select(opening).to_series())
    assert len(shared) > 150
    signal = measured(train, themis)
    hit = signal.filter(pl.col("hits").list.len() > 0).join(train, on="pair_id").select(opening).to_series()
    assert shared - set(hit) == {"Hey"}, "too short to say anything when a dialogue goes on after it"
