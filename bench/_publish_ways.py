"""One way of writing or reading in the publication benchmark: `bench._publish_ways WAY KIND FOLDER ROWS`.

What a way does not need it does not import, so that its process starts as fast as it can.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

LIES = "datasets as they lie"
EACH = "in each row"
OURS = ("prefmill", "read prefmill")
_BYTES = "images.list.element.bytes"
_UNPUBLISHED = {"role", "media_ids", "chosen_media_ids", "rejected_media_ids"}


def files(folder: Path, way: str) -> list[Path]:
    """The files that a way has written, or reads."""
    return sorted(
        folder.glob("published/bench/versions/*/data/*.parquet" if way in OURS else "theirs/data/*.parquet")
    )


def run(way: str, kind: str, folder: Path, rows: int) -> None:
    if way == "make":
        from bench import _publish_store

        folder.mkdir()
        _publish_store.make(folder, rows, kind)
    elif way == "prefmill":
        _publish(folder)
    elif way.startswith("read"):
        _read(folder / "published" / "bench" if way in OURS else folder / "theirs")
    else:
        out = folder / "theirs" / "data"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        if way == "pyarrow":
            _with_plan(folder, out) if kind == "text" else _shuffled(folder, out)
        elif way == EACH:
            _in_each_row(folder, out)
        else:
            _by_datasets(folder, kind, out, shuffle=way != LIES)


def _publish(folder: Path) -> None:
    from bench import _publish_store
    from mixtures._publish import publish
    from pairs.store import Store

    store, recipe = Store(folder), _publish_store.recipe(folder)
    shutil.rmtree(store.path("published"), ignore_errors=True)
    groups = store.scan("pairs").select("pair_id", group_id="prompt_id")
    rows = store.scan("plans", ["bench"]).drop("mixture")
    publish(store, "bench", recipe, _publish_store.plan(store), groups=groups, rows=rows, facts={})


def _with_plan(folder: Path, out: Path) -> None:
    """The rows of the plan from the pairs of the store, shuffled; a join of pyarrow would not take lists along."""
    import numpy as np
    import pyarrow.compute as pc
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    held = ds.dataset(folder / "pairs", format="parquet", partitioning="hive", exclude_invalid_files=False)
    pairs = held.to_table(columns=[name for name in held.schema.names if name not in _UNPUBLISHED])
    groups = held.to_table(columns=["pair_id", "prompt_id"])
    plan = ds.dataset(folder / "plans", format="parquet", partitioning="hive").to_table(
        ["pair_id", "split", "copy"]
    )
    plan = plan.take(np.random.default_rng(1).permutation(plan.num_rows))
    for split in pc.unique(plan["split"]).to_pylist():
        part = plan.filter(pc.equal(plan["split"], split))
        rows = pairs.take(pc.index_in(part["pair_id"], value_set=pairs["pair_id"]))
        group = groups["prompt_id"].take(pc.index_in(part["pair_id"], value_set=groups["pair_id"]))
        rows = rows.append_column("group_id", group).append_column("copy", part["copy"])
        pq.write_table(rows, out / f"{split}.parquet", compression="zstd")


def _shuffled(folder: Path, out: Path) -> None:
    """The rows that we have published, shuffled inside each split."""
    import numpy as np
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    for split in ("train", "test"):
        ours = [str(file) for file in files(folder, "prefmill") if file.name.startswith(split)]
        table = ds.dataset(ours, format="parquet").to_table()
        shuffled = table.take(np.random.default_rng(1).permutation(table.num_rows))
        pq.write_table(shuffled, out / f"{split}.parquet", compression=_compression(ours[0]))


def _compression(file: str) -> dict[str, str]:
    """zstd for every leaf but the bytes of pictures."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as like:
        leaves = [like.schema.column(place).path for place in range(len(like.schema))]
    return {leaf: "none" if leaf == _BYTES else "zstd" for leaf in leaves}


def _in_each_row(folder: Path, out: Path) -> None:
    import pyarrow.parquet as pq

    from mixtures._columns import REPEATING

    ours = files(folder, "prefmill")
    compression = _compression(str(ours[0]))
    schema = pq.read_schema(ours[0])
    with pq.ParquetWriter(
        out / "train.parquet", schema, compression=compression, use_dictionary=REPEATING
    ) as writer:
        for file in map(pq.ParquetFile, ours):
            for group in range(file.num_row_groups):
                writer.write_table(file.read_row_group(group))


def _by_datasets(folder: Path, kind: str, out: Path, *, shuffle: bool) -> None:
    from datasets import load_dataset

    held = sorted(folder.glob("pairs/*/*.parquet")) if kind == "text" else files(folder, "prefmill")
    rows: Any = load_dataset("parquet", data_files=[str(file) for file in held], split="train")
    (rows.shuffle(seed=1) if shuffle else rows).to_parquet(str(out / "train.parquet"))


def _read(folder: Path) -> None:
    from datasets import load_dataset

    splits = load_dataset(str(folder))
    assert sum(split.num_rows for split in splits.values())


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
