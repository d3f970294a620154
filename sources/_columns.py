"""Records of pairs as Arrow columns: nested ones flat, with offsets; dict by dict takes five times as long."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain
from operator import itemgetter
from typing import Any

import pyarrow as pa

from pairs.schema import IDS, MESSAGES, PAIRS, RATINGS


def table(records: Sequence[dict[str, Any]], schema: pa.Schema = PAIRS) -> pa.Table:
    """Records with all columns of `schema`, which is `PAIRS` or some columns of it."""
    columns = [_column(list(map(itemgetter(field.name), records)), field.type) for field in schema]
    return pa.table(columns, schema)


def _column(values: list[Any], type_: pa.DataType) -> pa.Array:
    if type_ not in (MESSAGES, RATINGS, IDS):
        return pa.array(values, type_)
    offsets = pa.array(list(accumulate(map(len, values), initial=0)), pa.int32())
    flat = list(chain.from_iterable(values))
    if type_ == IDS:
        items = pa.array(flat, pa.string())
    else:
        inner = list(type_.value_type)
        columns = [pa.array(list(map(itemgetter(field.name), flat)), field.type) for field in inner]
        items = pa.StructArray.from_arrays(columns, fields=inner)
    return pa.ListArray.from_arrays(offsets, items, type=type_)
