"""Runs that were killed: their pool slot is given back, and the next run starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import dagster as dg
import pytest

from pipelines.instance import free_dead_runs

SLEEPER = """
import dagster as dg, time, sys
@dg.asset(pool="gpu")
def held():
    print("HELD", flush=True)
    time.sleep({seconds})
defs = dg.Definitions(assets=[held], jobs=[dg.define_asset_job("job")], executor=dg.in_process_executor)
"""
INSTANCE = """
storage: {{sqlite: {{base_dir: {base}}}}}
telemetry: {{enabled: false}}
concurrency: {{pools: {{default_limit: 1}}}}
"""


def launch(folder, seconds):
    file = folder / f"sleeper_{seconds}.py"
    file.write_text(SLEEPER.format(seconds=seconds))
    return subprocess.Popen(
        [sys.executable, "-m", "dagster", "job", "execute", "-f", str(file), "-j", "job"],
        env={**os.environ, "DAGSTER_HOME": str(folder)}, cwd=folder,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


@pytest.mark.fault
def test_a_killed_run_gives_its_slot_back(tmp_path, monkeypatch):
    (tmp_path / "dagster.yaml").write_text(INSTANCE.format(base=tmp_path / "state"))
    first = launch(tmp_path, 600)
    for line in first.stdout:
        if "HELD" in line:
            break
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with dg.DagsterInstance.get() as instance:
        assert free_dead_runs(instance) == [], "a run that lives is left alone"
        first.send_signal(signal.SIGKILL)
        first.wait()
        slots = instance.event_log_storage.get_concurrency_info("gpu")
        assert slots.claimed_slots, "the injected fault must leave a stale slot, or this test shows nothing"
        assert len(free_dead_runs(instance)) == 1
        assert not instance.event_log_storage.get_concurrency_info("gpu").claimed_slots
        assert free_dead_runs(instance) == []
    started = time.monotonic()
    second = launch(tmp_path, 0)
    output, _ = second.communicate(timeout=120)
    assert second.returncode == 0, output
    assert time.monotonic() - started < 100
