"""Native rows out of files: JSON lines, JSON lists, CSV, TSV and Parquet, packed or not, from any fsspec path.

Every row is read by itself, so that one broken line costs one row. No bulk JSON reader judges text here: they
disagree about surrogates and NaN.
"""

from __future__ import annotations

import csv
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO, Any, cast
from zipfile import BadZipFile, ZipExtFile

import fsspec
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.compression import compr
from fsspec.spec import AbstractBufferedFile

from pairs.errors import BadRow, PrefmillError, SourceChanged, Unavailable, shown
from sources._inflate import inflated
from sources._members import archive_of, open_file
from sources._network import network_faults
from sources._source import Row

MAX_ROW_BYTES = 64 << 20
MAX_GROUP = 1_000  # native rows that belong together
MAX_DOCUMENT = 1 << 30  # characters of a JSON object that holds a whole file's rows
MAX_DIGITS = 400  # of a whole number: more are no measurement, and Python's own limit raises
_CHUNK = 1 << 20
_SPACE = " \t\r\n,"
_BOM = b"\xef\xbb\xbf"


def native_rows(
    fs: fsspec.AbstractFileSystem,
    path: str,
    format_: str | None,
    start: int = 0,
    stop: int | None = None,
    header: tuple[str, ...] = (),
) -> Iterator[Row | BadRow]:
    """The rows of one file in order; a row that cannot be read comes as the `BadRow` it is.

    `start` and `stop` bound the row groups of a Parquet file, or the bytes of unpacked JSON lines. `header` names
    the columns of a table that has no header line. Raises
    `SourceChanged` for a damaged file and `Unavailable` when its place stops answering.
    """
    kind = format_ or _kind(path)
    try:
        if kind == "parquet":
            with open_file(fs, path) as file:
                yield from _parquet(file, path, start, stop)
            return
        # Compression by name alone: ".json.gz" and ".jsonl.gz" are how the hub keeps text.
        with _open(fs, path) as file:
            if kind in ("csv", "tsv"):
                yield from _table(file, "\t" if kind == "tsv" else ",", path, header)
            elif kind == "jsonl" or _holds_lines(file):
                yield from _lines(file, start, stop)
            else:
                yield from _document(file, path)
    except (EOFError, zlib.error, BadZipFile) as error:
        packed = "zip" if archive_of(path) else "gzip"
        raise SourceChanged(f"{path}: not readable as {packed}: {error}; download it again") from None
    except network_faults() as error:
        raise Unavailable(f"{path}: reading stopped: {type(error).__name__}: {error}") from error


def grouped(rows: Iterator[Row | BadRow], by: tuple[str, ...]) -> Iterator[Row | BadRow]:
    """Consecutive rows that agree in the columns `by`, as one row each; broken rows pass as they are."""
    group: list[Row] = []
    for row in rows:
        if isinstance(row, BadRow):
            yield row
            continue
        if group and any(row.get(column) != group[0].get(column) for column in by):
            yield {"rows": group}
            group = []
        group.append(row)
        if len(group) > MAX_GROUP:
            yield BadRow("group_too_long", f"over {MAX_GROUP} rows agree in {', '.join(by)}")
            group = []
    if group:
        yield {"rows": group}


def _open(fs: fsspec.AbstractFileSystem, path: str) -> IO[bytes]:
    opened = open_file(fs, path)
    if path.endswith(".gz"):
        return inflated(opened)
    if path.endswith(".zst"):
        return cast(IO[bytes], compr["zstd"](opened, mode="rb"))
    # Files of remote places and members of zips know no bound on a line.
    unbound = isinstance(opened, AbstractBufferedFile | ZipExtFile)
    return cast(IO[bytes], io.BufferedReader(cast(io.RawIOBase, opened), _CHUNK)) if unbound else opened


def _kind(path: str) -> str:
    suffixes = [suffix for suffix in PurePosixPath(path).suffixes if suffix not in (".gz", ".zst")]
    kinds = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "tsv"}
    kinds[".parquet"] = "parquet"
    kind = kinds.get(suffixes[-1]) if suffixes else None
    if kind is None:
        raise PrefmillError(f"{path}: format not known by its name; say `format` in the source")
    return kind


def _holds_lines(file: IO[bytes]) -> bool:
    """Whether a ".json" file holds one document per line: the extension often lies."""
    head = file.readline(MAX_ROW_BYTES)
    more = file.read(1)
    file.seek(0)
    head = head.removeprefix(_BOM)
    if not head.lstrip().startswith(b"{") or not more:
        return False
    try:
        orjson.loads(head)
    except orjson.JSONDecodeError:
        return False
    return True


def _lines(file: IO[bytes], start: int, stop: int | None) -> Iterator[Row | BadRow]:
    offset = file.seek(start) if start else 0
    while (stop is None or offset < stop) and (line := file.readline(MAX_ROW_BYTES)):
        if not line.isspace():
            yield _row(line if offset else line.removeprefix(_BOM))
        offset += len(line)


def _row(text: bytes) -> Row | BadRow:
    if len(text) >= MAX_ROW_BYTES:
        return BadRow("row_too_long", f"{len(text)} bytes in one row, at most {MAX_ROW_BYTES}")
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return BadRow("not_json", f"{error.msg} at character {error.pos}: {shown(text)}")
    return value if type(value) is dict else _mapping(value)


def _mapping(value: Any) -> Row | BadRow:
    if isinstance(value, dict):
        return value
    return BadRow("not_an_object", f"{shown(value)}, expected an object with columns")


def _document(file: IO[bytes], path: str) -> Iterator[Row | BadRow]:
    """A JSON list of objects, read object by object; or one object of objects, whose keys come as `_key`, or of
    texts, which come as `_value`."""
    # Bytes that are no UTF-8 become lone surrogates, which cost the row that holds them and no other.
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape")
    head = text.read(_CHUNK)
    if not head.lstrip().startswith("["):
        document = head + text.read(MAX_DOCUMENT)
        if len(document) > MAX_DOCUMENT:
            raise SourceChanged(
                f"{path}: one JSON object of over {MAX_DOCUMENT} characters, expected a list of rows"
            )
        yield from _keyed(document, path)
        return
    decoder = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_bounded_int)
    buffer = head.lstrip()[1:]
    while True:
        buffer = buffer.lstrip(_SPACE)
        if buffer.startswith("]"):
            return
        try:
            value, end = decoder.raw_decode(buffer)
        except (json.JSONDecodeError, _Constant, RecursionError) as error:
            cut = isinstance(error, json.JSONDecodeError)
            more = text.read(max(_CHUNK, len(buffer))) if cut else ""
            if not more or len(buffer) > MAX_ROW_BYTES:
                yield BadRow("not_json", f"{error}: {shown(buffer[:80])}; the rest of the file is not read")
                return
            buffer += more
            continue
        buffer = buffer[end:]
        yield _mapping(value)


class _Constant(ValueError):
    pass


def _refuse_constant(name: str) -> None:
    raise _Constant(f"{name} is no JSON number")


def _bounded_int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise _Constant(f"a number of {len(digits)} digits, at most {MAX_DIGITS}")
    return int(digits)


def _keyed(text: str, path: str) -> Iterator[Row | BadRow]:
    try:
        document = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
        raise SourceChanged(f"{path}: not JSON ({error}), expected a list or an object of rows") from None
    if isinstance(document, dict) and document and all(isinstance(value, dict) for value in document.values()):
        for key, value in document.items():
            yield {**value, "_key": key}
    elif isinstance(document, dict) and all(isinstance(value, list) for value in document.values()):
        for key, values in document.items():
            for value in values:
                row = _mapping(value)
                yield row if isinstance(row, BadRow) else {**row, "_key": key}
    elif isinstance(document, dict) and document and all(isinstance(value, str) for value in document.values()):
        for key, value in document.items():
            yield {"_key": key, "_value": value}
    else:
        yield _mapping(document)


def _table(file: IO[bytes], delimiter: str, path: str, named: tuple[str, ...] = ()) -> Iterator[Row | BadRow]:
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    csv.field_size_limit(MAX_ROW_BYTES)
    quoting = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    reader = csv.reader(text, delimiter=delimiter, quoting=quoting)
    try:
        header = list(named) or next(reader, None)
    except csv.Error as error:
        raise SourceChanged(f"{path}: {error}, expected a header line") from None
    while header is not None:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield BadRow("not_a_table_row", f"line {reader.line_num}: {error}")
            continue
        if cells is None:
            return
        if len(cells) != len(header):
            yield BadRow("not_a_table_row", f"{len(cells)} cells, expected {len(header)}")
        else:
            yield dict(zip(header, cells, strict=True))


def _parquet(file: IO[bytes], path: str, start: int, stop: int | None) -> Iterator[Row | BadRow]:
    try:
        parquet = pq.ParquetFile(file)
        groups = range(start, parquet.num_row_groups if stop is None else stop)
        for batch in parquet.iter_batches(batch_size=256, row_groups=groups):
            batch.validate(full=True)  # invalid UTF-8 reads without complaint otherwise
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError, UnicodeDecodeError, MemoryError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise SourceChanged(f"{path}: not readable as Parquet: {reason}") from None
