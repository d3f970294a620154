"""Running a model over batches: the next ones are made ready while one is judged, and one too large is halved."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from pairs.errors import PrefmillError

if TYPE_CHECKING:
    from torch import Tensor

THREADS = 4  # that decode pictures; decoding leaves Python free
AHEAD = 4  # batches made ready: bounds what lies in memory


class Batch(Protocol):
    """Some items that go through the model together. `rows` are their places among all items."""

    @property
    def rows(self) -> np.ndarray: ...

    def encode(self) -> dict[str, Tensor]:
        """The batch as tensors on the CPU. Called from other threads."""
        ...

    def judge(self, encoded: dict[str, Tensor]) -> Tensor:
        """Rewards [rows], or states [rows, width], from the tensors on the model's device."""
        ...

    def halves(self) -> list[Any]:
        """The batch as two smaller ones; empty when it cannot be parted."""
        ...


def judge(batches: Iterable[Batch], out: np.ndarray, device: Any) -> np.ndarray:
    """Fill and return `out`: rewards of items, float32 [items], or their states, float32 [items, width].

    Raises `PrefmillError` when one item alone needs too much memory.
    """
    import torch

    with torch.no_grad():
        for batch, encoded in _ahead(batches):
            for part, rewards in _fitting(batch, encoded, device):
                out[part.rows] = rewards
    return out


def _ahead(batches: Iterable[Batch]) -> Iterator[tuple[Batch, dict[str, Tensor]]]:
    left = iter(batches)
    with ThreadPoolExecutor(THREADS) as pool:

        def begin(batch: Batch) -> tuple[Batch, Future[dict[str, Tensor]]]:
            return batch, pool.submit(batch.encode)

        waiting = deque(begin(batch) for batch in islice(left, AHEAD))
        try:
            while waiting:
                batch, encoded = waiting.popleft()
                waiting.extend(begin(following) for following in islice(left, 1))
                yield batch, encoded.result()
        finally:
            for _, encoded in waiting:
                encoded.cancel()


def _fitting(batch: Batch, encoded: dict[str, Tensor], device: Any) -> Iterator[tuple[Batch, np.ndarray]]:
    """The batch judged, in as many parts as the memory asks for."""
    import torch

    try:
        moved = {name: value.to(device) for name, value in encoded.items()}
        yield batch, batch.judge(moved).float().cpu().numpy()
        return
    except torch.OutOfMemoryError:
        halves = batch.halves()
        if not halves:
            raise PrefmillError(
                "the reward model ran out of memory on one completion alone; lower its max_length or max_pixels, "
                "in [[rewards.local]] or [train], or use a larger card"
            ) from None
    # Outside the handler: there its traceback would keep the tensors of the failed try alive.
    moved = {}
    torch.cuda.empty_cache()
    yield from chain.from_iterable(_fitting(half, half.encode(), device) for half in halves)
