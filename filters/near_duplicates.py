"""Pairs that say nearly the same: alike in prompt, in chosen and in rejected, with the same pictures.

`_similar` defines alike. Chosen is compared with chosen and rejected with rejected, never the two of one pair,
which are often alike by design. A pair of the same criterion that is alike the other way round is a contradiction
and no duplicate: it is named in `opposed_by` and not dropped here. Candidates come from MinHash and are compared
exactly.

A pair is no duplicate when its prompt differs in a number or a name (any word with a capital), nor when a
completion of fewer than 20 words does: there it is what is asked, or the answer.
"""

from __future__ import annotations

import polars as pl
import pyarrow as pa
from pydantic import BaseModel, Field

from filters._near_pairs import FLOOR, Found, PairSketches
from filters._pair_texts import capitals, slices, text
from filters._repeats import PRIORITY, by_priority, repeats
from filters._similar import least_reached

_NEAR = pa.struct(
    [
        ("form", pa.string()),
        *((part, pa.float64()) for part in ("prompt", "chosen", "rejected")),
        ("named", pa.bool_()),
    ]
)
SIGNAL = pa.schema(
    [
        pa.field("pair_id", pa.string(), nullable=False),
        # The least pair_id with the same words in all three texts, the same media and criterion.
        pa.field("form", pa.string(), nullable=False),
        # The least pair_id that chains of near ones lead to: for counting, not for dropping.
        pa.field("cluster", pa.string(), nullable=False),
        # Forms before this one in order of pair_id, with the similarity of each part, each at least `FLOOR`, and
        # whether the prompts, and the completions of fewer than `FEW` words, agree in their numbers and names.
        pa.field("near", pa.list_(_NEAR), nullable=False),
        pa.field("opposed_by", pa.string()),
        pa.field("opposed_similarity", pa.float64()),
    ]
)
_PARTS = ("prompt", "chosen", "rejected")


class Rule(BaseModel, extra="forbid"):
    text_jaccard: float = Field(
        0.8, ge=FLOOR, le=1, description="least similarity of prompt, of chosen and of rejected, each"
    )
    differing_names: bool = Field(
        False,
        description="also drop a pair that differs in a number or a name of its prompt or a short completion",
    )
    across_criteria: bool = Field(
        True, description="also drop a pair whose earlier like has another criterion but prefers the same side"
    )
    priority: list[str] = Field([], description=PRIORITY)


def signal(pairs: pl.LazyFrame) -> pl.LazyFrame:
    """Reads the pairs once, in batches."""
    from tqdm import tqdm  # takes as long as a thousand pairs

    sketches = PairSketches()
    with tqdm(desc="near_duplicates", unit=" pairs", delay=3, disable=None) as bar:  # none where nobody watches
        for batch in slices(_contents(pairs), *_PARTS):
            sketches.add(batch)
            bar.update(batch.height)
    return _frame(sketches.find()).lazy()


def _contents(pairs: pl.LazyFrame) -> pl.LazyFrame:
    """The columns that `PairSketches.add` takes."""
    media = {
        "prompt_media": "media_ids",
        "chosen_media": "chosen_media_ids",
        "rejected_media": "rejected_media_ids",
    }
    ids = [f"{part}_id" for part in _PARTS]
    return pairs.select(
        "pair_id",
        *ids,
        *(text(part) for part in _PARTS),
        *(pl.col(column).list.join(" ").hash().alias(name) for name, column in media.items()),
        pl.col("criterion").hash(),
        *(capitals(text(part)).hash().alias(f"{part}_names") for part in _PARTS),
    )


def _frame(found: Found) -> pl.DataFrame:
    ids = found.pair_ids
    form = pl.Series("form", ids.gather(found.form))
    cluster = least_reached(found.form, found.near["left"].to_numpy(), found.near["right"].to_numpy())[found.form]
    near = found.near.select(
        pl.col("right").alias("place"),
        near=pl.struct(ids.gather(found.near["left"]).alias("form"), *_PARTS, "named"),
    )
    both = pl.concat([found.opposed, found.opposed.select(left="right", right="left", similarity="similarity")])
    worst = both.sort("left", "similarity", "right", descending=[False, True, False]).unique(
        "left", keep="first", maintain_order=True
    )
    of_form = (
        pl.DataFrame({"place": found.form})
        .join(
            near.group_by("place", maintain_order=True).agg("near"), on="place", how="left", maintain_order="left"
        )
        .join(worst.rename({"left": "place"}), on="place", how="left", maintain_order="left")
    )
    return pl.DataFrame([ids, form]).with_columns(
        cluster=ids.gather(cluster),
        near=of_form["near"].fill_null(pl.lit([], of_form["near"].dtype)),
        opposed_by=ids.gather(of_form["right"]),
        opposed_similarity=of_form["similarity"],
    )


def rule(survivors: pl.DataFrame, params: Rule) -> pl.DataFrame:
    """Drops `near_duplicate`: a pair alike an earlier one that stays; `by` is that one, `value` the similarity of
    the part that is least alike. Only pairs that were compared with each other drop each other.
    """
    rows = by_priority(survivors, params.priority).with_columns(place=pl.int_range(pl.len()))
    heads = rows.unique("form", keep="first", maintain_order=True)
    edges = (
        heads.select("place", "near", "criterion")
        .explode("near")
        .filter(pl.col("near").is_not_null())
        .unnest("near")
        .with_columns(value=pl.min_horizontal(_PARTS))
        .join(heads.select("form", "criterion", other="place"), on="form", maintain_order="left")
        .filter(
            pl.col("value") >= params.text_jaccard,
            pl.col("named") | params.differing_names,
            (pl.col("criterion") == pl.col("criterion_right")) | params.across_criteria,
        )
        .select("value", left=pl.min_horizontal("place", "other"), right=pl.max_horizontal("place", "other"))
    )
    return repeats(rows, heads, edges, "near_duplicate", equal=1.0)
