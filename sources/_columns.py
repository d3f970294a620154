"""Values of pairs as Arrow columns: nested ones flat, with offsets; dict by dict takes five times as long."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, chain
from typing import Any

import pyarrow as pa

from pairs.schema import CONTENT, TWOS
from pairs.tables import PAIRS

# The values of one pair as the converter makes them; the other columns are the same in all rows of a source.
RECORD = (*CONTENT, "source_split", "source_row", "label_source", "licence")


def table(records: Sequence[tuple[Any, ...]], constant: Mapping[str, str], schema: pa.Schema = PAIRS) -> pa.Table:
    """Values of `RECORD` as columns of `schema`, which is `PAIRS` or some of its columns.

    `constant` names the columns that hold one text in all rows.
    """
    values = dict(zip(RECORD, zip(*records, strict=True) if records else [()] * len(RECORD), strict=True))
    columns = [
        pa.repeat(constant[field.name], len(records))
        if field.name in constant
        else _column(values[field.name], field)
        for field in schema
    ]
    return pa.table(columns, schema)


def _column(values: Sequence[Any], field: pa.Field) -> pa.Array:
    if not pa.types.is_list(field.type):
        return _flat(values, field.type)
    flat = list(chain.from_iterable(values))
    sizes: Iterable[int] = map(len, values)
    if field.name not in TWOS:
        items = pa.array(flat, field.type.value_type)
    else:
        sizes = [size // 2 for size in sizes]
        inner = list(field.type.value_type)
        items = pa.StructArray.from_arrays(
            [_flat(flat[place::2], each.type) for place, each in enumerate(inner)], fields=inner
        )
    offsets = pa.py_buffer(array("i", accumulate(sizes, initial=0)))
    starts = pa.Array.from_buffers(pa.int32(), len(values) + 1, [None, offsets])
    return pa.ListArray.from_arrays(starts, items, type=field.type)


def _flat(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Single values; one text or null that all rows hold, as in most columns, is taken once."""
    first, last = (values[0], values[-1]) if values else (0, 1)
    if first is None and last is None and values.count(None) == len(values):
        return pa.nulls(len(values), kind)
    if type(first) is str and first == last and values.count(first) == len(values):
        return pa.repeat(first, len(values))
    return pa.array(values, kind)
