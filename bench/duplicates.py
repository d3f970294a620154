"""Near-duplicate removal of 200,000 texts of 1 KB, ours beside seven other tools: CPU seconds, memory, quality.

`python -m bench.duplicates [rows]`. Each tool runs alone, from the Parquet file to the ids that stay, in a virtual
environment of its own below `PREFMILL_BENCH_VENVS` (default ~/.cache/prefmill-bench), named after it. One that is
not there is made by pip when `PREFMILL_BENCH_INSTALL=1`; that of text-dedup needs Python 3.12 and is made by hand.
Ours and Daft run five times in turn, the medians count; the others once. Ours also runs on five times the rows,
for its memory.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import psutil

from bench._measure import keep
from bench._near_corpus import write

ROWS = 200_000
LIMIT = 1_500  # seconds of wall time
FOLDER = Path(os.environ.get("PREFMILL_BENCH_VENVS") or "~/.cache/prefmill-bench").expanduser()
PACKAGES = {
    "daft": ["daft", "numpy", "scipy", "pyarrow"],
    "gaoya": ["gaoya", "pyarrow"],
    "rensa": ["rensa", "pyarrow"],
    "datasketch": ["datasketch", "pyarrow", "xxhash"],
    "text-dedup": ["text-dedup>=0.4.1", "pyarrow"],
    "data-juicer": ["py-data-juicer", "aiohttp", "pyarrow"],
    "datatrove": ["datatrove[processing,io]", "spacy"],
}
_IN_TURN = 5
_MORE = 5


@dataclass(frozen=True)
class Outcome:
    tool: str
    note: str
    cpu: float = float("nan")  # seconds, all processes
    wall: float = float("nan")
    peak_mb: float = float("nan")  # largest VmHWM of a process
    recall: float = float("nan")  # of the surplus distinct texts of planted clusters
    lost: int = 0  # planted clusters of which nothing stays
    precision: float = float("nan")  # of the rows taken out


class Watch(threading.Thread):
    """CPU time and memory of a process and all its descendants, also of those that nobody waits for."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._root = psutil.Process(pid)
        self._ended = threading.Event()
        self._cpu: dict[int, float] = {}
        self.peak_mb = 0.0

    def run(self) -> None:
        while not self._ended.wait(0.02):
            try:
                family = [self._root, *self._root.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            for process in family:
                try:
                    times = process.cpu_times()
                    status = Path(f"/proc/{process.pid}/status").read_text()
                except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
                    continue
                self._cpu[process.pid] = times.user + times.system
                high = next((line for line in status.splitlines() if line.startswith("VmHWM")), "VmHWM: 0 kB")
                self.peak_mb = max(self.peak_mb, int(high.split()[1]) / 1024)

    def stop(self) -> float:
        self._ended.set()
        self.join()
        return sum(self._cpu.values())


def measured(tool: str, command: list[str], texts: Path, truth: Path) -> Outcome:
    """Runs `command` with the input and the output file behind it."""
    with tempfile.TemporaryDirectory() as folder:
        out, log = Path(folder) / "kept.parquet", Path(folder) / "log"
        before, started = os.times(), time.perf_counter()
        with log.open("w") as output:
            process = subprocess.Popen([*command, str(texts), str(out)], stdout=output, stderr=subprocess.STDOUT)
            watch = Watch(process.pid)
            watch.start()
            try:
                process.wait(LIMIT)
            except subprocess.TimeoutExpired:
                watch.stop()
                _end(process)
                return Outcome(tool, f"not done after {LIMIT} s")
        seen = watch.stop()
        after, wall = os.times(), time.perf_counter() - started
        waited = after.children_user + after.children_system - before.children_user - before.children_system
        if process.returncode:
            last = log.read_text(errors="replace").strip().splitlines()[-1:]
            return Outcome(tool, f"failed: {' '.join(last)[:100]}")
        quality = judged(pl.read_parquet(out), pl.read_parquet(truth))
    return replace(quality, tool=tool, cpu=max(seen, waited), wall=wall, peak_mb=watch.peak_mb)


def _end(process: subprocess.Popen[bytes]) -> None:
    for each in [*psutil.Process(process.pid).children(recursive=True), process]:
        each.kill()
    process.wait()


def judged(kept: pl.DataFrame, truth: pl.DataFrame) -> Outcome:
    """A planted cluster has one text too few when nothing of it stays, and surplus ones when several do."""
    rows = truth.join(kept.select("id", stays=pl.lit(True)), on="id", how="left").with_columns(
        pl.col("stays").fill_null(False)
    )
    clusters = rows.group_by("cluster").agg(
        texts=pl.col("number").n_unique(), stay=pl.col("number").filter("stays").n_unique()
    )
    surplus = (clusters["texts"] - 1).sum()
    left = (clusters["stay"].cast(pl.Int64) - 1).clip(0).sum()
    lost = (clusters["stay"] == 0).sum()
    return Outcome("", "", recall=1 - left / surplus, lost=lost, precision=1 - lost / (~rows["stays"]).sum())


def python_of(tool: str) -> str:
    """The interpreter in the tool's environment; raises `LookupError` with why there is none."""
    python = FOLDER / tool / "bin" / "python"
    if not python.exists() and os.environ.get("PREFMILL_BENCH_INSTALL") == "1":
        subprocess.run([sys.executable, "-m", "venv", python.parent.parent], check=True)
        if subprocess.run([str(python), "-m", "pip", "install", "-q", *PACKAGES[tool]]).returncode:
            raise LookupError("cannot be installed")
    if not python.exists():
        raise LookupError("not installed")
    return str(python)


def peer(tool: str, texts: Path, truth: Path) -> Outcome:
    try:
        python = python_of(tool)
    except LookupError as error:
        return Outcome(tool, str(error))
    script = str(Path(__file__).parent / "_near_peers.py")
    outcome = measured(tool, [python, script, tool], texts, truth)
    package = re.split(r"[\[>]", PACKAGES[tool][0])[0]
    ask = [python, "-c", f"import importlib.metadata as m; print(m.version({package!r}))"]
    version = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    return replace(outcome, note=f"{version} {outcome.note}".strip())


def ours(texts: Path, truth: Path) -> Outcome:
    return measured("prefmill", [sys.executable, "-m", "bench._near_ours"], texts, truth)


def best(outcomes: list[Outcome]) -> Outcome:
    """The one with the median CPU time."""
    return sorted(outcomes, key=lambda outcome: outcome.cpu)[len(outcomes) // 2]


def line(outcome: Outcome) -> str:
    return (
        f"{outcome.tool:12} {outcome.cpu:8.1f} {outcome.wall:8.1f} {outcome.peak_mb:8.0f} {outcome.recall:8.4f} "
        f"{outcome.precision:9.4f} {outcome.lost:6}  {outcome.note}"
    )


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    texts, truth = write(FOLDER / "corpus", rows)
    turns = [(ours(texts, truth), peer("daft", texts, truth)) for _ in range(_IN_TURN)]
    we, daft = (best(list(outcomes)) for outcomes in zip(*turns, strict=True))
    more = ours(*write(FOLDER / "corpus", rows * _MORE))
    head = f"{'tool':12} {'cpu s':>8} {'wall s':>8} {'peak MB':>8} {'recall':>8} {'precision':>9} {'lost':>6}"
    lines = [head, line(we), line(replace(more, note=f"{rows * _MORE:,} rows")), line(daft)]
    print("\n".join(lines), flush=True)
    times = {"daft": daft.cpu / we.cpu}
    for tool in list(PACKAGES)[1:]:
        outcome = peer(tool, texts, truth)
        times[tool.replace("-", "")] = outcome.cpu / we.cpu
        lines.append(line(outcome))
        print(lines[-1], flush=True)
    pairs = " ".join(f"{theirs.cpu / mine.cpu:.2f}" for mine, theirs in turns)
    lines.append(f"daft, CPU seconds over ours, turn by turn: {pairs}")
    lines.append(f"peak memory at {_MORE} times the rows: {more.peak_mb / we.peak_mb:.2f} times")
    against = " ".join(f"vs_{tool}={times[tool]:.1f}" for tool in ("datatrove", "textdedup", "datajuicer", "daft"))
    quality = f"near_recall={we.recall:.4f} near_precision={we.precision:.4f}"
    lines.append(f"RESULT {quality} {against} peak_mb={max(we.peak_mb, more.peak_mb):.0f}")
    keep("duplicates", lines)


if __name__ == "__main__":
    main()
