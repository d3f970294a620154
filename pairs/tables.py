"""The row tables of the store: their schemas, and the column that splits each into parts."""

from __future__ import annotations

import pyarrow as pa

from pairs.schema import BAD_ROWS, PAIRS

_string = pa.string()
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
        pa.field("votes", pa.int32(), nullable=False),  # that could be read; 0: none
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
