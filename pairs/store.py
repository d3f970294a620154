"""Where tables and media lie, how they are written and read.

Row tables are Delta Lake tables below one root. Each is split by one column (source, mixture or model);
writing replaces one part in one commit, so a reader sees the old rows or the new ones. Media bytes lie in
immutable Parquet shards named by their content; the table `media` says which row of which shard holds one.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pairs.errors import PrefmillError

if TYPE_CHECKING:  # none is imported before it is needed: readers start without some, and load others meanwhile
    import polars as pl
    import pyarrow as pa
    from deltalake import CommitProperties, WriterProperties

DEFAULT_ROOT = ".prefmill"
LOG_KEPT = "interval 36500 days"  # facts are read from the log, and Delta forgets it after 30 days by itself
GROUP_ROWS = 32_768  # rows of a Parquet row group: what one reader holds to find a few rows by their ids


class Store:
    """The tables and media below `root`."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root).absolute()

    @classmethod
    def default(cls) -> Store:
        """The store of `PREFMILL_STORE`, or `.prefmill` in the working directory."""
        return cls(os.environ.get("PREFMILL_STORE") or DEFAULT_ROOT)

    def path(self, *parts: str) -> Path:
        return self.root.joinpath(*parts)

    def replace(
        self, table: str, part: str, rows: pa.Table | pa.RecordBatchReader, facts: Mapping[str, str]
    ) -> int:
        """Put `rows` in the place of one part of a table, in one commit; returns the table's new version.

        `facts` go with the commit (revision, fingerprint, counts) and are read back by `facts`.
        """
        from deltalake import write_deltalake

        from pairs.tables import TABLES

        schema, by = _table(table, rows.schema)
        if not self._exists(table):
            return self.append(table, part, rows, facts)
        untyped = self._untyped(table, by)
        merge: Literal["merge"] | None = None if table in TABLES else "merge"  # a filter may measure more now
        write_deltalake(
            str(self.path(table)),
            _conform(rows, schema, by, part),
            mode="overwrite",
            predicate=None if untyped else f"{by} = '{_quoted(part)}'",
            schema_mode="overwrite" if untyped else merge,
            partition_by=[by],
            commit_properties=_commit(part, facts),
            writer_properties=_layout(),
        )
        return self.version(table)

    def append(
        self, table: str, part: str, rows: pa.Table | pa.RecordBatchReader, facts: Mapping[str, str]
    ) -> int:
        """Add rows to one part of a table, in one commit."""
        from deltalake import write_deltalake

        schema, by = _table(table, rows.schema)
        write_deltalake(
            str(self.path(table)),
            _conform(rows, schema, by, part),
            mode="append",
            partition_by=[by],
            commit_properties=_commit(part, facts),
            writer_properties=_layout(),
            configuration=None if self._exists(table) else {"delta.logRetentionDuration": LOG_KEPT},
        )
        return self.version(table)

    def scan(self, table: str, parts: Sequence[str] | None = None) -> pl.LazyFrame:
        """One table, or some parts of it, as a lazy frame. A table not yet written is empty."""
        import polars as pl

        from pairs.tables import TABLES

        if not self._exists(table):
            if table not in TABLES:
                raise PrefmillError(f"{self.path(table)}: no such table yet; run the step that makes it")
            return pl.LazyFrame(schema=pl.Schema(TABLES[table][0]))
        frame = pl.scan_delta(str(self.path(table)))
        if parts is not None:
            by = TABLES[table][1] if table in TABLES else "mixture"
            frame = frame.filter(pl.col(by).is_in(list(parts)))
        return frame

    def batches(self, table: str, part: str, rows: int) -> Iterator[pl.DataFrame]:
        """One part of a table in pieces of whole row groups, each of `rows` or more where its file has so many.

        A scan would do, but reads ahead: half a gigabyte of texts.
        """
        import polars as pl
        import pyarrow.parquet as pq
        from deltalake import DeltaTable

        from pairs.tables import TABLES

        by = TABLES[table][1]
        if not self._exists(table):
            return
        held = DeltaTable(str(self.path(table)))
        for file in held.file_uris(file_pruning_predicate=f"{by} = '{_quoted(part)}'"):
            frame = pl.scan_parquet(file, hive_partitioning=False).with_columns(pl.lit(part).alias(by))
            footer = pq.read_metadata(file)
            start = end = 0
            for group in range(footer.num_row_groups):
                end += footer.row_group(group).num_rows
                if end - start >= rows or group == footer.num_row_groups - 1:
                    yield frame.slice(start, end - start).collect()
                    start = end

    def version(self, table: str) -> int:
        """The version of a table; -1 when it is not there."""
        if not self._exists(table):
            return -1
        from deltalake import DeltaTable

        return DeltaTable(str(self.path(table))).version()

    def facts(self, table: str, part: str) -> dict[str, str]:
        """The facts of the newest commit of one part; empty when it was never written."""
        if not self._exists(table):
            return {}
        from deltalake import DeltaTable

        for commit in DeltaTable(str(self.path(table))).history():
            if commit.get("part") == part:
                facts: dict[str, str] = json.loads(commit["facts"])
                return facts
        return {}

    def _exists(self, table: str) -> bool:
        return self.path(table, "_delta_log").is_dir()

    def _untyped(self, table: str, by: str) -> bool:
        """Whether the column that splits a table has no type, so that no part of it can hold a row: 0.1.0 has
        written such tables where the first mixture had nothing to measure."""
        import pyarrow as pa
        from deltalake import DeltaTable

        schema = pa.schema(DeltaTable(str(self.path(table))).schema().to_arrow())
        return bool(pa.types.is_null(schema.field(by).type))

    def media(self, media_ids: Sequence[str]) -> dict[str, bytes]:
        """The bytes of media by id. Raises when one is not in the store."""
        import polars as pl

        wanted = sorted(set(media_ids))
        if not wanted:
            return {}
        index = (
            self.scan("media")
            .filter(pl.col("media_id").is_in(wanted))
            .select("media_id", "shard", "row_group", "row")
            .unique("media_id", keep="first", maintain_order=False)
            .collect()
        )
        found = self.read_media(index)
        if len(found) < len(wanted):
            lost = next(media_id for media_id in wanted if media_id not in found)
            raise PrefmillError(f"{self.root}: medium {lost} is not in the store; ingest its source again")
        return found

    def read_media(self, index: pl.DataFrame) -> dict[str, bytes]:
        """The bytes behind rows of the media table (columns `media_id, shard, row_group, row`)."""
        found: dict[str, bytes] = {}
        for places, data in self.media_groups(index):
            for media_id, row in places.select("media_id", "row").iter_rows():
                found[media_id] = data[row].as_py()
        return found

    def media_groups(self, index: pl.DataFrame) -> Iterator[tuple[pl.DataFrame, pa.Array]]:
        """Rows of the media table (columns `shard, row_group, row` and others) by the row group that holds their
        bytes, with the bytes of that group: `row` says which."""
        import pyarrow.parquet as pq

        for (shard,), places in index.sort("shard", "row_group", "row").group_by("shard", maintain_order=True):
            with pq.ParquetFile(self.path("media_bytes", f"{shard}.parquet")) as file:
                for (group,), rows in places.group_by("row_group", maintain_order=True):
                    column = file.read_row_group(int(str(group)), columns=["data"])["data"]
                    yield rows, column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def settle(temporary: Path, final: Path) -> None:
    """Make a finished file durable and give it its name; an existing name has the same content."""
    sync_file(temporary)
    os.replace(temporary, final)
    sync_folder(final.parent)


def sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _table(table: str, given: pa.Schema) -> tuple[pa.Schema, str]:
    from pairs.tables import TABLES

    if table in TABLES:
        return TABLES[table]
    return given, "mixture"  # a signal table: the filter names its columns


def _commit(part: str, facts: Mapping[str, str]) -> CommitProperties:
    from deltalake import CommitProperties

    return CommitProperties(custom_metadata={"part": part, "facts": json.dumps(dict(facts), sort_keys=True)})


def _layout() -> WriterProperties:
    from deltalake import WriterProperties

    return WriterProperties(compression="SNAPPY", max_row_group_size=GROUP_ROWS)


def _conform(
    rows: pa.Table | pa.RecordBatchReader, schema: pa.Schema, by: str, part: str
) -> pa.Table | pa.RecordBatchReader:
    """Rows with exactly the table's columns and types: Delta would cast a wrong type without a word."""
    import pyarrow as pa

    if rows.schema.names != schema.names or any(
        a.type != b.type for a, b in zip(rows.schema, schema, strict=True)
    ):
        raise PrefmillError(f"rows for part {part!r} have schema\n{rows.schema}\nexpected\n{schema}")
    if isinstance(rows, pa.Table):
        for value in rows[by].unique().to_pylist():
            if value != part:
                raise PrefmillError(f"a row of {by} {value!r} was written to part {part!r}")
    return rows


def _quoted(text: str) -> str:
    return text.replace("'", "''")
