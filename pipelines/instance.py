"""Clean up after runs whose process is gone.

A run killed while it held the pool "gpu" keeps its slot for ever: without a daemon nobody frees it, and the
next run waits. `free_dead_runs` marks such runs as failed and gives their slots back.
"""

from __future__ import annotations

import os

import dagster as dg

_ALIVE = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING]
_CLOCK_SLACK = 2.0  # seconds between a process's start as the kernel and as the event log see it


def free_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Fail every unfinished run whose process no longer runs on this machine; returns their ids."""
    dead = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=_ALIVE)):
        run = record.dagster_run
        process = _process(instance, run.run_id)
        if process is None or _runs(*process):
            continue
        instance.report_run_failed(run, "The process of this run is gone; marked as failed by prefmill.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        dead.append(run.run_id)
    return dead


def _process(instance: dg.DagsterInstance, run_id: str) -> tuple[int, float] | None:
    """The process that executes a run, from its event log: its id, and when it said so (epoch seconds)."""
    for entry in instance.all_logs(run_id):
        event = entry.dagster_event
        if event is None or not event.is_engine_event:
            continue
        for label, value in event.engine_event_data.metadata.items():
            if label == "pid":
                return int(str(value.value)), entry.timestamp
    return None


def _runs(pid: int, said_at: float) -> bool:
    """Whether that very process runs still, not another one with its number."""
    import psutil

    if pid == os.getpid():
        return True
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= said_at + _CLOCK_SLACK
    except psutil.NoSuchProcess:
        return False
