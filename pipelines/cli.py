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


@app.command("run-config")
def run_config(mixture: Annotated[Path, typer.Argument(help="the mixture's TOML file")]) -> None:
    """Print the run configuration for `dagster job execute -c`, after checking the mixture's TOML."""
    from pipelines.steps import load_recipe

    with _one_line():
        load_recipe(str(mixture))
    typer.echo(f"resources:\n  mixture:\n    config:\n      path: {mixture}")


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
