"""What one unit of work became, in a scratch folder: rows wait here until the whole source has been read."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pairs.errors import BadRow
from pairs.schema import Medium
from pairs.shards import PART, MediaWriter, part_writer
from pairs.store import Store
from pairs.tables import BAD_ROWS
from sources._books import Summary
from sources._columns import table

_BATCH = 2_000


class Spool:
    """Collects the pairs, findings and media of one unit; `close` completes its files."""

    def __init__(self, store: Store, source: str, folder: Path, constant: Mapping[str, str]) -> None:
        """`constant` are the columns that hold one text in all rows: the revision and the role."""
        folder.mkdir(parents=True)
        self.summary = Summary(str(folder))
        self._source = source
        self._folder = folder
        self._media = MediaWriter(store, source, folder=folder / "media")
        self._constant = constant
        self._pairs: list[tuple[Any, ...]] = []
        self._bad_rows: list[dict[str, Any]] = []
        self._rows = array("q")
        self._pair_writer = part_writer(folder / "pairs.parquet")
        self._bad_writer = pq.ParquetWriter(folder / "bad_rows.parquet", BAD_ROWS, compression="lz4")

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pair_writer.close()
        self._bad_writer.close()
        self._media.abort()

    def add(
        self,
        split: str,
        place: str,
        records: Sequence[tuple[Any, ...]],
        findings: Sequence[BadRow],
        media: Sequence[Medium],
    ) -> None:
        """Take what one native row became. A row without pairs has one finding that stands for all of it."""
        summary = self.summary
        for medium in media:
            self._media.add(medium)
        if records:
            self._rows.extend([summary.rows] * len(records))
            self._pairs += records
            if len(self._pairs) >= _BATCH:
                self._flush()
        else:
            summary.without += 1
            summary.broken += findings[0].kind == "broken"
        summary.rows += 1
        for position, finding in enumerate(findings):
            self._aside(split, place, finding, whole_row=not records and position == 0)

    def _aside(self, split: str, place: str, finding: BadRow, *, whole_row: bool) -> None:
        detail = storable(finding.detail)
        counted = self.summary.asides.setdefault(finding.reason, [0, f"{place}: {detail}"])
        counted[0] += 1
        self._bad_rows.append(aside(self._source, split, place, finding, whole_row=whole_row))
        if len(self._bad_rows) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._pairs:
            self._pair_writer.write_table(table(self._pairs, self._constant, PART))
        if self._bad_rows:
            self._bad_writer.write_table(pa.Table.from_pylist(self._bad_rows, BAD_ROWS))
        self.summary.offered += len(self._pairs)
        with (self._folder / "ids").open("ab") as file:
            file.write(bytes.fromhex("".join([record[0] for record in self._pairs])))
        with (self._folder / "rows").open("ab") as file:
            self._rows.tofile(file)
        self._pairs, self._bad_rows = [], []
        self._rows = array("q")

    def close(self) -> Summary:
        self._flush()
        self._pair_writer.close()
        self._bad_writer.close()
        pq.write_table(self._media.close(), self._folder / "media.parquet")
        return self.summary


def aside(source: str, split: str, place: str, finding: BadRow, *, whole_row: bool) -> dict[str, Any]:
    """A finding as a row of the table `bad_rows`."""
    return {
        "source": source,
        "source_split": split,
        "source_row": place,
        "kind": finding.kind,
        "reason": finding.reason,
        "detail": storable(finding.detail),
        "whole_row": whole_row,
    }


def storable(detail: str) -> str:
    return detail.encode("utf-8", "backslashreplace").decode()[:500]
