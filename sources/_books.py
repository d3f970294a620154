"""The books of one ingestion and of each unit of its work: what became of every native row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pairs.errors import PrefmillError

BROKEN_FREE = 10  # so many broken rows are dirt in a file of any size


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


@dataclass
class Summary:
    """The counts of one unit; the rows lie in the files of its folder."""

    folder: str
    rows: int = 0
    without: int = 0  # rows that became no pair
    broken: int = 0  # of those, rows that are not what the source promises
    offered: int = 0  # pairs before repeats are removed
    files: int = 0
    stopped: bool = False  # most rows were broken, so the rest was not read
    asides: dict[str, list[Any]] = field(default_factory=dict)  # reason -> [count, first place and detail]
    columns: list[str] = field(default_factory=list)  # those that the example does not have


class Total(Summary):
    """The units of one ingestion in order, and their counts."""

    def __init__(self, source: str) -> None:
        super().__init__("")
        self.source = source
        self.units: list[Summary] = []

    def add(self, unit: Summary) -> None:
        self.rows += unit.rows
        self.without += unit.without
        self.broken += unit.broken
        self.offered += unit.offered
        self.files += unit.files
        self.stopped |= unit.stopped
        self.columns = sorted({*self.columns, *unit.columns})
        for reason, (count, example) in unit.asides.items():
            self.asides.setdefault(reason, [0, example])[0] += count
        self.units.append(unit)

    def worst(self) -> tuple[str, int, str]:
        """The most frequent finding: its reason, its count, and where it was first seen with what."""
        reason, (count, example) = max(self.asides.items(), key=lambda item: item[1][0])
        return reason, count, example
