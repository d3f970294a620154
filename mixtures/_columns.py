"""The columns of a published dataset, and rows of the store made into them.

The feature metadata is spelled in the older dialect of `datasets`, which its versions 2.19 to 5 all read:
a list of messages is `[{...}]` and a list of pictures a `Sequence`; they write a newer one that old ones refuse.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from pairs.ids import pair_id
from pairs.schema import IMAGE_MARK
from pairs.tables import IDS, MESSAGES, PAIRS, RATINGS

IMAGES = pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
# published column -> the column of the pairs table that holds the ids of its pictures
PICTURES = {
    "images": "media_ids",
    "chosen_images": "chosen_media_ids",
    "rejected_images": "rejected_media_ids",
}
PICTURE_BYTES = [f"{name}.list.element.bytes" for name in PICTURES]
SWAPPED = ("chosen", "chosen_id", "chosen_media_ids", "chosen_ratings")  # each has its rejected_ counterpart
EXTENSIONS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif"}
# What repeats so much that a dictionary pays; one of texts or ids would be built only to be given up.
REPEATING = [
    "source", "source_revision", "source_split", "modality", "criterion", "label_source", "category", "language",
    "licence", *(f"{side}.list.element.role" for side in ("prompt", "chosen", "rejected")),
]  # fmt: skip
_LEADING_MARKS = rf"^(?:{IMAGE_MARK}[\s\x1c-\x1f]*)+"
_FIRST = ("prompt", "chosen", "rejected")
_LAST = (
    "pair_id", "prompt_id", "chosen_id", "rejected_id", "group_id", "source", "source_revision", "source_split",
    "source_row", "modality", "criterion", "label_source", "source_margin", "chosen_ratings", "rejected_ratings",
    "rationale", "reference", "category", "language", "licence", "extra",
)  # fmt: skip


def schema(pictures: list[str], *, soft_label: bool, weight: bool) -> pa.Schema:
    """The published columns, with those of `PICTURES` and of the rules that the mixture has."""
    fields = [pa.field(name, PAIRS.field(name).type) for name in _FIRST]
    fields += [pa.field(name, IMAGES) for name in PICTURES if name in pictures]
    fields += [pa.field(name, PAIRS.field(name).type if name in PAIRS.names else pa.string()) for name in _LAST]
    fields.append(pa.field("copy", pa.int32()))
    fields += [pa.field("soft_label", pa.float64())] * soft_label + [pa.field("weight", pa.float64())] * weight
    features = {field.name: _feature(field.type) for field in fields}
    metadata = json.dumps({"info": {"features": features}}, separators=(",", ":"))
    return pa.schema(fields, metadata={"huggingface": metadata})


def _feature(type_: pa.DataType) -> Any:
    if type_ == IMAGES:
        return {"feature": {"_type": "Image"}, "_type": "Sequence"}
    if type_ in (MESSAGES, RATINGS):
        return [{field.name: _feature(field.type) for field in type_.value_type.fields}]
    return {"dtype": {"double": "float64"}.get(str(type_), str(type_)), "_type": "Value"}


def leaves(columns: pa.Schema) -> list[str]:
    """The columns as Parquet names them: those inside lists and structs by their path."""
    return [leaf for field in columns for leaf in _below(field.name, field.type)]


def _below(name: str, type_: pa.DataType) -> list[str]:
    if pa.types.is_list(type_):
        return _below(f"{name}.list.element", type_.value_type)
    if pa.types.is_struct(type_):
        return [leaf for field in type_.fields for leaf in _below(f"{name}.{field.name}", field.type)]
    return [name]


def published(rows: pa.Table, pictures: Mapping[str, pa.StructArray] | None, columns: pa.Schema) -> pa.Table:
    """Rows of the pairs table, each with its plan, as published rows in the same order.

    `pictures` has, by published column, all pictures of the rows one after another; None: the mixture has none.
    """
    if pc.any(rows["flipped"]).as_py():
        rows = _swapped(pl.DataFrame(rows)).to_arrow()
    arrays = []
    for field in columns:
        if field.name in PICTURES:
            assert pictures is not None
            ids = _list(rows[PICTURES[field.name]], IDS)
            arrays.append(pa.ListArray.from_arrays(ids.offsets, pictures[field.name], type=IMAGES))
        elif field.name == "prompt" and pictures is not None:
            arrays.append(_unmarked(_list(rows["prompt"], MESSAGES), _list(rows["media_ids"], IDS)))
        else:
            arrays.append(rows[field.name].cast(field.type))
    return pa.Table.from_arrays(arrays, schema=columns)


def _list(column: pa.ChunkedArray, type_: pa.ListType) -> pa.ListArray:
    """A column in one piece that begins where its values do."""
    return pa.concat_arrays(column.cast(type_).chunks or [pa.nulls(0, type_)])


def _swapped(rows: pl.DataFrame) -> pl.DataFrame:
    """Flipped pairs with their sides, ids and the sign of the source margin exchanged."""
    if not rows["flipped"].any():
        return rows
    sides = [(name, name.replace("chosen", "rejected")) for name in SWAPPED]
    rows = rows.with_columns(
        pl.when("flipped").then(old).otherwise(new).alias(new) for pair in sides for new, old in (pair, pair[::-1])
    )
    ids, extras = rows["pair_id"].to_list(), rows["extra"].to_list()
    names = ("prompt_id", "chosen_id", "rejected_id", "criterion")
    for place in rows["flipped"].arg_true():
        row = rows.row(place, named=True)
        extra = {**json.loads(row["extra"] or "{}"), "flipped_from": ids[place]}
        extras[place] = json.dumps(extra, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        ids[place] = pair_id(*(row[name] for name in names))
    return rows.with_columns(
        pl.Series("pair_id", ids),
        pl.Series("extra", extras, dtype=pl.String),
        source_margin=pl.when("flipped").then(-pl.col("source_margin")).otherwise("source_margin"),
    )


def _unmarked(prompts: pa.ListArray, ids: pa.ListArray) -> pa.ListArray:
    """Prompts without their picture marks where all lead the first user turn: TRL puts the pictures there."""
    offsets = pl.Series(prompts.offsets).to_numpy()
    starts, ends = offsets[:-1], offsets[1:]
    roles, contents = (prompts.values.field(name) for name in ("role", "content"))
    users = (pl.Series(roles) == "user").arg_true().to_numpy()
    first = np.append(users, len(roles))[np.searchsorted(users, starts)]
    rows = np.flatnonzero(first < ends)
    texts = pl.Series(contents.take(pl.Series(first[rows]).to_arrow()))
    marks = texts.str.extract(f"({_LEADING_MARKS})").str.count_matches(IMAGE_MARK, literal=True).fill_null(0)
    led = (marks > 0).to_numpy() & (marks.to_numpy() == pl.Series(ids.value_lengths()).to_numpy()[rows])
    bare = texts.filter(led).str.replace(_LEADING_MARKS, "")
    mask = np.zeros(len(contents), bool)
    mask[first[rows[led]]] = True
    contents = pc.replace_with_mask(contents, pl.Series(mask).to_arrow(), bare.to_arrow().cast(pa.string()))
    messages = pa.StructArray.from_arrays([roles, contents], fields=MESSAGES.value_type.fields)
    return pa.ListArray.from_arrays(prompts.offsets, messages, type=MESSAGES)
