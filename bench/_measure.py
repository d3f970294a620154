"""Measuring a command: wall time, CPU time, peak memory of its process tree; and keeping what was printed."""

from __future__ import annotations

import os
import platform
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Cost:
    wall: float  # seconds
    cpu: float  # seconds, children included
    peak_mb: float  # largest VmHWM of any process of the tree: ru_maxrss is inherited and would lie


def run(command: Sequence[str], env: Mapping[str, str] | None = None) -> Cost:
    """Run a command to its end; raises with its output when it fails."""
    before = os.times()
    started = time.perf_counter()
    process = subprocess.Popen(
        command, env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    peak = _Peak(process.pid)
    peak.start()
    output, _ = process.communicate()
    wall = time.perf_counter() - started
    peak.stop()
    after = os.times()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}\n{output[-3000:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(wall, cpu, peak.megabytes)


class _Peak(threading.Thread):
    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._ended = threading.Event()
        self.megabytes = 0.0

    def run(self) -> None:
        import psutil

        while not self._ended.wait(0.05):
            try:
                root = psutil.Process(self._pid)
                for process in [root, *root.children(recursive=True)]:
                    self.megabytes = max(self.megabytes, _high_water(process.pid))
            except psutil.NoSuchProcess:
                return

    def stop(self) -> None:
        self._ended.set()
        self.join()


def _high_water(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    line = next((line for line in status.splitlines() if line.startswith("VmHWM")), "VmHWM: 0 kB")
    return int(line.split()[1]) / 1024


def keep(name: str, lines: Sequence[str]) -> None:
    """Print the lines and keep them in bench/results/<name>.txt, with the machine they were measured on."""
    machine = f"# {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    text = "\n".join([machine, *lines]) + "\n"
    print(text, end="")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.txt").write_text(text)
