"""Several reading processes side by side: orders go out, answers come back in the order of the units."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import pairs.errors
import sources
from pairs.errors import PrefmillError
from sources._books import Summary
from sources._units import Piece, Task

_SHOWN = 400  # characters of what a process said before it died


class Workers:
    """`count` reading processes for one ingestion. Raises what they raise; a dead one is a `PrefmillError`."""

    def __init__(self, task: Task, count: int, progress: Callable[[int], object]) -> None:
        self._progress = progress
        self._name = task.name
        self._threads = ThreadPoolExecutor(count)
        self._idle: queue.SimpleQueue[_Process] = queue.SimpleQueue()
        self._all = [_Process(task) for _ in range(count)]
        for process in self._all:
            self._idle.put(process)

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._all:
            process.end()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def divide(self, files: Sequence[tuple[str, str]]) -> list[list[Piece]]:
        """The pieces of every file, given as (split, file)."""
        answers = self._threads.map(lambda two: self._ask({"divide": two}, two[1]), files)
        return [[Piece(**piece) for piece in answer] for answer in answers]

    def read(self, units: Sequence[Sequence[Piece]]) -> Iterator[Summary]:
        """The summaries of all units, in order."""
        orders = [
            {"number": number, "read": [asdict(piece) for piece in unit]} for number, unit in enumerate(units)
        ]
        for answer in self._threads.map(lambda order: self._ask(order, order["read"][0]["file"]), orders):
            yield Summary(**answer)

    def _ask(self, order: dict[str, Any], file: str) -> Any:
        process = self._idle.get()
        try:
            return process.ask(order, self._progress)
        except (EOFError, BrokenPipeError):
            raise PrefmillError(
                f"{self._name}: the process that read {file} ended with {process.verdict()}; "
                "the store is as it was"
            ) from None
        finally:
            self._idle.put(process)


class _Process:
    def __init__(self, task: Task) -> None:
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - `end` closes it
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sources._worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            bufsize=1,
            cwd=Path(__file__).parent.parent,  # where `sources` is found however this process found it
        )
        self._send({"path": list(sources.__path__), "task": asdict(task)})

    def _send(self, order: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")

    def ask(self, order: dict[str, Any], progress: Callable[[int], object]) -> Any:
        self._send(order)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            answer = json.loads(line)
            if "rows" in answer:
                progress(answer["rows"])
            elif "error" in answer:
                raise getattr(pairs.errors, answer["error"])(answer["text"])
            else:
                return answer["done"]
        raise EOFError

    def verdict(self) -> str:
        """How the process ended: its signal or code, and its last line."""
        code = self._process.wait(10)
        self._said.seek(0)
        lines = self._said.read()[-10_000:].decode(errors="replace").strip().splitlines()
        ended = f"signal {-code}" if code < 0 else f"code {code}"
        return f"{ended} ({lines[-1][:_SHOWN]})" if lines else ended

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._said.close()
