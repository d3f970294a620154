"""Pairs that ask the same thing, so that no split cuts between them.

Two prompts fall into one group when they show the same pictures, and the words of their user and system turns
agree whatever the case, the punctuation and the spacing, or nearly: from 20 words on, when they share four
fifths of their five-word shingles and all numbers and names (words that have a capital inside a sentence).
Replies inside the prompt do not count: a dialogue that went another way after the same questions is still the
same task. Pairs of one source that it gives one `group` (in `extra`: the tree of a step, the post of a comment)
are together as well, whatever their prompts say.

A group's id is the least among its prompts' own ids, which are hashes of words and pictures. So a new prompt
moves no group but the ones that it is near to: it renames a group of k prompts in one case of k + 1, and where
it joins two groups it renames one of them.
"""

from __future__ import annotations

import hashlib

import polars as pl
import pyarrow as pa

from filters._near_prompts import FEWEST, NearPrompts
from filters._pair_texts import names, slices, text
from filters._told_groups import NAMED, joined
from pairs.schema import IMAGE_MARK

SIGNAL = pa.schema(
    [pa.field("pair_id", pa.string(), nullable=False), pa.field("group_id", pa.string(), nullable=False)]
)
_ASKING = ("user", "system")


def signal(pairs: pl.LazyFrame) -> pl.LazyFrame:
    """Reads the pairs three times: in batches for the prompts that are near, for the groups that sources name, and
    for the ids.
    """
    # The texts leave the stream before rows are compared: only ids are held in memory.
    prompt = pl.struct("prompt_id", "prompt", "media_ids")
    group_id = prompt.map_batches(_group_ids, return_dtype=pl.String, is_elementwise=True)
    own = pairs.select("pair_id", group_id.alias("group_id")).unique()
    near = _near(pairs).lazy()
    told = pairs.filter(NAMED).select("source", "extra", group_id.alias("group_id"))
    return _moved(_moved(own, near), joined(_moved(told, near)).lazy())


def _moved(rows: pl.LazyFrame, groups: pl.LazyFrame) -> pl.LazyFrame:
    """Rows with the group that theirs belongs to, of `group_id` and `first`, where it belongs to one."""
    found = rows.join(groups, on="group_id", how="left")
    return found.with_columns(group_id=pl.coalesce("first", "group_id")).drop("first")


def _near(pairs: pl.LazyFrame) -> pl.DataFrame:
    prompts = NearPrompts()
    for batch in slices(pairs.select("prompt_id", "prompt", "media_ids", text=text("prompt", _ASKING)), "text"):
        once = _keyed(batch.unique("prompt_id", maintain_order=True))
        kept = pl.concat_str(names(pl.col("text")), "media", separator="\n")
        rows = once.select("group_id", "words", kept=kept.hash())
        prompts.add(rows.filter(pl.col("words").str.count_matches(" ") + 1 >= FEWEST))
    return prompts.find()


def _group_ids(prompts: pl.Series) -> pl.Series:
    rows = prompts.struct.unnest()
    keys = _keyed(rows.unique("prompt_id", maintain_order=True))
    return rows.select("prompt_id").join(keys, on="prompt_id", how="left", maintain_order="left")["group_id"]


def _keyed(prompts: pl.DataFrame) -> pl.DataFrame:
    """Of prompts (prompt_id, prompt, media_ids) also their text, its words, media as one text, and group_id."""
    texts = pl.element().filter(pl.element().struct.field("role").is_in(_ASKING))
    once = prompts.select(
        "prompt_id",
        pl.col("prompt").list.eval(texts.struct.field("content")).list.join("\n").alias("text"),
        pl.col("media_ids").list.sort().list.join(" ").alias("media"),
    )
    words = once["text"].str.replace_all(IMAGE_MARK, " ", literal=True).str.replace_all(r"[\p{P}\s]+", " ")
    # A prompt of punctuation alone has no words; its group is its own text.
    said = [
        word.strip().casefold() or " ".join(text.split()) for word, text in zip(words, once["text"], strict=True)
    ]
    ids = [_digest(word, media) for word, media in zip(said, once["media"], strict=True)]
    return once.with_columns(words=pl.Series(said, dtype=pl.String), group_id=pl.Series(ids, dtype=pl.String))


def _digest(text: str, media: str) -> str:
    return hashlib.blake2b(f"{media}\n{text}".encode(), digest_size=16).hexdigest()
