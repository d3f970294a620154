"""Writing and reading a published mixture, beside `datasets` and plain pyarrow; memory at ten times the rows.

`python -m bench.publish`. The job: the pairs that a plan names, from the store's Parquet files, shuffled and by
split into Parquet files, with the group and the copy of each. Ours also makes shards of a set size, hashes and
syncs every file, writes card and manifest. pyarrow loads all rows, looks plan and groups up by pair id, shuffles
and writes. `datasets` loads, shuffles and writes the pairs alone, without plan and groups. "As they lie" is
`datasets` without the shuffle: less than the job, shown beside it and not in the result. Ours and pyarrow
compress by zstd, `datasets` by snappy and takes no other; none compresses the bytes of pictures; all else is by
default. Pictures: rows with one of 60 KB; theirs write a table in which bytes, plan and groups are already.
Ranked: four pairs of a prompt about one such picture, which ours stores once; "in each row" writes the same rows
without that. Read: `load_dataset` of a folder, ours or that of `datasets` as they lie. Each side is a process of
its own that imports what it needs; its start counts. Of three runs in turn the one of least CPU counts, the CPU
of all is shown; ten times the rows and the shuffle of `datasets` run once.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench import _measure
from bench._publish_ways import EACH, LIES, files

ROWS = {"text": 200_000, "pictures": 12_000, "ranked": 4_000}
JOB = ("text", "pictures")  # what the result is about
TIMES = 10
RUNS = 3
WRITERS = ("prefmill", "pyarrow", LIES)
READERS = ("read prefmill", "read theirs")
HEAD = (
    "rows                way                     wall s    CPU s  peak MB  rows/CPU s  MB on disk   CPU s of all"
)
Costs = dict[tuple[str, str], list[_measure.Cost]]  # of each run, by kind and way


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        costs: Costs = {}
        sizes: dict[tuple[str, str], float] = {}
        for kind, rows in ROWS.items():
            _step("make", kind, root / kind, rows)
            for ways in (WRITERS if kind in JOB else ("prefmill", EACH), READERS):
                for way in ways * RUNS:
                    costs.setdefault((kind, way), []).append(_step(way, kind, root / kind, rows))
                    sizes[kind, way] = _megabytes(root / kind, way)
            if kind in JOB:
                costs[kind, "datasets"] = [_step("datasets", kind, root / kind, rows)]
                sizes[kind, "datasets"] = _megabytes(root / kind, "datasets")
        _step("make", "text", root / "many", ROWS["text"] * TIMES)
        many = _step("prefmill", "text", root / "many", ROWS["text"] * TIMES)
        lines = [_line(*which, ROWS[which[0]], runs, sizes[which]) for which, runs in costs.items()]
        size = _megabytes(root / "many", "prefmill")
        lines.append(_line("text", "prefmill", ROWS["text"] * TIMES, [many], size))
    _measure.keep("publish", [HEAD, *lines, "", *_ratios(costs, sizes, many)])


def _step(way: str, kind: str, folder: Path, rows: int) -> _measure.Cost:
    with tempfile.TemporaryDirectory() as cache:  # `datasets` would find there what it has read before
        env = {"HF_HUB_OFFLINE": "1", "HF_HOME": cache}
        return _measure.run([sys.executable, "-m", "bench._publish_ways", way, kind, str(folder), str(rows)], env)


def _megabytes(folder: Path, way: str) -> float:
    return sum(file.stat().st_size for file in files(folder, way)) / 1e6


def _least(runs: list[_measure.Cost]) -> _measure.Cost:
    return min(runs, key=lambda cost: cost.cpu)


def _line(kind: str, way: str, rows: int, runs: list[_measure.Cost], size: float) -> str:
    cost = _least(runs)
    return (
        f"{kind:<9} {rows:>9}  {way:<20} {cost.wall:>8.2f} {cost.cpu:>8.2f} {cost.peak_mb:>8.0f} "
        f"{rows / cost.cpu:>11,.0f} {size:>11.1f}   {' '.join(f'{run.cpu:.2f}' for run in runs)}"
    )


def _ratios(costs: Costs, sizes: dict[tuple[str, str], float], many: _measure.Cost) -> list[str]:
    cpu = {which: _least(runs).cpu for which, runs in costs.items()}
    best = {kind: min(cpu[kind, "pyarrow"], cpu[kind, "datasets"]) for kind in JOB}
    write = {kind: best[kind] / cpu[kind, "prefmill"] for kind in JOB}
    read = {kind: cpu[kind, "read theirs"] / cpu[kind, "read prefmill"] for kind in ROWS}
    lies = {kind: cpu[kind, LIES] / cpu[kind, "prefmill"] for kind in JOB}
    once = sizes["ranked", EACH] / sizes["ranked", "prefmill"]
    few = max(run.peak_mb for run in costs["text", "prefmill"])
    return [
        "CPU seconds of the faster of pyarrow and datasets over ours, writing shuffled rows: "
        + ", ".join(f"{kind} {ratio:.2f}" for kind, ratio in write.items()),
        "the same of datasets without the shuffle: "
        + ", ".join(f"{kind} {ratio:.2f}" for kind, ratio in lies.items()),
        "CPU seconds to load what datasets has written over loading ours: "
        + ", ".join(f"{kind} {read[kind]:.2f}" for kind in JOB),
        f"four pairs to a picture, a picture in each row over each picture once: {once:.2f} of the bytes, "
        f"{read['ranked']:.2f} of the CPU seconds to load them",
        f"RESULT write_vs_best={min(write.values()):.2f} read_vs_datasets={min(read[kind] for kind in JOB):.2f} "
        f"rss_ratio_10x={many.peak_mb / few:.2f}",
    ]


if __name__ == "__main__":
    main()
