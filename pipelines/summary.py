"""The readable end of a run: what came in, what went out, where it is."""

from __future__ import annotations

from mixtures._recipe import Recipe
from pairs.store import Store
from pipelines import looks, notes, outcomes, planted, steps


def text(store: Store, recipe: Recipe) -> str:
    """The summary of a mixture's last run, as plain text. Raises `RecipeError` when it has not run yet."""
    made = steps.planned(store, recipe)
    rows = looks.sources(store, recipe, made)
    native, aside = sum(row["native rows"] for row in rows), sum(row["set aside"] for row in rows)
    out = [
        f"mixture {recipe.name}",
        "",
        f"{'source':<20}{'native rows':>12}{'set aside':>11}{'pairs':>9}{'dropped':>9}{'published':>11}",
        *(
            f"{row['source']:<20}{row['native rows']:>12,}{row['set aside']:>11,}{row['pairs']:>9,}"
            f"{row['dropped']:>9,}{row['in the mixture']:>11,}"
            for row in rows
        ),
        f"{'all':<20}{native:>12,}{aside:>11,}{made.counts.candidates:>9,}"
        f"{made.counts.dropped_in_all:>9,}{made.counts.rows:>11,}",
        "",
        "what the rules did",
        *(
            f"  {row['rule']:<22}{row['action']:<8}{row['reason']:<28}{row['pairs']:>8,}"
            for row in looks.drops(made)
        ),
    ]
    found = planted.planted(store, recipe)
    if found:
        out += ["", "planted defects found", *(f"  {line}" for line in planted.lines(found))]
    return "\n".join([*out, *_published(store, recipe), *_trained(store, recipe)])


def _published(store: Store, recipe: Recipe) -> list[str]:
    done = outcomes.newest(store, recipe)
    if done is None:
        return ["", "nothing published yet"]
    version, _ = done
    root = outcomes.published_root(store, recipe)
    return ["", f"published       version {version}", f'  load_dataset("{root}", "{recipe.name}", split="train")']


def _trained(store: Store, recipe: Recipe) -> list[str]:
    out = []
    found = notes.read(store, "evaluated", recipe.name)
    if found:
        low, high = found["interval"]
        out += [
            f"reward model    {found['path']}",
            f"  held-out accuracy {found['accuracy']:.3f} ({low:.3f} to {high:.3f}) on {found['pairs']:,} pairs "
            f"of split {found['split']}; the longer one is chosen in {found['length_accuracy']:.3f}",
        ]
    report = outcomes.report_path(store, recipe)
    return [*out, f"report          {report}"] if report.exists() else out
