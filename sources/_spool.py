"""Scratch space of one ingestion: rows wait here until the whole source has been read and its books balance."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pairs.errors import BadRow, SetAside
from pairs.schema import BAD_ROWS, PAIRS, Medium
from pairs.shards import MediaWriter
from pairs.store import Store
from sources._books import Books, Seen

_BATCH = 2_000


class Spool:
    """Collects pairs, findings and media; `settle` removes repeats and closes the books, `commit` publishes."""

    def __init__(self, store: Store, books: Books) -> None:
        self.books = books
        self.offered = 0  # pairs before repeats are removed
        self._store = store
        self._folder = store.path("scratch", f"{books.source}-{uuid.uuid4().hex}")
        self._media = MediaWriter(store, books.source)
        self._seen = Seen()
        self._buffers: dict[str, list[dict[str, Any]]] = {"pairs": [], "bad_rows": []}
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._asides: dict[str, list[Any]] = {}  # reason -> [count, first place and detail]
        self._without = 0

    def __enter__(self) -> Spool:
        self._folder.mkdir(parents=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._writers.values():
            writer.close()
        self._media.abort()
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(
        self,
        split: str,
        place: str,
        records: Sequence[dict[str, Any]],
        findings: Sequence[BadRow],
        media: Sequence[Medium],
    ) -> None:
        """Take what one native row became. A row without pairs has one finding that stands for all of it."""
        for medium in media:
            self._media.add(medium)
        for record in records:
            self._seen.add(record["pair_id"], self.books.rows)
            self._push("pairs", record, PAIRS)
        self.offered += len(records)
        for position, finding in enumerate(findings):
            self._aside(split, place, finding, whole_row=not records and position == 0)
        if not records:
            self._without += 1
            self.books.broken += findings[0].kind == "broken"

    def _aside(self, split: str, place: str, finding: BadRow, *, whole_row: bool) -> None:
        counted = self._asides.setdefault(finding.reason, [0, f"{place}: {finding.detail}"])
        counted[0] += 1
        self._push(
            "bad_rows",
            {
                "source": self.books.source,
                "source_split": split,
                "source_row": place,
                "kind": finding.kind,
                "reason": finding.reason,
                "detail": _storable(finding.detail),
                "whole_row": whole_row,
            },
            BAD_ROWS,
        )

    def worst(self) -> tuple[str, int, str]:
        """The most frequent finding: its reason, its count, and where it was first seen with what."""
        reason, (count, example) = max(self._asides.items(), key=lambda item: item[1][0])
        return reason, count, example

    def _push(self, table: str, record: dict[str, Any], schema: pa.Schema) -> None:
        buffer = self._buffers[table]
        buffer.append(record)
        if len(buffer) >= _BATCH:
            self._flush(table, schema)

    def _flush(self, table: str, schema: pa.Schema) -> None:
        if table not in self._writers:
            self._writers[table] = pq.ParquetWriter(self._folder / f"{table}.parquet", schema, compression="lz4")
        if self._buffers[table]:
            self._writers[table].write_table(pa.Table.from_pylist(self._buffers[table], schema=schema))
            self._buffers[table] = []

    def settle(self) -> None:
        """Set aside pairs that the source holds twice, and complete the books."""
        self._flush("pairs", PAIRS)
        self._writers.pop("pairs").close()
        rows = self._seen.rows()
        self._first = self._seen.first()
        with_pairs = np.unique(rows[self._first])
        emptied = set(np.setdiff1d(rows, with_pairs).tolist())
        self.books.rows_with_pairs = len(with_pairs)
        self.books.rows_without = self._without + len(emptied)
        for number, split, place in self._repeats(rows):
            repeat = SetAside("repeated_pair", "the source holds this pair before")
            self._aside(split, place, repeat, whole_row=number in emptied)
            emptied.discard(number)
        self._flush("bad_rows", BAD_ROWS)
        self._writers.pop("bad_rows").close()
        self.books.pairs = int(self._first.sum())
        self.books.asides = {reason: count for reason, (count, _) in sorted(self._asides.items())}
        self.books.candidates = self.offered + sum(
            count for reason, (count, _) in self._asides.items() if reason != "repeated_pair"
        )

    def _repeats(self, rows: np.ndarray) -> Iterator[tuple[int, str, str]]:
        if self._first.all():
            return
        at = 0
        for batch in self._batches("pairs", ["source_split", "source_row"]):
            for offset in np.flatnonzero(~self._first[at : at + batch.num_rows]).tolist():
                yield int(rows[at + offset]), batch[0][offset].as_py(), batch[1][offset].as_py()
            at += batch.num_rows

    def _batches(self, table: str, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(self._folder / f"{table}.parquet") as file:
            yield from file.iter_batches(batch_size=_BATCH, columns=columns)

    def _unique(self) -> Iterator[pa.RecordBatch]:
        at = 0
        for batch in self._batches("pairs"):
            yield batch.filter(pa.array(self._first[at : at + batch.num_rows]))
            at += batch.num_rows

    def commit(self, fingerprint: str) -> None:
        """Replace the source's part of every table. Pairs come last: their commit is what counts."""
        name = self.books.source
        media = self._media.close()
        self.books.media = media.num_rows
        self._store.replace("media", name, media, {})
        bad_rows = pa.RecordBatchReader.from_batches(BAD_ROWS, self._batches("bad_rows"))
        self._store.replace("bad_rows", name, bad_rows, {})
        pairs = pa.RecordBatchReader.from_batches(PAIRS, self._unique())
        self._store.replace("pairs", name, pairs, self.books.to_facts(fingerprint))


def _storable(detail: str) -> str:
    return detail.encode("utf-8", "backslashreplace").decode()[:500]
