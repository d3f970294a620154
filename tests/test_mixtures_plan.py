"""Plans: books balance, sampling and splits hang on each pair's own ids, decisions do what they say."""

from __future__ import annotations

import hashlib
from collections import Counter

import polars as pl
import pytest
from mixtures_made import decisions, recipe_of, text_rows, write

from mixtures._plan import _balance, plan
from mixtures._sample import uniform
from pairs.errors import PrefmillError, RecipeError
from pairs.tables import LEDGER, PLANS
from pipelines import steps

SPLITS = "splits = { validation = 0.1, test = 0.2 }\n"
BOTH = "[sources.talk]\n[sources.look]\n"


def ids(source, count, first=0):
    return [
        hashlib.blake2b(f"{source}{n}".encode(), digest_size=16).hexdigest() for n in range(first, first + count)
    ]


def rows(source, count, order=0, first=0, modality="text", licence="MIT", role="train"):
    names = ids(source, count, first)
    return pl.DataFrame(
        {
            "source": source, "source_order": order, "pair_id": names, "prompt_id": names, "chosen_id": names,
            "rejected_id": names, "group_id": [name[:30] for name in names], "modality": modality,
            "criterion": "overall", "label_source": "human", "licence": licence, "role": role,
        },
        schema_overrides={"source_order": pl.Int32},
    )  # fmt: skip


def taken(made, source=None):
    """(source, pair_id) -> (copies, split)."""
    frame = made.rows if source is None else made.rows.filter(pl.col("source") == source)
    found = frame.group_by("source", "pair_id").agg(pl.len(), pl.col("split").first())
    return {(name, pair): (copies, split) for name, pair, copies, split in found.iter_rows()}


def test_what_survives_is_taken_once_when_nothing_else_is_asked(tmp_path):
    made = plan(recipe_of(tmp_path, BOTH), pl.concat([rows("talk", 1000), rows("look", 37, 1)]), [])
    assert Counter(made.rows["source"]) == {"talk": 1000, "look": 37}
    assert set(made.rows["copy"]) == {0}
    assert set(made.rows["split"]) == {"train"}
    assert made.ledger.is_empty()
    assert made.rows.columns == PLANS.names[1:]
    assert made.ledger.columns == LEDGER.names[1:]
    assert (
        pl.DataFrame(schema=pl.from_arrow(PLANS.empty_table()).schema).drop("mixture").schema == made.rows.schema
    )


def test_books_balance_and_count_each_pair_where_it_fell(tmp_path):
    recipe = recipe_of(
        tmp_path, 'size = 60\nlicences = { deny = ["NC"] }\n[sources.talk]\ncap = 50\n[sources.look]\n'
    )
    given = pl.concat(
        [rows("talk", 90), rows("look", 20, 1), rows("look", 5, 1, 100, licence="NC"),
         rows("look", 3, 1, 200, role="benchmark")]
    )  # fmt: skip
    made = plan(recipe, given, [("one", lambda left: decisions(left.head(10), "drop", "twin", 0.9, "x"))])
    assert made.counts.candidates == 118
    assert made.counts.dropped["role"] == {"benchmark": 3}
    assert made.counts.dropped["licences"] == {"licence_not_allowed": 5}
    assert made.counts.dropped["one"] == {"twin": 10}
    assert made.counts.dropped["sample"] == {"over_cap": 30, "over_target": 10}
    assert made.counts.kept == made.counts.rows == 60
    assert sum(counts.candidates for counts in made.sources.values()) == 118
    assert made.rules == ("role", "licences", "one", "sample")
    dropped = set(made.ledger.filter(pl.col("action") == "drop").select("source", "pair_id").iter_rows())
    assert dropped | set(taken(made)) == set(given.select("source", "pair_id").iter_rows())
    assert not dropped & set(taken(made))
    assert set(made.ledger.filter(pl.col("reason") == "over_cap")["value"]) == {50.0}


def test_books_that_do_not_balance_stop_the_run(tmp_path):
    made = plan(recipe_of(tmp_path, "[sources.talk]"), rows("talk", 10), [])
    made.sources["talk"].kept -= 1
    with pytest.raises(PrefmillError, match="talk: 10 candidates, but 9 kept and 0 dropped"):
        _balance(made)


def test_a_benchmark_pair_never_enters_even_if_a_rule_would_keep_it(tmp_path):
    made = plan(recipe_of(tmp_path, "size = 50\n[sources.talk]"), rows("talk", 10, role="benchmark"), [])
    assert made.rows.is_empty()
    assert made.counts.kept == 0


def test_only_allowed_licences_enter_and_deny_wins(tmp_path):
    recipe = recipe_of(tmp_path, 'licences = { allow = ["MIT", "GPL"], deny = ["GPL"] }\n[sources.talk]')
    given = pl.concat(
        [rows("talk", 4), rows("talk", 4, first=10, licence="GPL"), rows("talk", 4, first=20, licence="?")]
    )
    assert set(taken(plan(recipe, given, []))) == {("talk", pair) for pair in ids("talk", 4)}


def test_a_licence_that_nobody_has_is_an_error_with_the_nearest_name(store, tmp_path):
    write(store, "late", text_rows("late", 3, licence="Our terms"))  # of the store, but not of the recipe
    write(store, "talk", text_rows("talk", 4, licence="CC-BY-NC-4.0"))

    def made(lists):
        recipe = recipe_of(tmp_path, f"{lists}\n[sources.talk]")
        steps.signal(store, recipe, "groups")
        return steps.plan(store, recipe)

    with pytest.raises(RecipeError) as caught:
        made("licences = { deny = ['cc-by-nc-4.0'], allow = ['our term', 'MIT'] }")
    assert str(caught.value).splitlines() == [
        "mix: licences.allow names 'our term', which no pair in the store has; did you mean 'Our terms'?",
        "mix: licences.deny names 'cc-by-nc-4.0', which no pair in the store has; did you mean 'CC-BY-NC-4.0'?",
    ]
    with pytest.raises(RecipeError, match=r"names 'qqq', which .* has \(they have: CC-BY-NC-4.0, Our terms\)$"):
        made("licences.deny = ['qqq']")
    assert made("licences.deny = ['CC-BY-NC-4.0']").counts.kept == 0
    assert made("licences.deny = ['Our terms', 'ISC', 'Reddit API terms']").counts.kept == 4


def test_rules_see_what_the_rules_before_have_left_in_order(tmp_path):
    seen = []

    def one(left):
        seen.append(left.select("source", "pair_id").rows())
        return decisions(left.filter(pl.col("source") == "look"), "drop")

    def two(left):
        seen.append(left.select("source", "pair_id").rows())
        return decisions(left.head(1), "flip")

    given = pl.concat([rows("look", 5, 1), rows("talk", 5)]).sample(fraction=1, shuffle=True, seed=3)
    made = plan(recipe_of(tmp_path, BOTH), given, [("one", one), ("two", two)])
    in_order = [("talk", pair) for pair in sorted(ids("talk", 5))]
    assert seen == [in_order + [("look", pair) for pair in sorted(ids("look", 5))], in_order]
    assert made.rows.filter("flipped")["pair_id"].to_list() == [min(ids("talk", 5))]
    assert made.counts.changed == {"two": {"because": 1}}


def test_a_kept_pair_is_in_the_ledger_and_as_it_was(tmp_path):
    steps = [("judge", lambda left: decisions(left, "keep", reason="not_trusted", value=0.4))]
    made = plan(recipe_of(tmp_path, BOTH), rows("talk", 5), steps)
    assert made.ledger.select("rule", "action", "reason", "value").unique().rows() == [
        ("judge", "keep", "not_trusted", 0.4)
    ]
    assert made.ledger.height == made.counts.kept == 5
    assert (made.counts.dropped, made.counts.changed) == ({}, {})
    assert made.rows["weight"].null_count() == 5


def test_flips_soft_labels_and_weights_add_up(tmp_path):
    steps = [
        ("one", lambda left: decisions(left[0:2], "soften", value=0.9)),
        ("two", lambda left: decisions(left[1:3], "flip")),
        ("three", lambda left: decisions(left[2:4], "weight", value=0.5)),
        ("four", lambda left: decisions(left[3:5], "weight", value=0.2)),
        ("five", lambda left: decisions(left[0:1], "soften", value=0.6)),
    ]
    made = plan(recipe_of(tmp_path, "[sources.talk]"), rows("talk", 6), steps).rows
    assert made["flipped"].to_list() == [False, True, True, False, False, False]
    assert made["soft_label"].to_list() == [0.6, pytest.approx(0.1), None, None, None, None]
    assert made["weight"].to_list() == [None, None, 0.5, pytest.approx(0.1), 0.2, None]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda left: pl.concat([decisions(left, "drop"), decisions(left.head(1), "flip")]), "twice"),
        (lambda left: decisions(left, "leave"), "action other than"),
        (lambda left: decisions(left, "drop", reason=""), "no reason"),
        (lambda left: decisions(left, "soften", value=None), "no probability"),
        (lambda left: decisions(left, "soften", value=float("nan")), "no probability"),
        (lambda left: decisions(left, "soften", value=1.2), "no probability"),
        (lambda left: decisions(left, "weight", value=0.0), "not above 0"),
        (lambda left: decisions(left, "weight", value=float("nan")), "not above 0"),
        (lambda left: decisions(rows("talk", 1, first=99), "drop"), "not given"),
        (lambda left: decisions(left, "drop").drop("by"), "no column 'by'"),
    ],
)
def test_a_decision_that_cannot_be_carried_out_stops_the_run(tmp_path, wrong, says):
    with pytest.raises(PrefmillError, match=says):
        plan(recipe_of(tmp_path, "[sources.talk]"), rows("talk", 3), [("one", wrong)])


def test_candidates_that_are_not_one_row_per_pair_stop_the_run(tmp_path):
    recipe = recipe_of(tmp_path, "[sources.talk]")
    for given, says in (
        (pl.concat([rows("talk", 2), rows("talk", 1)]), "twice"),
        (rows("look", 2), "no source of mix"),
        (rows("talk", 2).drop("role"), "no column 'role'"),
        (rows("talk", 2).with_columns(licence=pl.lit(None, pl.String)), "null"),
    ):
        with pytest.raises(PrefmillError, match=says):
            plan(recipe, given, [])


def test_more_rows_and_sources_move_nobody_while_targets_stay(tmp_path):
    asked = SPLITS + "[sources.talk]\ncap = 500\n[sources.look]\n"
    talk, look = rows("talk", 1000), rows("look", 300, 1)
    before = plan(recipe_of(tmp_path, asked), pl.concat([talk, look]), [])
    more = pl.concat([rows("late", 400, 2), look, rows("look", 30, 1, 300), talk])
    after = plan(recipe_of(tmp_path, asked + "[sources.late]\n"), more, [])
    assert taken(after, "talk") == taken(before, "talk")
    assert taken(before, "look").items() <= taken(after, "look").items()


def test_ten_percent_more_rows_push_out_only_what_they_replace(tmp_path):
    recipe = recipe_of(tmp_path, SPLITS + "[sources.talk]\ncap = 500\n")
    before = taken(plan(recipe, rows("talk", 1000), []))
    after = taken(plan(recipe, rows("talk", 1100), []))
    new = set(after) - set(before)
    assert len(after) == 500
    assert new <= {("talk", pair) for pair in ids("talk", 100, 1000)}
    assert all(after[key] == before[key] for key in set(after) & set(before))


def test_the_order_of_the_candidates_changes_nothing(tmp_path):
    recipe = recipe_of(tmp_path, SPLITS + "size = 120\ntemperature = 0.5\n" + BOTH)
    given = pl.concat([rows("talk", 200), rows("look", 50, 1)])
    first = plan(recipe, given, [])
    second = plan(recipe, given.sample(fraction=1, shuffle=True, seed=5), [])
    assert first.rows.equals(second.rows)
    assert first.ledger.equals(second.ledger)


def test_another_seed_takes_other_pairs(tmp_path):
    given = rows("talk", 400)
    sets = [
        set(taken(plan(recipe_of(tmp_path, f"seed = {n}\nsize = 100\n[sources.talk]"), given, []))) for n in (1, 2)
    ]
    assert len(sets[0] & sets[1]) < 60


def test_weights_are_shares_and_a_small_source_is_repeated(tmp_path):
    recipe = recipe_of(tmp_path, "size = 1000\n[sources.talk]\nweight = 3\n[sources.look]\nweight = 1\n")
    made = plan(recipe, pl.concat([rows("talk", 300), rows("look", 400, 1)]), [])
    assert Counter(made.rows["source"]) == {"talk": 750, "look": 250}
    copies = Counter(count for count, _ in taken(made, "talk").values())
    assert copies == {2: 150, 3: 150}
    for _, group in made.rows.group_by("source", "pair_id"):
        assert sorted(group["copy"]) == list(range(group.height))


def test_sources_without_a_weight_divide_the_rest(tmp_path):
    recipe = recipe_of(tmp_path, "size = 1000\n[sources.talk]\nweight = 0.5\n[sources.look]\n[sources.late]\n")
    given = pl.concat([rows("talk", 2000), rows("look", 300, 1), rows("late", 900, 2)])
    assert Counter(plan(recipe, given, []).rows["source"]) == {"talk": 500, "look": 125, "late": 375}


@pytest.mark.parametrize(("temperature", "expected"), [(1, (80, 20)), (0, (50, 50)), (0.5, (67, 33))])
def test_temperature_flattens_shares(tmp_path, temperature, expected):
    recipe = recipe_of(tmp_path, f"size = 100\ntemperature = {temperature}\n" + BOTH)
    made = plan(recipe, pl.concat([rows("talk", 800), rows("look", 200, 1)]), [])
    assert tuple(Counter(made.rows["source"])[name] for name in ("talk", "look")) == expected


def test_the_modality_ratio_cuts_what_is_too_much_and_copies_nothing(tmp_path):
    recipe = recipe_of(tmp_path, "modality_ratio = { text = 0.5, image = 1.0 }\n" + BOTH + "[sources.late]\n")
    given = pl.concat(
        [rows("talk", 300), rows("look", 100, 1, modality="image"), rows("late", 90, 2, modality="video")]
    )
    assert Counter(plan(recipe, given, []).rows["source"]) == {"talk": 50, "look": 100, "late": 90}
    with pytest.raises(RecipeError, match="no such pair is left"):
        plan(recipe, rows("talk", 5), [])


def test_a_size_with_a_modality_ratio_keeps_both(tmp_path):
    recipe = recipe_of(tmp_path, "size = 90\nmodality_ratio = { text = 0.5, image = 1.0 }\n" + BOTH)
    given = pl.concat(
        [rows("talk", 300), rows("talk", 40, first=300, modality="image"), rows("look", 60, 1, modality="image")]
    )
    made = plan(recipe, given, []).rows.join(
        given.select("source", "pair_id", "modality"), on=["source", "pair_id"]
    )
    assert Counter(made["modality"]) == {"text": 30, "image": 60}


def test_splits_cut_no_group_follow_their_shares_and_hold_a_pair_once(tmp_path):
    given = rows("talk", 3000).with_columns(group_id=pl.col("pair_id").str.slice(0, 3))
    made = plan(recipe_of(tmp_path, SPLITS + "size = 9000\n[sources.talk]"), given, []).rows
    groups = (
        made.join(given.select("pair_id", "group_id"), on="pair_id")
        .group_by("group_id")
        .agg(pl.col("split").n_unique())
    )
    assert set(groups["split"]) == {1}
    pairs = Counter(made.filter(pl.col("copy") == 0)["split"])
    assert pairs["validation"] / 3000 == pytest.approx(0.1, abs=0.02)
    assert pairs["test"] / 3000 == pytest.approx(0.2, abs=0.03)
    assert set(made.filter(pl.col("split") != "train")["copy"]) == {0}
    assert set(made.filter(pl.col("split") == "train")["copy"]) == {0, 1, 2}


def test_the_keyed_hash_is_even_and_never_changes():
    numbers = uniform(17, "sample", ids("talk", 4000))
    assert 0 <= numbers.min() < 0.01
    assert 0.99 < numbers.max() < 1
    assert abs(numbers.mean() - 0.5) < 0.02
    assert uniform(17, "sample", ["a"])[0] != uniform(17, "split", ["a"])[0]
    # A fixed point: a change here moves pairs between the splits of every published mixture.
    assert uniform(17, "split", ["a"])[0] == pytest.approx(0.031821136663033434, abs=1e-15)


def test_a_benchmark_enters_only_when_the_recipe_admits_it_by_name(tmp_path):
    candidates = pl.concat([rows("talk", 5, role="benchmark"), rows("look", 5, 1, 100, role="benchmark")])
    made = plan(recipe_of(tmp_path, "[sources.talk]\nadmit_benchmark = true\n[sources.look]"), candidates, [])
    assert made.rows["source"].unique().to_list() == ["talk"]
    assert made.counts.dropped["role"] == {"benchmark": 5}


def test_copies_have_a_limit_and_the_other_sources_take_up_the_rest(tmp_path):
    given = pl.concat([rows("talk", 100), rows("look", 400, 1), rows("late", 400, 2)])
    asked = "size = 1000\n{}[sources.talk]\nweight = 4\n{}[sources.look]\nweight = 1\n[sources.late]\nweight = 1\n"
    made = plan(recipe_of(tmp_path, asked.format("max_copies = 2\n", "")), given, [])
    assert Counter(made.rows["source"]) == {"talk": 200, "look": 400, "late": 400}
    assert max(made.rows["copy"]) == 1
    own = plan(recipe_of(tmp_path, asked.format("max_copies = 9\n", "max_copies = 3\n")), given, [])
    assert Counter(own.rows["source"]) == {"talk": 300, "look": 350, "late": 350}
    unlimited = plan(recipe_of(tmp_path, asked.format("", "")), given, [])
    assert taken(unlimited, "talk").keys() == taken(own, "talk").keys()
    scarce = plan(recipe_of(tmp_path, asked.format("max_copies = 1\n", "")), given, [])
    assert scarce.counts.rows == 900


def test_only_the_label_sources_and_modalities_that_are_asked_for_enter(tmp_path):
    given = pl.concat([rows("talk", 6), rows("talk", 4, first=10).with_columns(label_source=pl.lit("model")),
                       rows("look", 5, 1, modality="image")])  # fmt: skip
    text = 'modalities = { allow = ["text"] }\nlabel_sources = { deny = ["model"] }\n' + BOTH
    made = plan(recipe_of(tmp_path, text), given, [])
    assert set(taken(made)) == {("talk", pair) for pair in ids("talk", 6)}
    assert made.counts.dropped == {
        "modalities": {"modality_not_allowed": 5}, "label_sources": {"label_source_not_allowed": 4},
    }  # fmt: skip
    assert made.rules == ("role", "licences", "modalities", "label_sources", "sample")
    # What the two recipes of a text and a picture model leave out, the other one takes.
    other = plan(recipe_of(tmp_path, 'modalities = { deny = ["text"] }\n' + BOTH), given, [])
    assert set(taken(other)) == {("look", pair) for pair in ids("look", 5)}


def test_commercial_use_is_one_line_and_an_unknown_licence_stops_the_run(tmp_path):
    line = 'licences.use = "commercial"\n'
    given = pl.concat([rows("talk", 4), rows("talk", 3, first=10, licence="CC-BY-NC-4.0"),
                       rows("look", 2, 1, licence="not stated"),
                       rows("look", 1, 1, 20, licence="CC-BY-4.0")])  # fmt: skip
    made = plan(recipe_of(tmp_path, line + BOTH), given, [])
    assert made.counts.dropped == {"licences": {"not_for_commercial_use": 5}}
    assert made.counts.kept == 5
    unknown = pl.concat([given, rows("look", 2, 1, 40, licence="Our terms")])
    with pytest.raises(RecipeError, match="2 pairs, first of look, have the licence 'Our terms'; whether"):
        plan(recipe_of(tmp_path, line + BOTH), unknown, [])
    denied = plan(recipe_of(tmp_path, line + 'licences.deny = ["Our terms"]\n' + BOTH), unknown, [])
    assert denied.counts.dropped["licences"] == {"licence_not_allowed": 2, "not_for_commercial_use": 5}
    allowed = plan(recipe_of(tmp_path, line + 'licences.allow = ["Our terms", "MIT"]\n' + BOTH), unknown, [])
    assert allowed.counts.kept == 6


def of_category(frame, *names):
    return frame.with_columns(
        category=pl.Series([names[n % len(names)] for n in range(frame.height)], dtype=pl.String)
    )


def test_the_category_ratio_holds_beside_the_modality_ratio(tmp_path):
    text = "category_ratio = { math = 1, chat = 2, none = 0 }\nmodality_ratio = { text = 1, image = 2 }\n" + BOTH
    given = pl.concat(
        [of_category(rows("talk", 300), "math", "chat", "none"),
         of_category(rows("talk", 90, first=300, modality="image"), "chat"),
         of_category(rows("look", 60, 1, modality="image"), "math", None)]
    )  # fmt: skip
    made = plan(recipe_of(tmp_path, text), given, []).rows.join(
        given.select("source", "pair_id", "modality", "category"), on=["source", "pair_id"]
    )
    # Pictures: 30 math, so 60 chat, and the 30 without a category. Texts: half of that, one third of it math.
    assert Counter(made.select("modality", "category").iter_rows()) == {
        ("image", "math"): 30, ("image", "chat"): 60, ("image", None): 30, ("text", "math"): 20,
        ("text", "chat"): 40,
    }  # fmt: skip
    with pytest.raises(RecipeError, match="category_ratio asks for 'math', but no such pair is left"):
        plan(recipe_of(tmp_path, text), of_category(given, "chat"), [])
    with pytest.raises(RecipeError, match="modality_ratio asks for 'text', but no such pair is left"):
        plan(
            recipe_of(tmp_path, text),
            given.filter((pl.col("modality") == "image") | (pl.col("category") == "none")),
            [],
        )
    with pytest.raises(PrefmillError, match="no column 'category'"):
        plan(recipe_of(tmp_path, text), given.drop("category"), [])


# recipe -> whether a new source, and more rows of a source, leave all other rows where they are
OPTIONS = {
    "": (True, True),
    "[sources.talk]\ncap = 500": (True, False),
    "size = 600": (False, False),
    "temperature = 0.5\nsize = 600": (False, False),
    "modality_ratio = { text = 1, image = 1 }": (False, False),
}


@pytest.mark.parametrize("options", OPTIONS)
def test_rows_move_only_where_the_docs_say_so_and_no_more_than_they_must(tmp_path, options):
    table = options if "[sources.talk]" in options else f"{options}\n[sources.talk]"
    before_recipe = recipe_of(tmp_path, f"{SPLITS}{table}\n[sources.look]\n")
    after_recipe = recipe_of(tmp_path, f"{SPLITS}{table}\n[sources.look]\n[sources.late]\n")
    talk, look = rows("talk", 1000), rows("look", 300, 1, modality="image")
    more = rows("talk", 100, first=1000)
    late = pl.concat([rows("late", 200, 2), rows("late", 100, 2, 500, modality="image")])
    before = taken(plan(before_recipe, pl.concat([talk, look]), []))
    steady = OPTIONS[options]
    for still, after in zip(
        steady,
        (taken(plan(after_recipe, pl.concat([late, talk, look]), [])),
         taken(plan(before_recipe, pl.concat([look, more, talk]), []))), strict=True,
    ):  # fmt: skip
        old = {key: value for key, value in after.items() if key in before}
        assert all(before[key] == value for key, value in old.items()), (
            "a row that stays keeps its copies and split"
        )
        left = before.keys() - after.keys()
        came = {key for key in after.keys() - before.keys() if key[1] not in {*late["pair_id"], *more["pair_id"]}}
        assert bool(left or came) != still
        for source in ("talk", "look"):  # only the difference of the targets, and what new rows push out
            new = {key for key in after if key[0] == source} - set(before) - came
            fewer = sum(key[0] == source for key in before) - sum(key[0] == source for key in after)
            gone, back = (sum(key[0] == source for key in moved) for moved in (left, came))
            assert gone - back - len(new) == fewer
            assert not (gone and back)
