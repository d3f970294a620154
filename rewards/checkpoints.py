"""Where a training keeps its checkpoints, and which of them a training that was killed goes on from."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset

LEARNED_FROM = ("pair_id", "source", "soft_label", "weight", "source_margin")
_BATCH = 10_000


def content(rows: Dataset | IterableDataset) -> tuple[str, int]:
    """What a training learns from, as a hash in hex, and the number of rows: ids of pairs are hashes of what they
    say and show, so their order and the columns that enter the loss are all there is to know."""
    digest, count = hashlib.sha256(), 0
    names = [name for name in LEARNED_FROM if name in rows.column_names]
    for table in rows.select_columns(names).iter(_BATCH):
        digest.update(orjson.dumps(table.to_pydict()))
        count += table.num_rows
    return digest.hexdigest(), count


def folder(out: Path, made_from: dict[str, Any]) -> Path:
    """The folder of the checkpoints towards the model at `out`; another one for other data or settings."""
    backbone = Path(str(made_from.get("backbone")))
    files = sorted(backbone.rglob("*")) if backbone.is_dir() else []
    stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.is_file()]
    key = hashlib.sha256(orjson.dumps([made_from, stats], option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
    return _all(out) / key


def logs(folder: Path, out: Path) -> Path:
    """Where trackers keep what the training with these checkpoints told them: it outlives the checkpoints, and a
    resumed training adds to it."""
    return out.with_name(f"{out.name}.logs") / folder.name


def newest(folder: Path) -> Path | None:
    """The newest checkpoint that was written whole; None when there is none.

    The Trainer writes its state last, so a checkpoint without one was cut short by a kill or a full disk.
    """
    whole = [path for path in folder.glob("checkpoint-*") if _step(path)]
    return max(whole, key=_step, default=None)


def clear(out: Path) -> None:
    """Remove the checkpoints towards a model that is complete."""
    shutil.rmtree(_all(out), ignore_errors=True)


def _all(out: Path) -> Path:
    return out.with_name(f".{out.name}.checkpoints")


def _step(checkpoint: Path) -> int:
    """The step of a checkpoint, 0 when it is not whole."""
    try:
        return int(orjson.loads((checkpoint / "trainer_state.json").read_bytes())["global_step"])
    except (OSError, ValueError, KeyError):
        return 0
