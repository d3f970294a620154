"""A reading process: `python -m sources._worker`, told one JSON line at a time what to do.

It opens what others wrote, under a limit on its memory, so that a file made to crash or to fill the machine ends
this process and not the run. It is not forked (the store's threads do not survive that), it does not import the
caller's main module, and nothing it is told or tells is pickled.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
from dataclasses import asdict
from types import ModuleType
from typing import Any

MEMORY_LIMIT = 8 << 30  # bytes of address space; a worker that needs more ends with an error


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what an adapter prints must not pass for an answer
    _limit_memory()
    first = json.loads(sys.stdin.readline())
    pa = _arrow()
    import sources
    from pairs.errors import PrefmillError
    from sources._units import Piece, Task
    from sources._work import Reader

    pa.set_cpu_count(1)
    # Rows are trees without cycles, thousands at a time: searching them for cycles took a tenth of the time.
    gc.set_threshold(100_000, 50, 100)
    sources.__path__[:] = first["path"]
    reader = Reader(Task(**first["task"]))

    def tell(**answer: Any) -> None:
        answers.write(json.dumps(answer) + "\n")

    for line in sys.stdin:
        order = json.loads(line)
        try:
            if "divide" in order:
                tell(done=[asdict(piece) for piece in reader.divide(*order["divide"])])
            else:
                unit = [Piece(**piece) for piece in order["read"]]
                tell(done=asdict(reader.read(order["number"], unit, lambda rows: tell(rows=rows))))
        except PrefmillError as error:
            tell(error=type(error).__name__, text=str(error))
        except MemoryError:
            tell(
                error="SourceChanged",
                text=f"{line[:300].strip()}: takes more than {MEMORY_LIMIT >> 30} GiB to read",
            )


def _arrow() -> ModuleType:
    """Arrow, believing that there are no numpy and no pandas: it would load both, for a third of a second."""
    sys.meta_path.insert(0, _Alone)
    import pyarrow as pa

    pa.array([])  # looks for pandas
    sys.meta_path.remove(_Alone)
    return pa


class _Alone:
    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name in ("numpy", "pandas"):
            raise ImportError(name)


def _limit_memory() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    soft = MEMORY_LIMIT if hard == resource.RLIM_INFINITY else min(MEMORY_LIMIT, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


if __name__ == "__main__":
    main()
