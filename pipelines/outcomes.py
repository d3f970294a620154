"""What comes out of a plan: the published dataset, the trained model, its evaluation. No Dagster here either."""

from __future__ import annotations

import hashlib
import inspect
import json
import subprocess
import sys
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from mixtures._publish import Published
from mixtures._recipe import Recipe
from pairs.errors import PrefmillError, RecipeError
from pairs.store import Store
from pipelines import notes, steps

_PACKAGES = ("prefmill", "polars", "pyarrow", "torch")  # whose versions can change bytes

if TYPE_CHECKING:
    from mixtures._export import Exported
    from mixtures._hub import Upload
    from mixtures._s3 import Copied
    from rewards.interface import RewardModel


def published_root(store: Store, recipe: Recipe) -> Path:
    """The folder whose name always means the newest version of a mixture."""
    return store.path("published", recipe.name)


def report_path(store: Store, recipe: Recipe) -> Path:
    return store.path("reports", f"{recipe.name}.html")


def lineage(store: Store, recipe: Recipe) -> dict[str, str]:
    """What a published version was made from: source revisions, table versions, packages, code."""
    root = Path(__file__).parent.parent
    facts = {f"source {books.source}": books.revision for books in steps.books(store, recipe)}
    tables = ["pairs", "media", *(f"signals/{name}" for name in steps.filters.names())]
    facts |= {f"table {table}": str(store.version(table)) for table in tables if store.version(table) >= 0}
    lock = root / "requirements.lock"
    if lock.exists():
        facts["package lock"] = hashlib.sha256(lock.read_bytes()).hexdigest()
    facts |= {f"package {name}": version(name) for name in _PACKAGES}
    commit = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True)
    if commit.returncode == 0:
        facts["code"] = commit.stdout.strip()
    return facts


def publish(store: Store, recipe: Recipe) -> Published:
    """Publish the plan in the store. Nothing is written when the newest version came from this very plan."""
    from mixtures._publish import publish as run
    from pipelines import findings, looks

    made_from = store.facts("plans", recipe.name).get("fingerprint")
    known, found = notes.read(store, "published", recipe.name), newest(store, recipe)
    if found and made_from and known.get("plan") == made_from and known.get("content") == found[1].name:
        return Published(
            found[1], published_root(store, recipe), found[0], False, known["rows"], tuple(known["files"])
        )
    made = steps.planned(store, recipe)
    plots, tables = looks.plan_plots(store, recipe, made), findings.tables(store, recipe, made)
    made = replace(made, rows=made.rows.clear())  # they are read from the store
    done = run(
        store,
        recipe.name,
        recipe,
        made,
        rows=store.scan("plans", [recipe.name]).drop("mixture"),
        groups=steps.signals(store, recipe, "groups"),
        facts=lineage(store, recipe),
        plots=plots,
        tables=tables,
        citations=findings.citations(recipe),
    )
    facts = {"plan": made_from, "content": done.folder.name, "rows": dict(done.rows), "files": list(done.files)}
    notes.write(store, "published", recipe.name, facts)
    return done


def check_published(store: Store, recipe: Recipe) -> list[str]:
    """What is wrong with the newest version: damaged files, and rows that are not the planned ones."""
    from mixtures._commit import verify

    try:
        verify(published_root(store, recipe))
    except PrefmillError as error:
        notes.write(store, "published", recipe.name, {})  # so that the next run publishes it again
        return [str(error)]
    found = newest(store, recipe)
    planned = steps.split_rows(steps.planned(store, recipe))
    held: dict[str, int] = {}
    for file in sorted((found[1] / "data").glob("*.parquet")) if found else []:
        split = file.name.split("-")[0]
        held[split] = held.get(split, 0) + pq.read_metadata(file).num_rows
    return [] if held == planned else [f"planned {planned}, published {held}"]


def newest(store: Store, recipe: Recipe) -> tuple[int, Path] | None:
    """Number and folder of the newest version of a mixture; None when there is none."""
    from mixtures._commit import newest as find

    return find(published_root(store, recipe)) if (published_root(store, recipe) / "commits").is_dir() else None


def copy(store: Store, recipe: Recipe, url: str) -> Copied:
    """Copy the newest published version to S3 and make it the newest there; raises as `mixtures._s3.upload`."""
    from mixtures._s3 import upload

    return upload(_published(store, recipe), url)


def offer(store: Store, recipe: Recipe, repo: str) -> Upload:
    """What a commit to the hub's dataset repository `owner/name` would do; `mixtures._hub.send` does it."""
    from mixtures._hub import prepare

    return prepare(_published(store, recipe), repo)


def export(store: Store, recipe: Recipe, to: str, folder: Path) -> Exported:
    """Write the newest published version in the layout `to` of another trainer; see `mixtures.exports`."""
    from mixtures._export import export as run

    return run(_published(store, recipe), to, folder)


def _published(store: Store, recipe: Recipe) -> Path:
    if newest(store, recipe) is None:
        raise RecipeError(f"{recipe.name}: nothing published yet; run the job `curate` first")
    return published_root(store, recipe)


def train(store: Store, recipe: Recipe) -> dict[str, Any]:
    """Train on the newest published version, unless this model came from the same rows and settings."""
    from pipelines import benchmarks
    from rewards.train import train as run

    found = newest(store, recipe)
    if found is None:
        raise RecipeError(f"{recipe.name}: nothing published yet; run the job `curate` first")
    benchmarks.check_text_model(store, recipe)  # now, not when the training is over
    out = store.path("models", recipe.name)
    made_from = {"content": _rows(found[1]), "settings": recipe.train.model_dump(mode="json")}
    known = notes.read(store, "trained", recipe.name)
    if out.is_dir() and known.get("made_from") == made_from:
        return {**known, "changed": False}
    seen = sys.stderr.isatty()
    done = run(str(published_root(store, recipe)), recipe.name, out, recipe.train, store=store, progress=seen)  # type: ignore[arg-type]
    facts = {"made_from": made_from, "version": found[0], "rows": done.rows, "left_out": done.left_out,
             "reasons": done.reasons, "scaled": done.scaled,
             "seconds": round(done.seconds, 3), "curve": done.curve, "resumed": done.resumed,
             "apart": done.apart, "path": str(done.path),
             "features": asdict(done.features) if done.features else None}  # fmt: skip
    notes.write(store, "trained", recipe.name, facts)
    return {**facts, "changed": True}


def _rows(folder: Path) -> str:
    """Hash of the rows of a version: another recipe of the same rows trains the same model."""
    files = json.loads((folder / "manifest.json").read_bytes())["files"]
    lines = sorted(f"{name} {facts['sha256']}" for name, facts in files.items() if name.startswith("data/"))
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()


def evaluate(store: Store, recipe: Recipe) -> dict[str, Any]:
    """Judge the held-out split of the published dataset with the trained model (test, else validation), and the
    recipe's benchmarks by their official rules; prompts without pictures with the recipe's `text_model`, where it
    names one. Done again when a model, a benchmark, its rule or the code of the measures has changed."""
    from pipelines import benchmarks
    from rewards import evaluate as measures
    from rewards.benchmarks import rule_key

    trained = notes.read(store, "trained", recipe.name)
    if not trained:
        raise RecipeError(f"{recipe.name}: no trained model yet; run the asset `reward_model` first")
    known = notes.read(store, "evaluated", recipe.name)
    held = {name: store.facts("pairs", name)["fingerprint"] for name in benchmarks.names(store, recipe)}
    made_from = {
        **trained["made_from"],
        "benchmarks": held,
        "rules": {name: rule_key(name) for name in held},
        "code": hashlib.blake2b(inspect.getsource(measures).encode(), digest_size=8).hexdigest(),
    }
    if recipe.text_model is not None:
        of_mixture = notes.read(store, "trained", recipe.text_model) if "/" not in recipe.text_model else {}
        made_from["text_model"] = [recipe.text_model, of_mixture.get("made_from")]
    if known.get("made_from") == made_from:
        return known
    model = benchmarks.models(store, recipe, [], [])
    facts = {**held_out(store, recipe, model), "path": trained["path"], "made_from": made_from,
             "benchmarks": benchmarks.evaluate(store, recipe, model)}  # fmt: skip
    notes.write(store, "evaluated", recipe.name, facts)
    return facts


def measured(store: Store, recipe: Recipe, model: RewardModel) -> dict[str, Any]:
    """Any model on the held-out split and on the benchmarks of a recipe: `held_out` (None where there is no such
    split or the model cannot be asked about it, `skipped` saying which) and `benchmarks`."""
    from pipelines import benchmarks

    held, why = None, "a judge of pairs is asked about benchmarks alone"
    if not benchmarks.asks_pairs(model):
        try:
            held, why = held_out(store, recipe, model), ""
        except RecipeError as error:
            why = str(error)
    return {"held_out": held, "skipped": why, "benchmarks": benchmarks.evaluate(store, recipe, model)}


def held_out(store: Store, recipe: Recipe, model: RewardModel) -> dict[str, Any]:
    """A model on the held-out split of the newest version (test, else validation): `rewards.evaluate.Evaluation`
    as plain values, and `split`."""
    from rewards.evaluate import evaluate as run
    from rewards.published import splits

    root = str(_published(store, recipe))
    names = [name for name in ("test", "validation") if name in splits(root, recipe.name)]
    if not names:
        raise RecipeError(
            f"{recipe.name}: published no held-out split; give the recipe `splits = {{ test = 0.1 }}`"
        )
    found = run(model, root, recipe.name, names[0], progress=sys.stderr.isatty())
    return {**found.as_dict(), "split": names[0]}
