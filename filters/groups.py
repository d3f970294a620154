"""Pairs that ask the same thing, so that no split cuts between them.

Two prompts fall into one group when the words of their user and system turns agree whatever the case, the
punctuation and the spacing, and they show the same pictures. Replies inside the prompt do not count: a dialogue
that went another way after the same questions is still the same task.
"""

from __future__ import annotations

import hashlib

import polars as pl
import pyarrow as pa

from pairs.schema import IMAGE_MARK

SIGNAL = pa.schema(
    [pa.field("pair_id", pa.string(), nullable=False), pa.field("group_id", pa.string(), nullable=False)]
)


def signal(pairs: pl.LazyFrame) -> pl.LazyFrame:
    # The texts leave the stream before rows are compared: only ids are held in memory.
    prompt = pl.struct("prompt_id", "prompt", "media_ids")
    group_id = prompt.map_batches(_group_ids, return_dtype=pl.String, is_elementwise=True)
    return pairs.select("pair_id", group_id.alias("group_id")).unique()


def _group_ids(prompts: pl.Series) -> pl.Series:
    rows = prompts.struct.unnest()
    texts = pl.element().filter(pl.element().struct.field("role").is_in(["user", "system"]))
    once = rows.unique("prompt_id", maintain_order=True).select(
        "prompt_id",
        pl.col("prompt").list.eval(texts.struct.field("content")).list.join("\n").alias("text"),
        pl.col("media_ids").list.sort().list.join(" ").alias("media"),
    )
    words = once["text"].str.replace_all(IMAGE_MARK, " ", literal=True).str.replace_all(r"[\p{P}\s]+", " ")
    keys = once.select(
        "prompt_id",
        group_id=pl.Series(
            # A prompt of punctuation alone has no words; its group is its own text.
            [_digest(word.strip().casefold() or " ".join(text.split()), media)
             for word, text, media in zip(words, once["text"], once["media"], strict=True)],
            dtype=pl.String,
        ),
    )  # fmt: skip
    return rows.select("prompt_id").join(keys, on="prompt_id", how="left", maintain_order="left")["group_id"]


def _digest(text: str, media: str) -> str:
    return hashlib.blake2b(f"{media}\n{text}".encode(), digest_size=16).hexdigest()
