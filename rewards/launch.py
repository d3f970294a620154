"""Training in several processes of one machine: `train` starts itself again under torchrun.

Under a launcher of the user's own (torchrun, accelerate, several machines) nothing is started: every process calls
`python -m rewards.launch ORDER.json`, where the order holds `dataset`, `config`, `out`, `settings` and `progress`.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from pairs.errors import PrefmillError

if TYPE_CHECKING:
    from rewards.train import TrainResult, TrainSettings

_ERROR = re.compile(r"^(?:\[rank\d+\]: )?(\w[\w.]*Error: .*)$", re.MULTILINE)
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


def launched() -> bool:
    """Whether this process is one of several that a launcher started."""
    return "WORLD_SIZE" in os.environ and "RANK" in os.environ


def first() -> bool:
    """Whether this process is the one that writes the model."""
    return os.environ.get("RANK", "0") == "0"


def wait() -> None:
    """Wait until all processes have come here."""
    import torch.distributed

    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()


def train(dataset: str, config: str, out: Path, settings: TrainSettings, progress: bool) -> TrainResult:
    """`rewards.train.train` in `settings.processes` processes. They end when this one is killed."""
    from rewards.train import TrainResult

    order = {"dataset": dataset, "config": config, "out": str(out), "settings": settings.model_dump(mode="json"),
             "progress": progress}  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        told, answer = Path(folder) / "order.json", Path(folder) / "answer.json"
        told.write_bytes(orjson.dumps({**order, "answer": str(answer)}))
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node",
                   str(settings.processes), "-m", "rewards.launch", str(told)]  # fmt: skip
        root = str(Path(__file__).parent.parent)
        paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        done = subprocess.run(
            command, env={**os.environ, "PYTHONPATH": paths}, text=True, preexec_fn=_end_with_parent,
            stdout=sys.stderr if progress else subprocess.DEVNULL, stderr=None if progress else subprocess.PIPE,
        )  # fmt: skip
        said = orjson.loads(answer.read_bytes()) if answer.exists() else {}
    if "error" in said:
        raise PrefmillError(said["error"])
    if done.returncode or not said:
        found = _ERROR.findall(done.stderr or "") or ["no reason given"]
        raise PrefmillError(
            f"training in {settings.processes} processes ended with {done.returncode}: {found[0]}; "
            "set processes = 1 to see the whole error"
        )
    said["curve"] = [tuple(point) for point in said["curve"]]
    return TrainResult(**{**said, "path": Path(said["path"])})


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGTERM)


def _main(order: dict[str, Any]) -> None:
    from rewards.train import TrainSettings, train

    answer = Path(order.pop("answer", os.devnull))
    order["settings"] = TrainSettings(**order["settings"])
    order["out"] = Path(order["out"])
    order["progress"] = order.get("progress", True) and first()
    try:
        said = train(**order).as_dict()
    except PrefmillError as error:
        said = {"error": str(error)}
    if first():
        answer.write_bytes(orjson.dumps(said))
    sys.exit("error" in said)


if __name__ == "__main__":
    _main(orjson.loads(Path(sys.argv[1]).read_bytes()))
