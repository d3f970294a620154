"""Values of pairs as Arrow columns: nested ones flat, with offsets; dict by dict takes five times as long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from pairs.schema import CONTENT, PAIRS, TWOS

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
        return pa.array(values, field.type)
    flat = list(chain.from_iterable(values))
    offsets = np.zeros(len(values) + 1, dtype=np.int32)
    np.cumsum(np.fromiter(map(len, values), np.int32, len(values)), out=offsets[1:])
    if field.name not in TWOS:
        items = pa.array(flat, field.type.value_type)
    else:
        offsets //= 2
        inner = list(field.type.value_type)
        items = pa.StructArray.from_arrays(
            [pa.array(flat[place::2], each.type) for place, each in enumerate(inner)], fields=inner
        )
    return pa.ListArray.from_arrays(pa.array(offsets), items, type=field.type)
