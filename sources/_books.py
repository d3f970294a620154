"""The books of one ingestion: what became of every native row, and which pairs were seen before."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import numpy as np

from pairs.errors import PrefmillError


@dataclass
class Books:
    """Counts of one source. `asides` counts findings by reason; a row of several completions can have some
    and still become pairs, so rows and findings balance apart."""

    source: str
    revision: str
    licence: str
    rows: int = 0
    rows_with_pairs: int = 0
    rows_without: int = 0  # rows that became no pair; each is in `bad_rows` with `whole_row`
    broken: int = 0  # of those, rows that are not what the source promises
    candidates: int = 0  # pairs the source offered, ties and broken ones included
    pairs: int = 0
    asides: dict[str, int] = field(default_factory=dict)
    media: int = 0
    files: int = 0
    size: int = 0  # bytes of the native files
    seconds: float = 0.0
    new_columns: list[str] = field(default_factory=list)
    changed: bool = True  # False: nothing had changed since the last ingestion, so nothing was read

    def check(self) -> None:
        """Raise unless every row and every candidate is accounted for."""
        if self.rows != self.rows_with_pairs + self.rows_without:
            raise PrefmillError(
                f"{self.source}: {self.rows} rows read, but {self.rows_with_pairs} became pairs and "
                f"{self.rows_without} were set aside; this is a fault of prefmill, please report it"
            )
        if self.candidates != self.pairs + sum(self.asides.values()):
            raise PrefmillError(
                f"{self.source}: {self.candidates} candidates, but {self.pairs} pairs and "
                f"{sum(self.asides.values())} findings; this is a fault of prefmill, please report it"
            )

    def to_facts(self, fingerprint: str) -> dict[str, str]:
        return {"fingerprint": fingerprint, "books": json.dumps(asdict(self), sort_keys=True)}

    @classmethod
    def from_facts(cls, facts: Mapping[str, str]) -> Books:
        return cls(**json.loads(facts["books"]))


class Seen:
    """Pair ids and their native rows in 24 bytes each: which pairs of a source come a second time."""

    def __init__(self) -> None:
        self._ids = bytearray()
        self._rows = array("q")

    def add(self, pair_id: str, row: int) -> None:
        self._ids += bytes.fromhex(pair_id)
        self._rows.append(row)

    def first(self) -> np.ndarray:
        """For every pair in order: whether it is the first with its id. Bool `[pairs]`."""
        halves = np.frombuffer(bytes(self._ids), dtype=">u8").reshape(-1, 2)
        order = np.lexsort((np.arange(len(halves)), halves[:, 1], halves[:, 0]))
        ordered = halves[order]
        first = np.ones(len(halves), dtype=bool)
        first[order[1:]] = (ordered[1:] != ordered[:-1]).any(axis=1)
        return first

    def rows(self) -> np.ndarray:
        """The native row number of every pair, int64 `[pairs]`."""
        return np.frombuffer(self._rows, dtype=np.int64) if self._rows else np.empty(0, dtype=np.int64)
