"""Frozen features: the state of each completion under a fixed extractor, computed once and kept in the store.

A head that trains on them takes seconds, so that many mixtures can be tried. The CPU default is made of the
features of the embedded reward model; a small sentence encoder adds what texts are about (`rewards.sentences`); a
backbone gives its last hidden state at the last real token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import polars as pl
import pyarrow as pa

from pairs.errors import PrefmillError
from pairs.store import Store
from pairs.tables import FEATURES
from rewards.features import DENSE_WIDTH, VERSION, features
from rewards.interface import Item
from rewards.score import BATCH, CHUNK, Kept, ScoreBooks, chunk_items, missing
from rewards.sentences import MINILM, minilm

EMBEDDED = "embedded"
_BATCH = BATCH  # completions that go through the extractor together


class Extractor(Protocol):
    """Turns completions into states. `fingerprint` names all that a state depends on; `width` is its length."""

    @property
    def fingerprint(self) -> str: ...

    @property
    def width(self) -> int: ...

    def fits(self, items: Sequence[Item]) -> np.ndarray:
        """Which items can be read whole, bool [items]."""
        ...

    def states(self, items: Sequence[Item]) -> np.ndarray:
        """float32 [items, width]."""
        ...


class EmbeddedStates:
    """The dense measures of the embedded features. Their hashed words need a first layer of their own; under a
    random projection to 16, 32 or 256 numbers they cost one to five points of accuracy on real pairs."""

    fingerprint = f"frozen-{VERSION}"
    width = DENSE_WIDTH

    def fits(self, items: Sequence[Item]) -> np.ndarray:
        return np.ones(len(items), bool)

    def states(self, items: Sequence[Item]) -> np.ndarray:
        return features(items).dense


def load_extractor(name: str) -> Extractor:
    """The extractor "embedded" or "minilm", or the backbone in a folder or of the hub by id."""
    if name == MINILM:
        return minilm()
    if name == EMBEDDED:
        return EmbeddedStates()
    from rewards.backbone_states import BackboneStates

    return BackboneStates(name)


def extract(store: Store, extractor: Extractor, wanted: pl.LazyFrame, *, progress: bool = True) -> ScoreBooks:
    """Compute the states of completions (`wanted`: as from `score.completions_of`) that the table lacks; see
    `keep`."""

    def read(todo: pl.DataFrame) -> Iterator[list[Item]]:
        for start in range(0, len(todo), CHUNK):
            yield from chunk_items(store, wanted, todo.slice(start, CHUNK))

    ids = wanted.select("prompt_id", "completion_id").collect()
    return keep(store, extractor, ids, read, progress=progress)


def keep(
    store: Store,
    extractor: Extractor,
    ids: pl.DataFrame,
    read: Callable[[pl.DataFrame], Iterator[list[Item]]],
    *,
    progress: bool = True,
) -> ScoreBooks:
    """Compute the states of completions that the table `features` lacks. `ids` has `prompt_id, completion_id`,
    each completion once; `read` gives the items of some of its rows, in their order.

    Appends bit by bit, so that a run that was stopped goes on where it stood, and with the same batches: its
    states are those of an unbroken run. Raises `PrefmillError` for a state that holds no finite number, naming
    the completion.
    """
    from tqdm import tqdm

    todo = missing(store, "features", extractor.fingerprint, ids)
    unread, waiting = 0, list[Item]()

    def write(found: list[str], states: np.ndarray) -> None:
        _append(store, extractor.fingerprint, found, states)

    with (
        tqdm(total=len(todo), desc="features", unit=" completions", disable=not progress or not len(todo)) as bar,
        Kept(write) as kept,
    ):
        for items in read(todo):
            fits = extractor.fits(items)
            waiting += [item for item, fit in zip(items, fits, strict=True) if fit]
            unread += int((~fits).sum())
            while len(waiting) >= _BATCH:
                kept.add(waiting[:_BATCH], extractor.states(waiting[:_BATCH]))
                del waiting[:_BATCH]
            bar.update(len(items))
        if waiting:
            kept.add(waiting, extractor.states(waiting))
    return ScoreBooks(extractor.fingerprint, len(ids) - len(todo), kept.rows, unread)


def _append(store: Store, fingerprint: str, ids: list[str], states: np.ndarray) -> None:
    wrong = np.flatnonzero(~np.isfinite(states).all(axis=1))
    if len(wrong):
        raise PrefmillError(
            f"extractor {fingerprint}: the state of completion {ids[wrong[0]]} is not finite; check its precision"
        )
    starts = pa.array(np.arange(len(ids) + 1, dtype=np.int32) * states.shape[1])
    column = pa.ListArray.from_arrays(starts, pa.array(states.ravel()))
    table = pa.table([pa.array([fingerprint] * len(ids)), pa.array(ids), column], schema=FEATURES)
    store.append("features", fingerprint, table, {"completions": str(len(ids))})


def states_of(store: Store, fingerprint: str, ids: pl.Series) -> tuple[pl.DataFrame, np.ndarray]:
    """The kept states of some completions: `completion_id, row` and float32 [rows, width].

    Completions that the extractor could not read whole have no row. All that is asked for is held in memory.
    """
    asked = store.scan("features", [fingerprint]).filter(pl.col("completion_id").is_in(ids.implode()))
    found = asked.select("completion_id", "state").collect().unique("completion_id").sort("completion_id")
    if not len(found):
        raise PrefmillError(f"features of {fingerprint}: none of {len(ids)} completions; run the asset `features`")
    states = found["state"].explode().to_numpy().reshape(len(found), -1)
    return found.select("completion_id").with_row_index("row"), states
