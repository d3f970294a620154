"""Pairs that ask the same thing, so that no split cuts between them.

Two prompts fall into one group when they show the same pictures, and the words of their user and system turns
agree whatever the case, the punctuation and the spacing, or nearly: from 20 words on, when they share four
fifths of their five-word shingles and all numbers and names (words that have a capital inside a sentence).
Pictures are the same when they look so: resized or written anew (4 bits of their hashes). Replies inside the
prompt do not count: a dialogue that went another way after the same questions is still the same task. Pairs of one
source that it gives one `group` (in `extra`: the tree of a step, the post of a comment) are together as well,
whatever their prompts say.

A group's id is the own id, a hash of words and pictures, of one of its prompts: of those of the source that the
recipe names first the one with the least. So a new prompt moves no group but the ones that it is near to. In a
source that comes after those of a group it does not rename that; in the first of them it renames a group of k
prompts in one case of k + 1; and where it joins two groups it renames one of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import polars as pl
import pyarrow as pa

from filters._near_media import looks, merged
from filters._near_prompts import FEWEST, NearPrompts
from filters._pair_texts import names, slices, text
from filters._pictures import GROUP_DISTANCE
from filters._told_groups import NAMED, named
from pairs.schema import IMAGE_MARK

SIGNAL = pa.schema(
    [pa.field("pair_id", pa.string(), nullable=False), pa.field("group_id", pa.string(), nullable=False)]
)
_ASKING = ("user", "system")


def signal(pairs: pl.LazyFrame, media: pl.LazyFrame, order: Sequence[str] = ()) -> pl.LazyFrame:
    """Reads the pairs five times: their pictures, the groups that sources name, in batches the prompts that are
    near, then the sources of those in groups of several, then the ids. `order` is that of the sources.
    """
    # The texts leave the stream before rows are compared: only ids are held in memory.
    prompt = pl.struct("prompt_id", "prompt", "media_ids")
    group_id = prompt.map_batches(_group_ids, return_dtype=pl.String, is_elementwise=True)
    own = pairs.select("pair_id", group_id.alias("group_id")).unique()
    shown = pairs.select(media_id="media_ids").explode("media_id").drop_nulls().unique()
    told = named(pairs.filter(NAMED).select("source", "extra", group_id.alias("group_id")))
    groups = merged(pl.concat([_near(pairs, looks(media, shown, GROUP_DISTANCE)), told]))
    names = _names(pairs.select("source", group_id.alias("group_id")), groups, order)
    return own.join(names, on="group_id", how="left").select("pair_id", group_id=pl.coalesce("name", "group_id"))


def _names(own: pl.LazyFrame, groups: pl.DataFrame, order: Sequence[str]) -> pl.LazyFrame:
    """Of `groups` (group_id, first) all own ids with the `name` of their group. `own` has a row (source, group_id)
    for each pair."""
    itself = groups.select(group_id="first").unique().with_columns(first="group_id")
    members = pl.concat([groups.select("group_id", "first"), itself]).lazy()
    place = pl.col("source").replace_strict(
        pl.Series(order, dtype=pl.String), pl.arange(len(order), eager=True), default=len(order)
    )
    rows = own.with_columns(place=place.cast(pl.Int64)).join(members, on="group_id")
    once = rows.select("first", "place", "group_id").unique()
    names = once.group_by("first").agg(name=pl.col("group_id").sort_by("place", "group_id").first())
    return members.join(names.collect(engine="streaming").lazy(), on="first").select("group_id", "name")


def _near(pairs: pl.LazyFrame, alike: pl.DataFrame) -> pl.DataFrame:
    """group_id, first: own ids of prompts that are one, near in words or over pictures that look alike."""
    # Of a chain the ends may look apart; to keep two prompts together that could be apart costs a split nothing.
    prompts, look = NearPrompts(), dict(alike.select("media_id", "look").iter_rows())
    same: list[pl.DataFrame] = [pl.DataFrame(schema={"group_id": pl.String, "key": pl.Binary})]
    for batch in slices(pairs.select("prompt_id", "prompt", "media_ids", text=text("prompt", _ASKING)), "text"):
        # Only the batch's own pictures: to look each up among all takes as long as all are.
        here = {name: look[name] for name in batch["media_ids"].explode().unique() if name in look}
        once = _keyed(batch.unique("prompt_id", maintain_order=True), here)
        kept = pl.concat_str(names(pl.col("text")), "looks", separator="\n")
        rows = once.select("group_id", "words", kept=kept.hash())
        prompts.add(rows.filter(pl.col("words").str.count_matches(" ") + 1 >= FEWEST))
        shared = once.filter(pl.col("shared"))
        keys = [_digest(*row) for row in shared.select("words", "looks").iter_rows()]
        same.append(shared.select("group_id", key=pl.Series(keys, dtype=pl.Binary)).unique())
    by_key = pl.concat(same).select("group_id", first=pl.col("group_id").min().over("key"))
    return pl.concat([prompts.find(), by_key.unique()])


def _group_ids(prompts: pl.Series) -> pl.Series:
    rows = prompts.struct.unnest()
    keys = _keyed(rows.unique("prompt_id", maintain_order=True))
    return rows.select("prompt_id").join(keys, on="prompt_id", how="left", maintain_order="left")["group_id"]


def _keyed(prompts: pl.DataFrame, alike: dict[str, str] | None = None) -> pl.DataFrame:
    """Of prompts (prompt_id, prompt, media_ids) also their text, its words, and group_id. With `alike` (the
    look of a medium) also `looks` of the media as one text, and whether any is `shared`: alike another one.
    """
    texts = pl.element().filter(pl.element().struct.field("role").is_in(_ASKING))
    ids = pl.col("media_ids")
    once = prompts.select(
        "prompt_id",
        pl.col("prompt").list.eval(texts.struct.field("content")).list.join("\n").alias("text"),
        ids.list.sort().list.join(" ").alias("media"),
        *([] if alike is None else _looks(ids, alike)),
    )
    words = once["text"].str.replace_all(IMAGE_MARK, " ", literal=True).str.replace_all(r"[\p{P}\s]+", " ")
    # A prompt of punctuation alone has no words; its group is its own text.
    said = [
        word.strip().casefold() or " ".join(text.split()) for word, text in zip(words, once["text"], strict=True)
    ]
    own = [_digest(word, media).hex() for word, media in zip(said, once["media"], strict=True)]
    return once.with_columns(words=pl.Series(said, dtype=pl.String), group_id=pl.Series(own, dtype=pl.String))


def _looks(ids: pl.Expr, alike: dict[str, str]) -> tuple[pl.Expr, pl.Expr]:
    looks = ids.list.eval(pl.element().replace(alike))
    shared = ids.list.eval(pl.element().is_in(list(alike))).list.any()
    return looks.list.sort().list.join(" ").alias("looks"), shared.alias("shared")


def _digest(text: str, media: str) -> bytes:
    return hashlib.blake2b(f"{media}\n{text}".encode(), digest_size=16).digest()
