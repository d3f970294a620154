"""Pairs that say nearly the same: alike in prompt, in chosen and in rejected, with pictures that look alike.

`_similar` defines alike. Chosen is compared with chosen and rejected with rejected, never the two of one pair,
which are often alike by design. Candidates come from MinHash and are compared exactly. Pictures look alike, each
one and that in its place, when their perceptual hashes differ in a few bits, as after a change of size or of
compression; a flat picture, which has no hash, is like itself alone.

A pair of the same criterion that is alike the other way round is no duplicate but `opposed`: a contradiction where
the completions are clearly more alike the other way round than straight, and none where the completions of each
pair are so alike that both ways fit, as those of RLHF-V are by design. So it is with pictures as completions that
look alike, unless their files are the same. Within one source, other files are other pictures: sets that edit a
picture in a detail and expect the opposed answer are made to be hard, and no mistake.

A pair is no duplicate when its prompt differs in a number or a name (any word with a capital), nor when a
completion of fewer than 20 words does: there it is what is asked, or the answer. Of opposed pairs, any
text of fewer than 20 words, and the prompt of such a completion, must have the same words in the same order.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import polars as pl
import pyarrow as pa
from pydantic import BaseModel, Field

from filters._decisions import DECISIONS, KEY, decisions
from filters._near_pairs import FLOOR, Found, PairSketches
from filters._near_pictures import COLUMNS, MOST, PictureLists, list_key
from filters._pair_texts import capitals, slices, text
from filters._pictures import GROUP_DISTANCE
from filters._repeats import ACROSS_CRITERIA, PRIORITY, by_priority, rank, repeats, same_question
from filters._similar import least_reached

_NEAR = pa.struct(
    [
        ("form", pa.string()),
        *((part, pa.float64()) for part in ("prompt", "chosen", "rejected")),
        ("named", pa.bool_()),
        ("distance", pa.int32()),
    ]
)
_OPPOSED = pa.struct(
    [
        ("form", pa.string()),
        ("similarity", pa.float64()),
        ("margin", pa.float64()),
        ("named", pa.bool_()),
        ("distance", pa.int32()),
        ("files", pa.bool_()),
    ]
)
SIGNAL = pa.schema(
    [
        pa.field("pair_id", pa.string(), nullable=False),
        # The least pair_id with the same words in all three texts, the same media and criterion.
        pa.field("form", pa.string(), nullable=False),
        # The least pair_id that chains of near ones lead to: for counting, not for dropping.
        pa.field("cluster", pa.string(), nullable=False),
        # Forms before this one in order of pair_id, with the similarity of each part, each at least `FLOOR`,
        # whether the prompts, and the completions of fewer than `FEW` words, agree in their numbers and names, and
        # the most bits that differ between two pictures, at most `MOST`.
        pa.field("near", pa.list_(_NEAR), nullable=False),
        # Forms, before and after, that prefer the other side: the similarity of the part that is least alike the
        # other way round, by how much that of the completions (the least of the two) exceeds the straight one,
        # 0 to 1, whether they agree in what is asked and in short answers, the bits as in `near`, and whether all
        # pictures are the same files.
        pa.field("opposed", pa.list_(_OPPOSED), nullable=False),
    ]
)
_PARTS = ("prompt", "chosen", "rejected")


class Rule(BaseModel, extra="forbid"):
    before_flips: ClassVar = True  # labels are compared as the sources wrote them
    text_jaccard: float = Field(
        0.8, ge=FLOOR, le=1, description="least similarity of prompt, of chosen and of rejected, each"
    )
    image_hamming: int = Field(
        GROUP_DISTANCE,
        ge=0,
        le=MOST,
        description="most bits of 64 in which the hashes of two pictures that look alike differ; pictures that "
        "differ in a detail alone look alike too",
    )
    differing_names: bool = Field(
        False,
        description="also drop a pair that differs in a number or a name of its prompt or a short completion",
    )
    across_criteria: bool = Field(True, description=ACROSS_CRITERIA)
    opposed: Literal["drop", "majority", "first_source", "keep"] = Field(
        "drop",
        description="what becomes of near-equal pairs with opposed labels. drop: both; majority: those that fewer "
        "rows say or nearly say, both when equal; first_source: all but the label of the source that `priority`, "
        "then the recipe names first, both when that source says both; keep: they stay",
    )
    opposed_margin: float = Field(
        0.1,
        ge=0,
        le=1,
        description="opposed are pairs whose completions are more alike the other way round by at least so much",
    )
    priority: list[str] = Field([], description=PRIORITY)


def signal(pairs: pl.LazyFrame, media: pl.LazyFrame) -> pl.LazyFrame:
    """Reads the pictures of the pairs, then the pairs once, in batches."""
    from tqdm import tqdm  # takes as long as a thousand pairs

    sketches = PairSketches(PictureLists(pairs, media))
    with tqdm(desc="near_duplicates", unit=" pairs", delay=3, disable=None) as bar:  # none where nobody watches
        for batch in slices(_contents(pairs), *_PARTS):
            sketches.add(batch)
            bar.update(batch.height)
    return _frame(sketches.find()).lazy()


def _contents(pairs: pl.LazyFrame) -> pl.LazyFrame:
    """The columns that `PairSketches.add` takes."""
    ids = [f"{part}_id" for part in _PARTS]
    return pairs.select(
        "pair_id",
        *ids,
        *(text(part) for part in _PARTS),
        *(list_key(column).alias(f"{part}_media") for part, column in zip(_PARTS, COLUMNS, strict=True)),
        pl.col("criterion").hash(),
        *(capitals(text(part)).hash().alias(f"{part}_names") for part in _PARTS),
    )


def _frame(found: Found) -> pl.DataFrame:
    ids = found.pair_ids
    form = pl.Series("form", ids.gather(found.form))
    cluster = least_reached(found.form, found.near["left"].to_numpy(), found.near["right"].to_numpy())[found.form]
    near = found.near.select(
        pl.col("right").alias("place"),
        near=pl.struct(ids.gather(found.near["left"]).alias("form"), *_PARTS, "named", "distance"),
    )
    mirrored = found.opposed.rename({"left": "right", "right": "left"}).select(found.opposed.columns)
    both = pl.concat([found.opposed, mirrored]).sort("left", "right")
    other = ids.gather(both["right"]).alias("form")
    opposed = both.select(place="left", opposed=pl.struct(other, *_OPPOSED.names[1:]))
    of_form = pl.DataFrame({"place": found.form})
    for lists in (near, opposed):
        told = lists.group_by("place", maintain_order=True).agg(pl.exclude("place"))
        of_form = of_form.join(told, on="place", how="left", maintain_order="left")
    return pl.DataFrame([ids, form]).with_columns(
        cluster=ids.gather(cluster),
        **{name: of_form[name].fill_null(pl.lit([], of_form[name].dtype)) for name in ("near", "opposed")},
    )


def rule(survivors: pl.DataFrame, params: Rule) -> pl.DataFrame:
    """Drops `near_contradiction`, `_minority`, `_tie` or `_later_source`: a pair opposed to another that is in,
    which `by` names. Then `near_duplicate`: a pair alike an earlier one that stays, which `by` names. `value` is
    the similarity of the part that is least alike. Only pairs that were compared with each other drop each other.
    """
    rows = by_priority(survivors, params.priority).with_columns(place=pl.int_range(pl.len()))
    opposed = _opposed(rows, params)
    rows = rows.join(opposed, on=KEY, how="anti", maintain_order="left").with_columns(place=pl.int_range(pl.len()))
    heads = rows.unique("form", keep="first", maintain_order=True)
    return pl.concat([opposed, repeats(rows, heads, _near(heads, params), "near_duplicate", equal=1.0)])


def _near(heads: pl.DataFrame, params: Rule) -> pl.DataFrame:
    """Places of first rows of forms that are near-duplicates: left < right, value."""
    return (
        heads.select("place", "near", "source", "criterion")
        .explode("near")
        .filter(pl.col("near").is_not_null())
        .unnest("near")
        .with_columns(value=pl.min_horizontal(_PARTS))
        .join(heads.select("form", "source", "criterion", other="place"), on="form", maintain_order="left")
        .filter(
            pl.col("value") >= params.text_jaccard,
            pl.col("distance") <= params.image_hamming,
            pl.col("named") | params.differing_names,
            same_question(params.across_criteria),
        )
        .select("value", left=pl.min_horizontal("place", "other"), right=pl.max_horizontal("place", "other"))
    )


def _opposed(rows: pl.DataFrame, params: Rule) -> pl.DataFrame:
    """Decisions about rows that other rows contradict."""
    if params.opposed == "keep":
        return DECISIONS.to_frame()
    heads = rows.unique("form", keep="first", maintain_order=True)
    forms = heads.select("place", "form", by="pair_id").join(
        rows.group_by("form").agg(votes=pl.len().cast(pl.Int64), first=rank(params.priority).min()), on="form"
    )
    fates = _against(heads, forms, params).join(_supporters(forms, _near(heads, params)), on="place")
    lost, tied, reason = {
        "drop": (pl.lit(True), pl.lit(False), "near_contradiction"),
        "majority": (
            pl.col("votes") <= pl.col("against"),
            pl.col("votes") == pl.col("against"),
            "near_contradiction_minority",
        ),
        "first_source": (
            pl.col("own_first") >= pl.col("first"),
            pl.col("own_first") == pl.col("first"),
            "near_contradiction_later_source",
        ),
    }[params.opposed]
    named = pl.when(tied).then(pl.lit("near_contradiction_tie")).otherwise(pl.lit(reason))
    gone = rows.select(*KEY, "form").join(
        fates.filter(lost).join(forms.select("place", "form"), on="place"), on="form", maintain_order="left"
    )
    return decisions(gone, "drop", named, "similarity", "by")


def _against(heads: pl.DataFrame, forms: pl.DataFrame, params: Rule) -> pl.DataFrame:
    """What opposes each opposed form: its place, similarity and pair_id (`by`) of the likest, the first source of
    all of them and its own (`first, own_first`), and the rows that say them (`against`)."""
    return (
        heads.select("place", "opposed")
        .explode("opposed")
        .filter(pl.col("opposed").is_not_null())
        .unnest("opposed")
        .filter(
            pl.col("similarity") >= params.text_jaccard,
            pl.col("distance") <= params.image_hamming,
            pl.col("margin") >= params.opposed_margin,
            pl.col("named"),
        )
        .join(forms.rename({"place": "other"}), on="form")
        .join(forms.select("place", own_first="first"), on="place")
        .filter(pl.col("files") | (pl.col("first") != pl.col("own_first")))
        .sort(-pl.col("similarity"), "other")
        .group_by("place", maintain_order=True)
        .agg(
            pl.col("similarity", "by").first(),
            pl.col("first").min(),
            pl.col("own_first").first(),
            against=pl.col("votes").sum(),
        )
    )


def _supporters(forms: pl.DataFrame, near: pl.DataFrame) -> pl.DataFrame:
    """place of each form, and votes: the rows that say the same or nearly so."""
    ends = [near.select(place=one, other=two) for one, two in (("left", "right"), ("right", "left"))]
    others = pl.concat(ends).join(forms.select("votes", other="place"), on="other").select("place", "votes")
    return pl.concat([forms.select("place", "votes"), others]).group_by("place").agg(pl.col("votes").sum())
