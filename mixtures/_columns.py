"""The columns of a published dataset, and rows of the store made into them.

The feature metadata is spelled in the older dialect of `datasets`, which its versions 2.19 to 5 all read:
a list of messages is `[{...}]` and a list of pictures a `Sequence`; they write a newer one that old ones refuse.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from pairs.ids import pair_id
from pairs.schema import IMAGE_MARK, MESSAGES, PAIRS, RATINGS

IMAGES = pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
# published column -> the column of the pairs table that holds the ids of its pictures
PICTURES = {
    "images": "media_ids",
    "chosen_images": "chosen_media_ids",
    "rejected_images": "rejected_media_ids",
}
SWAPPED = ("chosen", "chosen_id", "chosen_media_ids", "chosen_ratings")  # each has its rejected_ counterpart
EXTENSIONS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif"}
# What repeats so much that a dictionary pays; one of texts or ids would be built only to be given up.
REPEATING = [
    "source", "source_revision", "source_split", "modality", "criterion", "label_source", "category", "language",
    "licence", *(f"{side}.list.element.role" for side in ("prompt", "chosen", "rejected")),
]  # fmt: skip
_LEADING_MARKS = re.compile(rf"(?:{IMAGE_MARK}\s*)+")
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


def published(rows: pa.Table, media: Mapping[str, tuple[bytes, str]], columns: pa.Schema) -> pa.Table:
    """Rows of the pairs table, each with its plan, as published rows in the same order.

    `media` holds bytes and format of every picture of the rows, by id.
    """
    if media or pc.any(rows["flipped"]).as_py():
        rows = _unmarked(_swapped(pl.DataFrame(rows))).to_arrow()
    arrays = []
    for field in columns:
        if field.name in PICTURES:
            ids = rows[PICTURES[field.name]].to_pylist()
            arrays.append(pa.array([[_picture(name, media) for name in row] for row in ids], type=field.type))
        else:
            arrays.append(rows[field.name].cast(field.type))
    return pa.Table.from_arrays(arrays, schema=columns)


def _picture(media_id: str, media: Mapping[str, tuple[bytes, str]]) -> dict[str, object]:
    data, format_ = media[media_id]
    return {"bytes": data, "path": f"{media_id}.{EXTENSIONS[format_]}"}


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


def _unmarked(rows: pl.DataFrame) -> pl.DataFrame:
    """Prompts without their picture marks where all lead the first user turn: TRL puts the pictures there."""
    rows = rows.with_row_index("_place")
    shown = rows.filter(pl.col("media_ids").list.len() > 0)
    prompts = shown["prompt"].to_list()
    for prompt, ids in zip(prompts, shown["media_ids"].to_list(), strict=True):
        first = next((message for message in prompt if message["role"] == "user"), None)
        leading = _LEADING_MARKS.match(first["content"]) if first else None
        if first and leading and leading[0].count(IMAGE_MARK) == len(ids):
            first["content"] = first["content"][leading.end() :]
    shown = shown.with_columns(pl.Series("prompt", prompts, dtype=rows.schema["prompt"]))
    others = rows.filter(pl.col("media_ids").list.len() == 0)
    return pl.concat([others, shown]).sort("_place").drop("_place")
