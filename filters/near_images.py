"""Pairs that say the same about pictures that look the same: a picture resized or written anew makes a new id.

Prompt, chosen and rejected (but for white space) must be equal, and every picture near the one in its place; flat
pictures, which have no hash, are compared by pixels. A picture that recurs with another question is no duplicate.
The pictures of one pair are never compared with each other: that chosen and rejected look alike is often the
point. So where the other label fits as well, nothing is dropped. `near_duplicates` takes texts that are nearly
equal, and opposed labels.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import polars as pl
import pyarrow as pa
from pydantic import BaseModel, Field

from filters._pair_pictures import COUNTS, MOST, near_pairs
from filters._pair_texts import text
from filters._pictures import Read, flat_copies, known_hashes, picture_groups
from filters._repeats import ACROSS_CRITERIA, PRIORITY, by_priority, repeats, same_question
from pairs.errors import PrefmillError

_NEAR = pa.struct([("form", pa.string()), ("distance", pa.int32())])
# Null in all columns but the first: a pair without pictures.
SIGNAL = pa.schema(
    [
        pa.field("pair_id", pa.string(), nullable=False),
        # The least pair_id with the same texts and criterion and with pictures of the same hashes.
        pa.field("form", pa.string()),
        # Forms before this one in order of pair_id, with the most bits that differ between two pictures.
        pa.field("near", pa.list_(_NEAR)),
        # The same of forms that are near only with pictures turned or mirrored, or nearer so.
        pa.field("near_turned", pa.list_(_NEAR)),
        # Of the pictures in the prompt, in chosen, in rejected: the picture that stands for those that look like
        # it, and the bits between them; see `_pictures.picture_groups`.
        pa.field("picture_groups", pa.list_(pa.string())),
        pa.field("group_distances", pa.list_(pa.int32())),
    ]
)


class Rule(BaseModel, extra="forbid"):
    before_flips: ClassVar = True  # labels are compared as the sources wrote them
    image_hamming: int = Field(
        6, ge=0, le=MOST, description="most bits of 64 in which the hashes of two pictures that look alike differ"
    )
    turns: bool = Field(
        False,
        description="also hold pictures to be the same that are turned by quarters or mirrored; off, because a "
        "question may be about what is left and what is upright",
    )
    across_criteria: bool = Field(True, description=ACROSS_CRITERIA)
    priority: list[str] = Field([], description=PRIORITY)


def signal(pairs: pl.LazyFrame, media: pl.LazyFrame, read_media: Read) -> pl.LazyFrame:
    """Reads the files of flat pictures; holds no text in memory."""
    contents = _contents(pairs)
    groups = picture_groups(media)
    shown = contents.select("pair_id", media_id="pictures").explode("media_id")
    shown = shown.join(known_hashes(media), on="media_id", how="left", maintain_order="left").join(
        groups, on="media_id", how="left", maintain_order="left"
    )
    lost = shown.filter(pl.col("group").is_null())
    if lost.height:
        raise PrefmillError(
            f"pair {lost['pair_id'][0]} shows medium {lost['media_id'][0]}, which the media table does not hold; "
            "ingest its source again"
        )
    of_pair = shown.group_by("pair_id", maintain_order=True).agg(
        picture_groups="group", group_distances="distance"
    )
    copies = flat_copies(media, read_media)
    form, near, also = near_pairs(contents, shown.with_columns(pl.col("media_id").replace(copies)))
    ids = contents["pair_id"]
    lists = {"near": _near_lists(ids, form, near), "near_turned": _near_lists(ids, form, also)}
    return of_pair.with_columns(form=ids.gather(form), **lists).lazy()


def _contents(pairs: pl.LazyFrame) -> pl.DataFrame:
    """The pairs that show a picture, each once, sorted by pair_id; texts only as hashes."""
    media = ("media_ids", "chosen_media_ids", "rejected_media_ids")
    counts = [pl.col(part).list.len().cast(pl.Int64).alias(name) for part, name in zip(media, COUNTS, strict=True)]
    hashes = [
        text(part).str.replace_all(r"\s+", " ").str.strip_chars().hash().alias(part)
        for part in ("prompt", "chosen", "rejected")
    ]
    rows = pairs.select("pair_id", pl.col("criterion").hash(), *hashes, *counts, pictures=pl.concat_list(media))
    shown = rows.filter(pl.col("pictures").list.len() > 0).collect(engine="streaming")
    return shown.unique("pair_id", keep="first", maintain_order=True).sort("pair_id")


def _near_lists(ids: pl.Series, form: np.ndarray, near: pl.DataFrame) -> pl.Series:
    lists = (
        near.select(place="right", near=pl.struct(ids.gather(near["left"]).alias("form"), "distance"))
        .group_by("place", maintain_order=True)
        .agg("near")
    )
    placed = pl.DataFrame({"place": form}).join(lists, on="place", how="left", maintain_order="left")["near"]
    return placed.fill_null(pl.lit([], placed.dtype))


def rule(survivors: pl.DataFrame, params: Rule) -> pl.DataFrame:
    """Drops `near_duplicate_images`: a pair near an earlier one that stays; `by` is that one, `value` the most
    bits between two of their pictures.
    """
    rows = by_priority(survivors.filter(pl.col("form").is_not_null()), params.priority).with_columns(
        place=pl.int_range(pl.len())
    )
    heads = rows.unique("form", keep="first", maintain_order=True)
    near = pl.concat_list("near", "near_turned") if params.turns else pl.col("near")
    edges = (
        heads.select("place", "source", "criterion", near=near)
        .explode("near")
        .filter(pl.col("near").is_not_null())
        .unnest("near")
        .filter(pl.col("distance") <= params.image_hamming)
        .join(heads.select("form", "source", "criterion", other="place"), on="form", maintain_order="left")
        .filter(same_question(params.across_criteria))
        .select(
            value="distance", left=pl.min_horizontal("place", "other"), right=pl.max_horizontal("place", "other")
        )
        .sort("left", "right", "value")
        .unique(["left", "right"], keep="first", maintain_order=True)
    )
    return repeats(rows, heads, edges, "near_duplicate_images", equal=0)
