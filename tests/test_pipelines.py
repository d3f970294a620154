"""The graph: the whole demo in one process, what it leaves behind, and that a second run has nothing to do."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from dataclasses import replace

import dagster as dg
import polars as pl
import pytest

import filters
import sources
from pairs.errors import PrefmillError, RecipeError
from pairs.store import Store
from pipelines import benchmarks, compare, defs, notes, outcomes, planted, steps, summary
from pipelines.resources import MixtureFile, StoreResource


def execute(job, root, mixture):
    resources = {"store": {"config": {"root": str(root)}}, "mixture": {"config": {"path": str(mixture)}}}
    return defs.resolve_job_def(job).execute_in_process({"resources": resources}, raise_on_error=False)


def materialized(result):
    return {
        event.asset_key.to_user_string(): {
            name: value.value for name, value in event.materialization.metadata.items()
        }
        for event in result.get_asset_materialization_events()
    }


def failures(result):
    return [event.event_specific_data.error.message for event in result.all_events if event.is_step_failure]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    root = tmp_path_factory.mktemp("demo") / "store"
    result = execute("demo", root, "mixtures/demo.toml")
    assert result.success, failures(result)
    return result, Store(root), steps.load_recipe("mixtures/demo.toml")


def test_every_source_and_filter_is_an_asset_of_its_own():
    keys = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
    fixed = {"pairs", "rewards", "mixture", "published", "reward_model", "evaluation", "report"}
    fixed |= {"features", "weights", "ablation"}
    assert keys == {*sources.names(), *filters.names(), *fixed}
    assert {"demo", "ingest", "curate", "train", "search", "ablate"} <= {
        job.name for job in defs.resolve_all_job_defs()
    }


def test_the_code_location_loads_without_the_heavy_packages():
    heavy = ("torch", "transformers", "datasets", "matplotlib")
    code = f"import sys, pipelines; print([name for name in {heavy} if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
    )


@pytest.mark.slow
def test_the_demo_passes_every_check(demo):
    result, _, _ = demo
    checks = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
    assert checks == dict.fromkeys(
        ["books_balance", "ids_unique", "no_group_across_splits", "published_equals_planned"], True
    )


@pytest.mark.slow
def test_the_demo_finds_what_was_planted(demo):
    _, store, recipe = demo
    found = {one.kind: one for one in planted.planted(store, recipe)}
    for kind in ("exact_duplicate", "contradiction", "broken_image", "length_bias"):
        assert found[kind].found == found[kind].planted, found[kind]
    assert found["flipped_label"].found > 0.2 * found["flipped_label"].planted
    for one in found.values():
        assert one.found is not None or "no " in one.note


@pytest.mark.slow
def test_the_published_demo_loads_as_any_other_dataset(demo):
    from datasets import load_dataset

    _, store, recipe = demo
    root = str(outcomes.published_root(store, recipe))
    whole = load_dataset(root)
    assert {split: rows.num_rows for split, rows in whole.items()} == steps.split_rows(
        steps.planned(store, recipe)
    )
    train = load_dataset(root, "demo", split="train")
    pictured = next(row for row in train if row["images"])
    assert pictured["images"][0].size[0] >= 32
    assert pictured["chosen"][0]["role"] == "assistant"
    streamed = next(iter(load_dataset(root, split="train", streaming=True)))
    assert streamed["pair_id"] == train[0]["pair_id"]


@pytest.mark.slow
def test_the_trained_model_beats_chance_and_length_on_held_out_groups(demo):
    _, store, _ = demo
    found = notes.read(store, "evaluated", "demo")
    assert found["interval"][0] > max(0.5, found["length_accuracy"])


@pytest.mark.slow
def test_the_summary_and_the_report_say_it_all(demo):
    _, store, recipe = demo
    text = summary.text(store, recipe)
    for phrase in ("native rows", "exact_duplicate", "load_dataset(", "held-out accuracy", "report"):
        assert phrase in text
    page = outcomes.report_path(store, recipe).read_text()
    assert "<script" not in page
    assert page.count("data:image/png;base64,") == 8
    assert "Adversarial/Manual" in page, "what is missing of a benchmark is said"


@pytest.mark.slow
def test_benchmarks_are_measured_by_their_rules_and_never_trained_on(demo):
    _, store, recipe = demo
    found = {one["benchmark"]: one for one in notes.read(store, "evaluated", "demo")["benchmarks"]}
    assert set(found) == {"mj_bench", "llmbar"}
    assert found["llmbar"]["headline"] == "macro"
    assert found["llmbar"]["figures"]["macro"][1] > 0.5, "the model beats a coin on a set it never saw"
    assert found["llmbar"]["clean"] is None, "the contamination rule left nothing that both hold"
    assert benchmarks.contaminated(store, recipe).is_empty()
    unfiltered = steps.training(store, recipe).select("pair_id", split=pl.lit("train")).collect()
    touched = benchmarks.contaminated_by(store, recipe, unfiltered)
    dropped = steps.planned(store, recipe).ledger.filter(pl.col("rule") == "contamination")
    assert dropped.filter(pl.col("reason") == "contaminated_prompt").height == 25
    assert set(touched["benchmark_pair"]) == set(dropped["by"])
    held_out = unfiltered.with_columns(split=pl.lit("test"))
    assert benchmarks.contaminated_by(store, recipe, held_out).is_empty()


@pytest.mark.slow
def test_a_benchmark_is_measured_again_when_its_rule_has_changed(demo, monkeypatch):
    from rewards.benchmarks import BENCHMARKS

    _, store, recipe = demo
    before = outcomes.evaluate(store, recipe)
    with monkeypatch.context() as patch:
        patch.setitem(BENCHMARKS, "llmbar", replace(BENCHMARKS["llmbar"], headline="micro", averages=("micro",)))
        changed = outcomes.evaluate(store, recipe)
        assert changed["benchmarks"][1]["headline"] == "micro"
        file = notes.path(store, "evaluated", "demo")
        written = file.stat().st_mtime_ns
        assert outcomes.evaluate(store, recipe)["benchmarks"][1]["headline"] == "micro"
        assert file.stat().st_mtime_ns == written, "the same rule is not measured twice"
    assert json.loads(json.dumps(outcomes.evaluate(store, recipe))) == before


@pytest.mark.slow
def test_mixtures_compare_in_a_table_and_a_plot(demo, tmp_path):
    _, store, recipe = demo
    real = replace(recipe, train=recipe.train.model_copy(update={"backbone": "Qwen/Qwen2.5-VL-7B-Instruct"}))
    rows = compare.table(store, [real])
    by_name = {row["figure"]: row for row in rows}
    assert (
        by_name["llmbar, in part: macro"]["demo"][0]
        == notes.read(store, "evaluated", "demo")["benchmarks"][1]["figures"]["macro"][0]
    )
    printed = "printed in BaseReward's paper, Qwen2.5-VL-7B-Instruct"
    assert by_name["vl_rewardbench: micro"] == {
        "figure": "vl_rewardbench: micro",
        "demo": None,
        printed: (0.8216,) * 3,
        "printed in BaseReward's paper, table 7, seven sets": None,
        "printed in BaseReward's paper, final ensemble": (0.8441,) * 3,
        "printed in BaseReward's paper, table 7, mean of two": None,
        "printed in BaseReward's paper, table 7, mean of two, Qwen3-8B for text": None,
    }
    assert set(compare.table(store, [recipe])[0]) == {"figure", "demo"}, (
        "another backbone is not compared with the paper"
    )
    assert "| vl_rewardbench: micro" in compare.text(rows)
    held = notes.read(store, "evaluated", "demo")
    for title, name in (("calibration error", "calibration_error"), ("balanced accuracy", "balanced_accuracy")):
        assert by_name[f"held out: {title}"]["demo"] == (held[name],) * 3
    assert compare.plot(store, rows).read_bytes().startswith(b"\x89PNG")
    with pytest.raises(RecipeError, match="not evaluated yet; run the job `train` first"):
        compare.table(Store(tmp_path / "empty"), [recipe])


@pytest.mark.slow
def test_any_reward_model_is_measured_by_one_command(demo):
    _, store, recipe = demo
    own = str(store.path("models", "demo"))
    alone = benchmarks.evaluate(store, recipe, benchmarks.models(store, recipe, [], []))
    twice = benchmarks.evaluate(store, recipe, benchmarks.models(store, recipe, [own, own], [own]))
    assert alone == twice
    assert json.loads(json.dumps(alone)) == notes.read(store, "evaluated", "demo")["benchmarks"]
    assert "llmbar" in benchmarks.text(alone)
    model = benchmarks.models(store, recipe, [], [])
    held = outcomes.held_out(store, recipe, model)
    assert held["accuracy"] == notes.read(store, "evaluated", "demo")["accuracy"]
    said = benchmarks.held_out_text(held)
    assert f"{held['accuracy']:.3f} (" in said
    assert said.endswith(f"{held['calibration_error']:.3f}")
    with pytest.raises(PrefmillError, match="no trained model yet"):
        benchmarks.models(Store(store.root / "nothing"), recipe, [], [])


@pytest.mark.slow
def test_a_second_run_reads_scores_publishes_and_trains_nothing(demo):
    _, store, _ = demo
    tables = ("pairs", "media", "bad_rows", "rewards", "ledger", "plans", "signals/groups")
    versions = {table: store.version(table) for table in tables}
    result = execute("demo", store.root, "mixtures/demo.toml")
    assert result.success, failures(result)
    assert {table: store.version(table) for table in tables} == versions
    done = materialized(result)
    assert not any(done[name]["read now"] for name in sources.names() if name in done)
    assert done["rewards"]["scored"] == 0
    assert done["rewards"]["cached"] > 5_000
    assert not done["published"]["published now"]
    assert not done["reward_model"]["trained now"]


@pytest.mark.slow
def test_one_source_can_be_picked_alone(demo):
    from pipelines.ingest import read_sources

    _, store, _ = demo
    result = dg.materialize(
        [read_sources],
        selection=["hh_rlhf"],
        resources={
            "store": StoreResource(root=str(store.root)),
            "mixture": MixtureFile(path="mixtures/demo.toml"),
        },
    )
    assert set(materialized(result)) == {"hh_rlhf"}


def test_each_mistake_is_one_clear_line(tmp_path):
    def run(text):
        (tmp_path / "mine.toml").write_text(text)
        result = execute("ingest", tmp_path / "store", tmp_path / "mine.toml")
        assert not result.success
        (message,) = failures(result)
        line = message.strip().removeprefix("dagster._core.definitions.events.Failure: ")
        assert "\n" not in line
        return line

    source = '[sources.hh_rlhf]\npath = "{}"\n'
    empty = tmp_path / "empty" / "helpful-base"
    empty.mkdir(parents=True)
    assert "did you mean 'policy'" in run('[sources.hh_rlhf]\n[rules.length_bias]\npolcy = "match"\n')
    assert "no file for split 'train'" in run(source.format(empty.parent))
    (empty / "train.jsonl.gz").write_bytes(b"")
    assert "no rows" in run(source.format(empty.parent))

    (empty / "train.jsonl.gz").write_bytes(gzip.compress(b'{"chosen": "x", "worse": "y"}\n' * 50))
    assert "no column 'rejected'" in run(source.format(empty.parent))
    assert "is not there" in run(source.format(tmp_path / "nowhere"))


@pytest.mark.real
@pytest.mark.slow
def test_real_sources_become_a_mixture_with_balanced_books(real_data, tmp_path, monkeypatch):
    from datasets import load_dataset

    monkeypatch.setenv("PREFMILL_REAL_DATA", str(real_data))
    result = execute("curate", tmp_path / "store", "mixtures/real.toml")
    assert result.success, failures(result)
    assert all(check.passed for check in result.get_asset_check_evaluations())
    store, recipe = Store(tmp_path / "store"), steps.load_recipe("mixtures/real.toml")
    native = {books.source: books.rows for books in steps.books(store, recipe)}
    assert native == {
        "hh_rlhf": 5803, "pandalm": 999, "ukp_convarg": 9385, "llama_factory_dpo": 599, "rasbt_dpo": 1100,
        "mj_bench": 56, "llmbar": 885,
    }  # fmt: skip
    train = load_dataset(str(outcomes.published_root(store, recipe)), split="train")
    assert set(train.unique("source")) == set(native) - {"llmbar"}
    drawn = next(row for row in train if row["source"] == "mj_bench")
    assert drawn["chosen_images"][0].size == (1024, 1024)


@pytest.mark.slow
def test_a_damaged_version_fails_the_check_and_is_published_again(demo, tmp_path):
    _, store, recipe = demo
    copy = Store(shutil.copytree(store.root, tmp_path / "copy"))
    file = next((outcomes.newest(copy, recipe)[1] / "data").glob("train-*.parquet"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    result = execute("curate", copy.root, "mixtures/demo.toml")
    assert not result.success
    failed = [check for check in result.get_asset_check_evaluations() if not check.passed]
    assert [check.check_name for check in failed] == ["published_equals_planned"]
    assert execute("curate", copy.root, "mixtures/demo.toml").success


@pytest.mark.slow
def test_the_card_says_what_was_measured_before_and_after_and_whom_to_cite(demo):
    from pipelines import findings

    _, store, recipe = demo
    made = steps.planned(store, recipe)
    card = (outcomes.published_root(store, recipe) / "README.md").read_text()
    for row in findings.overlap(store, recipe, made):
        assert row["published"] == 0 < row["hit"]  # the rule `contamination` has dropped them
    labels = {row["source"]: row for row in findings.against_rewards(store, recipe, made)}
    assert labels["hh_rlhf"]["against after"] < labels["hh_rlhf"]["against"] - 0.05
    assert labels["hh_rlhf"]["pairs after"] == made.sources["hh_rlhf"].kept
    assert labels["llama_factory_dpo"]["against after"] is None
    assert f"| hh\\_rlhf | {labels['hh_rlhf']['pairs']} | {labels['hh_rlhf']['against']:.3f} |" in card
    dropped = sum(made.sources["rlaif_v"].dropped["length_bias"].values())
    line = next(
        line for line in card.split("## Pairs dropped by")[1].splitlines() if line.startswith("| `rlaif_v`")
    )
    assert f" {dropped} " in line
    assert "- `rlaif_v`: Yu et al. 2024, arXiv:2405.17220; https://huggingface.co/datasets/openbmb/RLAIF-V" in card
    for phrase in ("package lock:", "package polars:", "make curate MIXTURE=demo.toml", "## Licences"):
        assert phrase in card
