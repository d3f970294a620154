"""Reading at size, beside a dataset script: wall and CPU seconds, peak memory, and memory at ten times the rows.

`python -m bench.ingest`. Native files are generated in the layouts of HH-RLHF (text), UltraFeedback (four
completions a row) and RLAIF-V (embedded JPEGs). Each side runs as a process of its own, interpreter start
included, from native files to Parquet on disk; every file is read once before, so that both find it in memory.
Ours checks every row and decodes every picture; the script's side checks nothing. The ratios are against the
script as it is mostly run, in one process; "2 processes" is the same with `num_proc=2`. Texts are read several
times in turn, ours and theirs, and the quickest counts: other work on the machine only ever adds.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench import _ingest_native, _measure

ROWS = {"hh_rlhf": 100_000, "ultrafeedback": 20_000, "rlaif_v": 20_000}
LABELS = {"hh_rlhf": "text", "ultrafeedback": "completions", "rlaif_v": "images"}
TIMES = 10
TRIES = {"hh_rlhf": 5, "ultrafeedback": 3, "rlaif_v": 1}


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        lines = [
            f"texts: the quickest of {TRIES['hh_rlhf']} runs, several completions of {TRIES['ultrafeedback']}",
            "source         rows       MB  way                        wall s    CPU s  peak MB  rows/s  MB/s",
        ]
        costs: dict[str, tuple[_measure.Cost, _measure.Cost]] = {}
        for name, rows in ROWS.items():
            folder, size = _generated(root, name, rows)
            tries = [
                (_ours(root, name, folder), _theirs(root, name, folder), _theirs(root, name, folder, 2))
                for _ in range(TRIES[name])
            ]
            ours, theirs, two = (min(runs, key=lambda cost: cost.wall) for runs in zip(*tries, strict=True))
            costs[LABELS[name]] = ours, theirs
            lines.append(_line(name, rows, size, "prefmill", ours))
            lines.append(_line(name, rows, size, "datasets.map", theirs))
            lines.append(_line(name, rows, size, "datasets.map, 2 processes", two))
            if name == "rlaif_v":
                passed = _theirs(root, "rlaif_v_bytes", folder)
                lines.append(_line(name, rows, size, "datasets.map, unseen", passed))
        rows = ROWS["hh_rlhf"] * TIMES
        folder, size = _generated(root, "hh_rlhf", rows)
        tenfold = _ours(root, "hh_rlhf", folder)
        lines.append(_line("hh_rlhf", rows, size, "prefmill", tenfold))
    lines += ["", *_ratios(costs, tenfold)]
    _measure.keep("ingest", lines)


def _generated(root: Path, name: str, rows: int) -> tuple[Path, float]:
    folder = root / f"{name}-{rows}"
    getattr(_ingest_native, name)(folder, rows)
    return folder, sum(len(file.read_bytes()) for file in folder.rglob("*") if file.is_file()) / 1e6


def _ours(root: Path, name: str, folder: Path) -> _measure.Cost:
    with tempfile.TemporaryDirectory(dir=root) as store:
        return _measure.run([sys.executable, "-m", "bench._ingest_ours", name, str(folder), store])


def _theirs(root: Path, kind: str, folder: Path, processes: int = 1) -> _measure.Cost:
    with tempfile.TemporaryDirectory(dir=root) as out:
        return _measure.run([sys.executable, "-m", "bench._ingest_theirs", kind, str(folder), out, str(processes)])


def _line(name: str, rows: int, size: float, way: str, cost: _measure.Cost) -> str:
    return (
        f"{name:<13} {rows:>7} {size:>8.1f}  {way:<25} {cost.wall:>7.2f}  {cost.cpu:>7.2f}  {cost.peak_mb:>7.0f}"
        f"  {rows / cost.wall:>6.0f}  {size / cost.wall:>4.0f}"
    )


def _ratios(costs: dict[str, tuple[_measure.Cost, _measure.Cost]], tenfold: _measure.Cost) -> list[str]:
    cpu = [f"{label} {theirs.cpu / ours.cpu:.2f}" for label, (ours, theirs) in costs.items()]
    wall = {label: theirs.wall / ours.wall for label, (ours, theirs) in costs.items()}
    return [
        f"CPU seconds, theirs over ours: {', '.join(cpu)}",
        f"wall seconds, theirs over ours, four completions a row: {wall['completions']:.2f}",
        f"RESULT text_vs_datasets_map={wall['text']:.2f} image_vs_datasets_map={wall['images']:.2f} "
        f"rss_ratio_10x={tenfold.peak_mb / costs['text'][0].peak_mb:.2f}",
    ]


if __name__ == "__main__":
    main()
