"""All the Dagster: the graph, its jobs, its checks and its report. `dagster job execute -m pipelines -j demo`."""

from typing import Any

__all__ = ["defs"]


def __getattr__(name: str) -> Any:
    # Read when asked for: the `prefmill` command does without Dagster and without loading every source.
    if name == "defs":
        from pipelines.definitions import defs

        return defs
    raise AttributeError(name)


def __dir__() -> list[str]:
    return [*globals(), "defs"]
