"""The row tables of the store: their schemas, and the column that splits each into parts."""

from __future__ import annotations

import pyarrow as pa

_string = pa.string()
MESSAGES = pa.list_(pa.struct([("role", _string), ("content", _string)]))
# The layout of an Arrow map, spelled out: `datasets` and Polars know no map type.
RATINGS = pa.list_(pa.struct([("key", _string), ("value", pa.float64())]))
IDS = pa.list_(_string)

PAIRS = pa.schema(
    [
        pa.field("pair_id", _string, nullable=False),
        pa.field("prompt_id", _string, nullable=False),
        pa.field("chosen_id", _string, nullable=False),
        pa.field("rejected_id", _string, nullable=False),
        pa.field("source", _string, nullable=False),
        pa.field("source_revision", _string, nullable=False),
        pa.field("source_split", _string, nullable=False),
        pa.field("source_row", _string, nullable=False),
        pa.field("prompt", MESSAGES, nullable=False),
        pa.field("chosen", MESSAGES, nullable=False),
        pa.field("rejected", MESSAGES, nullable=False),
        pa.field("media_ids", IDS, nullable=False),
        pa.field("chosen_media_ids", IDS, nullable=False),
        pa.field("rejected_media_ids", IDS, nullable=False),
        pa.field("modality", _string, nullable=False),
        pa.field("criterion", _string, nullable=False),
        pa.field("label_source", _string, nullable=False),
        pa.field("source_margin", pa.float64()),
        pa.field("chosen_ratings", RATINGS, nullable=False),
        pa.field("rejected_ratings", RATINGS, nullable=False),
        pa.field("rationale", _string),
        pa.field("reference", _string),
        pa.field("category", _string),
        pa.field("language", _string),
        pa.field("licence", _string, nullable=False),
        pa.field("role", _string, nullable=False),
        pa.field("extra", _string),
    ]
)

BAD_ROWS = pa.schema(
    [
        pa.field("source", _string, nullable=False),
        pa.field("source_split", _string, nullable=False),
        pa.field("source_row", _string, nullable=False),
        pa.field("kind", _string, nullable=False),  # "broken" or "set_aside"
        pa.field("reason", _string, nullable=False),
        pa.field("detail", _string, nullable=False),
        # False: other completions of the same native row did become pairs.
        pa.field("whole_row", pa.bool_(), nullable=False),
    ]
)
MEDIA = pa.schema(
    [
        pa.field("source", _string, nullable=False),
        pa.field("media_id", _string, nullable=False),
        pa.field("kind", _string, nullable=False),
        pa.field("format", _string, nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("phash", _string),
        pa.field("shard", _string, nullable=False),
        pa.field("row_group", pa.int32(), nullable=False),
        pa.field("row", pa.int32(), nullable=False),  # inside the row group
    ]
)
REWARDS = pa.schema(
    [
        pa.field("model", _string, nullable=False),
        pa.field("completion_id", _string, nullable=False),
        pa.field("reward", pa.float32(), nullable=False),
    ]
)
VERDICTS = pa.schema(
    [
        pa.field("model", _string, nullable=False),
        pa.field("first_id", _string, nullable=False),  # the smaller of the two completion ids
        pa.field("second_id", _string, nullable=False),
        pa.field("first_votes", pa.float32(), nullable=False),  # votes for the first
        pa.field("votes", pa.int32(), nullable=False),  # that could be read
    ]
)
FEATURES = pa.schema(
    [
        pa.field("model", _string, nullable=False),
        pa.field("completion_id", _string, nullable=False),
        pa.field("state", pa.list_(pa.field("element", pa.float32())), nullable=False),
    ]
)
LEDGER = pa.schema(
    [
        pa.field("mixture", _string, nullable=False),
        pa.field("pair_id", _string, nullable=False),
        pa.field("source", _string, nullable=False),
        pa.field("rule", _string, nullable=False),
        pa.field("action", _string, nullable=False),  # keep, drop, flip, weight
        pa.field("reason", _string, nullable=False),
        pa.field("value", pa.float64()),  # what the rule saw or set: a similarity, a margin, a weight
        pa.field("by", _string),  # the pair that stays instead, or that it contradicts
    ]
)
PLANS = pa.schema(
    [
        pa.field("mixture", _string, nullable=False),
        pa.field("source", _string, nullable=False),
        pa.field("pair_id", _string, nullable=False),
        pa.field("split", _string, nullable=False),
        pa.field("copy", pa.int32(), nullable=False),
        pa.field("flipped", pa.bool_(), nullable=False),
        pa.field("soft_label", pa.float64()),  # probability that the chosen one is better; null: certain
        pa.field("weight", pa.float64()),  # of the pair in the loss; null: one
    ]
)
# name -> (schema, the column that splits the table into parts)
TABLES: dict[str, tuple[pa.Schema, str]] = {
    "pairs": (PAIRS, "source"),
    "bad_rows": (BAD_ROWS, "source"),
    "media": (MEDIA, "source"),
    "rewards": (REWARDS, "model"),
    "verdicts": (VERDICTS, "model"),
    "features": (FEATURES, "model"),
    "plans": (PLANS, "mixture"),
    "ledger": (LEDGER, "mixture"),
}
