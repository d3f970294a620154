"""Running filters: discovery, signals that are one row per pair, and rows whose signal is missing."""

from __future__ import annotations

import math
import sys

import polars as pl
import pyarrow as pa
import pytest
from filter_frames import pairs, row, survivors

import filters
from filters._apply import decide, rules, run_signal, with_signal
from pairs.errors import PrefmillError

KNOWN = ("groups", "contradictions", "duplicates", "length_bias", "reward_disagreement")
TOY = """
import polars as pl
import pyarrow as pa
from pydantic import BaseModel
from filters._decisions import decisions

SIGNAL = pa.schema([
    pa.field("pair_id", pa.string(), nullable=False),
    pa.field("grade", pa.float64(), nullable=False),
    pa.field("doubt", pa.float64()),
])

class Rule(BaseModel, extra="forbid"):
    least: float = 0.5

def signal(pairs):
    {signal}

def rule(survivors, params):
    {rule}
"""
SIGNAL = 'return pairs.select("pair_id", grade=pl.lit(1.0), doubt=pl.lit(None).cast(pl.Float64)).unique()'
RULE = 'return decisions(survivors.filter(pl.col("grade") < params.least), "drop", "low_grade", "grade")'


@pytest.fixture
def toy_filter(tmp_path, monkeypatch):
    """Add a filter file for one test, as a user would."""
    monkeypatch.setattr(filters, "__path__", [*filters.__path__, str(tmp_path)])

    def make(signal=SIGNAL, rule=RULE):
        (tmp_path / "toy.py").write_text(TOY.format(signal=signal, rule=rule))
        sys.modules.pop("filters.toy", None)
        filters.names.cache_clear()
        return filters.load("toy")

    yield make
    sys.modules.pop("filters.toy", None)
    filters.names.cache_clear()


def graded(*grades):
    signal = pl.DataFrame({"pair_id": [f"p{n}" for n in range(len(grades))], "grade": grades})
    return signal.with_columns(doubt=pl.lit(None, dtype=pl.Float64), grade=pl.col("grade").cast(pl.Float64))


def test_filters_are_found_because_their_file_is_there(toy_filter):
    assert set(KNOWN) <= set(filters.names())
    assert not any(name.startswith("_") for name in filters.names())
    assert set(rules()) >= set(KNOWN) - {"groups"}
    assert "groups" not in rules()
    toy_filter()
    assert "toy" in filters.names()
    assert rules()["toy"].model_fields["least"].default == 0.5


def test_every_parameter_is_described_has_a_default_and_no_other_is_taken():
    for name, model in rules().items():
        model()
        assert model.model_config["extra"] == "forbid"
        for field, info in model.model_fields.items():
            assert info.description, f"{name}.{field}"


def test_every_signal_starts_with_the_pair_id_and_is_sorted_by_it():
    table = pairs(*[("a", f"q {n}", "yes", "no") for n in range(20)], ("b", "q 1", "yes", "no"))
    rewards = pl.DataFrame(schema={"model": pl.String, "completion_id": pl.String, "reward": pl.Float32})
    media = pl.LazyFrame(schema={"media_id": pl.String, "phash": pl.String})
    tables = {"pairs": table.lazy(), "rewards": rewards.lazy(), "media": media}
    for name in KNOWN:
        made = run_signal(name, tables)
        assert made.schema.names == filters.load(name).SIGNAL.names
        assert made.schema.types == filters.load(name).SIGNAL.types
        assert made["pair_id"].to_pylist() == sorted(set(table["pair_id"]))
        assert made.equals(run_signal(name, {**tables, "pairs": table.sample(fraction=1, shuffle=True).lazy()}))


def test_a_signal_with_two_rows_for_a_pair_is_refused(toy_filter):
    toy_filter(signal='return pairs.select("pair_id", grade=pl.lit(1.0), doubt=pl.lit(1.0))')
    twice = pairs(("a", "q", "yes", "no"), ("b", "q", "yes", "no"))
    with pytest.raises(PrefmillError, match="2 rows for 1 pair_ids"):
        run_signal("toy", {"pairs": twice.lazy()})


def test_a_table_that_is_not_given_is_named():
    with pytest.raises(PrefmillError, match=r"reward_disagreement.py: signal reads the table 'rewards'.*pairs"):
        run_signal("reward_disagreement", {"pairs": pairs(("a", "q", "yes", "no")).lazy()})


@pytest.mark.parametrize("grade", [None, math.nan, math.inf, -math.inf])
def test_a_missing_signal_is_dropped_and_never_seen_by_the_rule(toy_filter, grade):
    module = toy_filter(rule='assert survivors["grade"].is_finite().all(); ' + RULE)
    rows = pl.DataFrame([row("s", f"p{n}") for n in range(4)])
    made = decide("toy", rows, graded(1.0, grade, 0.1), module.Rule())
    assert made.select("pair_id", "reason").rows() == [
        ("p1", "toy_signal_missing"),
        ("p2", "low_grade"),
        ("p3", "toy_signal_missing"),  # no row in the signal at all
    ]
    assert set(made["action"]) == {"drop"}


def test_null_in_a_nullable_column_reaches_the_rule_and_nan_there_does_not(toy_filter):
    module = toy_filter()
    rows = pl.DataFrame([row("s", "p0"), row("s", "p1")])
    signal = graded(1.0, 1.0).with_columns(doubt=pl.Series([None, math.nan]))
    assert decide("toy", rows, signal, module.Rule())["pair_id"].to_list() == ["p1"]


def test_a_signal_with_a_hole_is_stored_and_its_hole_is_dropped(toy_filter):
    module = toy_filter(signal=SIGNAL.replace("pl.lit(1.0)", "pl.lit(None).cast(pl.Float64)"))
    table = run_signal("toy", {"pairs": pairs(("a", "q", "yes", "no")).lazy()})
    assert isinstance(table, pa.Table)
    rows = pl.DataFrame([row("a", table["pair_id"][0].as_py())])
    assert decide("toy", rows, pl.from_arrow(table), module.Rule())["reason"].to_list() == ["toy_signal_missing"]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ('decisions(survivors, "remove", "low_grade")', "an action other than"),
        ('decisions(survivors, "drop", "Low grade")', "no reason in snake_case"),
        ('decisions(survivors.with_columns(v=float("nan")), "drop", "low", "v")', "not finite"),
        ('decisions(survivors.with_columns(v=1.5), "soften", "low", "v")', "soft label outside"),
        ('decisions(survivors, "soften", "low")', "soft label outside"),
        ('decisions(survivors.with_columns(v=0.0), "weight", "low", "v")', "weight that is not above 0"),
        ('decisions(survivors, "weight", "low")', "weight that is not above 0"),
        ('decisions(pl.concat([survivors, survivors]), "drop", "low")', "a second decision"),
        ('decisions(survivors.with_columns(source=pl.lit("else")), "drop", "low")', "not given"),
        ('decisions(survivors, "drop", "low").with_columns(value=pl.lit(1))', "rule returned Schema"),
    ],
)
def test_a_rule_that_breaks_its_contract_is_refused(toy_filter, rule, said):
    module = toy_filter(rule=f"return {rule}")
    with pytest.raises(PrefmillError, match=said) as caught:
        decide("toy", pl.DataFrame([row("s", "p0")]), graded(0.1), module.Rule())
    assert "filters/toy.py" in str(caught.value)


def test_a_filter_without_a_rule_cannot_decide(toy_filter):
    rows = pl.DataFrame([row("s", "p0")])
    with pytest.raises(PrefmillError, match="no rule"):
        decide("groups", rows, pl.DataFrame({"pair_id": ["p0"], "group_id": ["g"]}), None)


def test_every_rule_takes_no_row_and_one_sound_row():
    table = pairs(("a", "q", "yes", "nay"))
    rewards = pl.DataFrame(schema={"model": pl.String, "completion_id": pl.String, "reward": pl.Float32})
    for name in KNOWN[1:]:
        model = rules()[name]
        signal = pl.from_arrow(run_signal(name, {"pairs": table.lazy(), "rewards": rewards.lazy()}))
        policies = getattr(model.model_fields.get("policy"), "annotation", None)
        for policy in getattr(policies, "__args__", [None]):
            if policy == "keep_if_agree":  # needs models by name: tests/test_filters_votes.py
                continue
            params = model(policy=policy) if policy else model()
            assert decide(name, survivors(table).clear(), signal, params).is_empty()
            assert (
                decide(name, survivors(table), signal, params)
                .filter(pl.col("action").is_in(["drop", "flip", "soften"]))
                .is_empty()
            )


def test_the_signal_lands_beside_every_source_of_a_pair():
    rows = pl.DataFrame([row("b", "p0", 1), row("a", "p0", 0)])
    joined = with_signal("groups", rows.drop("group_id"), pl.DataFrame({"pair_id": ["p0"], "group_id": ["g"]}))
    assert joined.select("source", "group_id").rows() == [("a", "g"), ("b", "g")]
