"""All the Dagster: the graph, its jobs, its checks and its report. `dagster job execute -m pipelines -j demo`."""

from pipelines.definitions import defs

__all__ = ["defs"]
