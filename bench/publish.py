"""Writing and reading a published mixture, beside `datasets` and plain pyarrow; memory at ten times the rows.

`python -m bench.publish`. The job: pairs in the store's Parquet files to Parquet files with the rows shuffled.
Ours also joins plan and groups, makes splits and shards, hashes and syncs every file, writes card and manifest.
pyarrow loads all rows, shuffles and writes them; `datasets` loads, shuffles and writes them. "As they lie" is
`datasets` without the shuffle: less than the job, shown beside it and not in the result. Ours and pyarrow compress
by zstd, `datasets` by snappy and takes no other; none compresses the bytes of pictures. Pictures: rows with one of
60 KB; theirs write a table in which the bytes are already. Ranked: four pairs of a prompt about one such picture,
which ours stores once; "in each row" writes the same rows without that. Each side is a process of its own,
interpreter start included; of two runs in turn the one of least CPU; ten times the rows and the shuffle of
`datasets` run once.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import _measure, _publish_store
from mixtures._columns import PICTURE_BYTES, REPEATING, leaves

ROWS = {"text": 200_000, "pictures": 4_000, "ranked": 4_000}
JOB = ("text", "pictures")  # what the result is about
TIMES = 10
RUNS = 2
LIES = "datasets as they lie"
EACH = "in each row"
WRITERS = ("prefmill", "pyarrow", LIES)
READERS = ("read prefmill", "read theirs")


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        lines = ["rows                way                     wall s    CPU s  peak MB  rows/CPU s  MB on disk"]
        costs: dict[tuple[str, str], _measure.Cost] = {}
        sizes: dict[tuple[str, str], float] = {}
        for kind, rows in ROWS.items():
            _step("make", kind, root / kind, rows)
            for ways in (WRITERS if kind in JOB else ("prefmill", EACH), READERS):
                runs = [{way: _step(way, kind, root / kind, rows) for way in ways} for _ in range(RUNS)]
                for way in ways:
                    costs[kind, way] = min((run[way] for run in runs), key=lambda cost: cost.cpu)
                    sizes[kind, way] = _megabytes(root / kind, way)
            if kind in JOB:
                costs[kind, "datasets"] = _step("datasets", kind, root / kind, rows)
                sizes[kind, "datasets"] = _megabytes(root / kind, "datasets")
            lines += [
                _line(kind, rows, way, cost, sizes[kind, way]) for (of, way), cost in costs.items() if of == kind
            ]
        _step("make", "text", root / "many", ROWS["text"] * TIMES)
        many = _step("prefmill", "text", root / "many", ROWS["text"] * TIMES)
        lines.append(_line("text", ROWS["text"] * TIMES, "prefmill", many, _megabytes(root / "many", "prefmill")))
    _measure.keep("publish", [*lines, "", *_ratios(costs, sizes, many)])


def _step(way: str, kind: str, folder: Path, rows: int) -> _measure.Cost:
    with tempfile.TemporaryDirectory() as cache:  # `datasets` would find there what it has read before
        env = {"HF_HUB_OFFLINE": "1", "HF_HOME": cache}
        return _measure.run([sys.executable, "-m", "bench.publish", way, kind, str(folder), str(rows)], env)


def _files(folder: Path, way: str) -> list[Path]:
    """The files that a way has written, or reads."""
    ours = way in ("prefmill", "read prefmill")
    return sorted(folder.glob("published/bench/versions/*/data/*.parquet" if ours else "theirs/data/*.parquet"))


def _megabytes(folder: Path, way: str) -> float:
    return sum(file.stat().st_size for file in _files(folder, way)) / 1e6


def _line(kind: str, rows: int, way: str, cost: _measure.Cost, size: float) -> str:
    return (
        f"{kind:<9} {rows:>9}  {way:<20} {cost.wall:>8.2f} {cost.cpu:>8.2f} {cost.peak_mb:>8.0f} "
        f"{rows / cost.cpu:>11,.0f} {size:>11.1f}"
    )


def _ratios(
    costs: dict[tuple[str, str], _measure.Cost], sizes: dict[tuple[str, str], float], many: _measure.Cost
) -> list[str]:
    write = {kind: min(costs[kind, "pyarrow"].cpu, costs[kind, "datasets"].cpu) / costs[kind, "prefmill"].cpu
             for kind in JOB}  # fmt: skip
    read = {kind: costs[kind, "read theirs"].cpu / costs[kind, "read prefmill"].cpu for kind in ROWS}
    lies = {kind: costs[kind, LIES].cpu / costs[kind, "prefmill"].cpu for kind in JOB}
    once = sizes["ranked", EACH] / sizes["ranked", "prefmill"]
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
        f"rss_ratio_10x={many.peak_mb / costs['text', 'prefmill'].peak_mb:.2f}",
    ]


def _run(way: str, kind: str, folder: Path, rows: int) -> None:
    if way == "make":
        folder.mkdir()
        _publish_store.make(folder, rows, kind)
    elif way == "prefmill":
        _publish(folder)
    elif way.startswith("read"):
        _read(folder / "published" / "bench" if way == "read prefmill" else folder / "theirs")
    else:
        _theirs(way, kind, folder)


def _publish(folder: Path) -> None:
    from mixtures._publish import publish
    from pairs.store import Store

    store, recipe = Store(folder), _publish_store.recipe(folder)
    shutil.rmtree(store.path("published"), ignore_errors=True)
    groups = store.scan("pairs").select("pair_id", group_id="prompt_id")
    rows = store.scan("plans", ["bench"]).drop("mixture")
    publish(store, "bench", recipe, _publish_store.plan(store), groups=groups, rows=rows, facts={})


def _theirs(way: str, kind: str, folder: Path) -> None:
    """The rows of the store; with pictures, those we have published."""
    import numpy as np
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    files = sorted(folder.glob("pairs/*/*.parquet")) if kind == "text" else _files(folder, "prefmill")
    out = folder / "theirs" / "data" / "train.parquet"
    out.parent.mkdir(parents=True, exist_ok=True)
    rows: Any = ds.dataset([str(file) for file in files], format="parquet")
    compression = {leaf: "none" if leaf in PICTURE_BYTES else "zstd" for leaf in leaves(rows.schema)}
    if way == "pyarrow":
        table = rows.to_table()
        shuffled = table.take(np.random.default_rng(1).permutation(table.num_rows))
        pq.write_table(shuffled, out, compression=compression)
    elif way == EACH:
        with pq.ParquetWriter(out, rows.schema, compression=compression, use_dictionary=REPEATING) as writer:
            for file in map(pq.ParquetFile, files):
                for group in range(file.num_row_groups):
                    writer.write_table(file.read_row_group(group))
    else:
        from datasets import load_dataset

        rows = load_dataset("parquet", data_files=[str(file) for file in files], split="train")
        (rows if way == LIES else rows.shuffle(seed=1)).to_parquet(str(out))


def _read(folder: Path) -> None:
    from datasets import load_dataset

    splits = load_dataset(str(folder))
    assert sum(split.num_rows for split in splits.values())


if __name__ == "__main__":
    _run(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])) if len(sys.argv) > 1 else main()
