"""The small `prefmill` command: what people ask between two runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def main() -> None:
    """prefmill: curated preference mixtures for reward models."""


@app.command()
def summary(mixture: Annotated[Path, typer.Argument(help="the mixture's TOML file")]) -> None:
    """Print what the last run of a mixture did: rows, pairs, drops, the published path, accuracy, the report."""
    from pairs.store import Store
    from pipelines.steps import load_recipe
    from pipelines.summary import text

    with _one_line():
        typer.echo(text(Store.default(), load_recipe(str(mixture))))


@app.command()
def publish(
    mixture: Annotated[Path, typer.Argument(help="the mixture's TOML file")],
    to: Annotated[str, typer.Option(help="s3://bucket/folder, or hf://datasets/owner/name")],
    yes: Annotated[bool, typer.Option("--yes", help="hub: send it, do not only say what would be sent")] = False,
) -> None:
    """Copy the newest published version of a mixture to S3, or to a dataset repository of the hub."""
    from pairs.store import Store
    from pipelines import outcomes
    from pipelines.steps import load_recipe

    with _one_line():
        store, recipe = Store.default(), load_recipe(str(mixture))
        if not to.startswith("hf://datasets/"):
            done = outcomes.copy(store, recipe, to)
            state = f"{done.files} files, {done.size:,} bytes" if done.changed else "was there already"
            typer.echo(f'version {done.version}, {state}\n  mixtures.load("{done.url}", split="train")')
            return
        from mixtures._hub import send, text

        upload = outcomes.offer(store, recipe, to.removeprefix("hf://datasets/"))
        typer.echo(text(upload))
        typer.echo(f"sent: {send(upload)}" if yes else "nothing was sent; --yes sends it")


@app.command()
def export(
    mixture: Annotated[Path, typer.Argument(help="the mixture's TOML file")],
    folder: Annotated[Path, typer.Argument(help="a new folder")],
    to: Annotated[str, typer.Option(help="llama-factory, ms-swift or openrlhf; TRL reads what is published")],
) -> None:
    """Write the newest published version of a mixture in the layout of another trainer."""
    from pairs.store import Store
    from pipelines import outcomes
    from pipelines.steps import load_recipe

    with _one_line():
        done = outcomes.export(Store.default(), load_recipe(str(mixture)), to, folder)
        rows = ", ".join(f"{count:,} in {split}.jsonl" for split, count in done.rows.items()) or "none"
        typer.echo(f"{folder}: rows: {rows}; {done.pictures:,} pictures")
        for reason, count in sorted(done.left_out.items()):
            typer.echo(f"left out: {count:,} rows, because {reason}")
        if done.bare:
            typer.echo(f"{done.bare:,} rows have a weight or a soft label, which this layout cannot hold")


@app.command("sources")
def list_sources(
    markdown: Annotated[bool, typer.Option("--markdown", help="print the page docs/sources.md instead")] = False,
) -> None:
    """List all sources, and what the store holds of them: native rows, pairs, bad rows, revision."""
    from pairs.store import Store
    from pipelines import inspect_sources

    with _one_line():
        text = inspect_sources.markdown() if markdown else inspect_sources.overview(Store.default())
        typer.echo(text, nl=not markdown)


@app.command()
def check(
    source: Annotated[str, typer.Argument(help="the source's name, as `prefmill sources` lists it")],
    path: Annotated[
        str | None, typer.Argument(help="folder or URL of its native files; default: its home")
    ] = None,
    split: Annotated[list[str] | None, typer.Option(help="native split, may be repeated; default: train")] = None,
    rows: Annotated[int, typer.Option(min=1, help="native rows to read")] = 1_000,
    revision: Annotated[
        str | None, typer.Option(help="commit, tag or branch of its repository instead of the pinned one")
    ] = None,
    pictures: Annotated[
        str | None, typer.Option(help="folder, archive or URL of the pictures that rows name, if not beside them")
    ] = None,
    open_urls: Annotated[
        list[str] | None, typer.Option(help="host at which URLs of pictures in rows are opened, may be repeated")
    ] = None,
) -> None:
    """Read the first rows of a source: show three pairs, what was set aside, and why. The store is not touched."""
    from pipelines import inspect_sources

    with _one_line():
        typer.echo(inspect_sources.check(source, path, split or [], rows, pictures, open_urls or [], revision))


@app.command()
def evaluate(
    mixture: Annotated[Path, typer.Argument(help="the mixture's TOML file: its benchmarks are measured")],
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="folder or hub id of a reward model, or a model's name under the mixture's [[rewards.servers]]; "
            "may be repeated: their mean; default: the trained one"
        ),
    ] = None,
    text_model: Annotated[
        list[str] | None, typer.Option(help="for prompts without pictures, instead; may be repeated: their mean")
    ] = None,
    details: Annotated[
        bool,
        typer.Option("--details", help="all figures with their intervals, clean and contaminated pairs apart"),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print all of it as JSON")] = False,
) -> None:
    """Measure reward models on the held-out split of a mixture, and on its benchmarks by their official rules."""
    from pairs.store import Store
    from pipelines import benchmarks, outcomes
    from pipelines.steps import load_recipe

    with _one_line():
        store, recipe = Store.default(), load_recipe(str(mixture))
        found = outcomes.measured(store, recipe, benchmarks.models(store, recipe, model or [], text_model or []))
        typer.echo(benchmarks.as_json(found) if as_json else benchmarks.page(found, details))


@app.command()
def compare(mixtures: Annotated[list[Path], typer.Argument(help="TOML files of trained mixtures")]) -> None:
    """Show trained mixtures side by side: held-out accuracy and benchmarks, as a table and a plot."""
    from pairs.store import Store
    from pipelines import compare
    from pipelines.steps import load_recipe

    with _one_line():
        store = Store.default()
        rows = compare.table(store, [load_recipe(str(mixture)) for mixture in mixtures])
        typer.echo(f"{compare.text(rows)}\n\nplot            {compare.plot(store, rows)}")


@app.command()
def explain(
    pair_id: Annotated[
        str,
        typer.Argument(
            help="the pair's id, in the store or as published, or its first digits; or a source's name"
        ),
    ],
    row: Annotated[str | None, typer.Argument(help="after a source's name: a native row, as FILE:ROW")] = None,
    mixture: Annotated[str | None, typer.Option(help="only this mixture; default: all that were planned")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print all of it as JSON")] = False,
) -> None:
    """Tell the life of a pair: native row, text, signals, rewards, what every rule did, where it was published; or
    what became of a native row."""
    import json

    from pairs.store import Store
    from pipelines import explain as told
    from pipelines.life import life
    from pipelines.traces import native_row

    with _one_line():
        store = Store.default()
        found = native_row(store, pair_id, row) if row else life(store, pair_id, mixture)
        text = told.row_text if row else told.text
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False) if as_json else text(found))


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="a mixture, mixture@number, or a version's hash")],
    after: Annotated[str, typer.Argument(help="the same; a mixture's name means its newest version")],
    parquet: Annotated[Path | None, typer.Option(help="write every change to this file")] = None,
) -> None:
    """Compare two published versions: which pairs came, went, flipped or changed weight, by rule."""
    from pairs.store import Store
    from pipelines.diff import compare

    with _one_line():
        typer.echo(compare(Store.default(), before, after, parquet))


@app.command("run-config")
def run_config(mixture: Annotated[Path, typer.Argument(help="the mixture's TOML file")]) -> None:
    """Print the run configuration for `dagster job execute -c`, after checking the mixture's TOML."""
    from pipelines.steps import load_recipe

    with _one_line():
        load_recipe(str(mixture))
    typer.echo(f"resources:\n  mixture:\n    config:\n      path: {mixture}")
    typer.echo("loggers:\n  console:\n    config:\n      log_level: INFO")


@app.command()
def reference(folder: Annotated[Path, typer.Argument(help="where the pages go")] = Path("docs")) -> None:
    """Write the reference pages that come from the code: docs/filters.md and docs/schema.md."""
    from pipelines import reference

    (folder / "filters.md").write_text(reference.filters_page())
    (folder / "schema.md").write_text(reference.schema_page())


@app.command()
def clean(
    older_than: Annotated[float, typer.Option(help="hours for which nothing has needed a file")] = 168,
    yes: Annotated[bool, typer.Option("--yes", help="delete, do not only say what would be deleted")] = False,
) -> None:
    """Delete replaced files of the store's tables, and pictures that no source holds any more. Published versions
    stay. Give more hours than the longest run takes."""
    from pairs.clean import remove, superseded
    from pairs.store import Store

    with _one_line():
        store = Store.default()
        files = superseded(store, older_than)
        size = sum(file.stat().st_size for file in files)
        for file in files:
            typer.echo(f"  {file.stat().st_size:>15,}  {file.relative_to(store.root)}")
        if not files:
            typer.echo(f"{store.root}: nothing to clean")
        elif yes:
            typer.echo(f"{len(files)} files, {remove(files, older_than):,} bytes deleted")
        else:
            typer.echo(f"{len(files)} files, {size:,} bytes; nothing was deleted; --yes deletes them")


@app.command("free-slots")
def free_slots() -> None:
    """Mark runs whose process is gone as failed, and free what they held of Dagster's pools."""
    import dagster as dg

    from pipelines.instance import free_dead_runs

    with dg.DagsterInstance.get() as instance:
        for run_id in free_dead_runs(instance):
            typer.echo(f"run {run_id} was killed: marked as failed, its pool slots are free")


class _one_line:
    """Show an error of ours as the one line it is, not as a traceback."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        from pairs.errors import PrefmillError

        if isinstance(error, PrefmillError):
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from None
        return False
