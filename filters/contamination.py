"""Training pairs that share a prompt, a completion or a picture with a benchmark (a pair of role benchmark).

`_similar` defines alike. What counts:

- a prompt with the same words and the same pictures (or none on both sides), however short;
- a prompt that is alike or holds most of the benchmark's prompt (five-word shingles), from 8 words on; with other
  pictures only when the text is not asked about many pictures, as "Describe this image." is;
- a dialogue whose first turn is the benchmark's prompt, from 3 words on;
- a completion that is alike by shingles, from 16 words on, unless it answers many prompts, as refusals do;
- a picture, whatever is asked about it: the same file, or one resized, written anew, cut by up to a tenth at each
  edge, turned or mirrored. Such copies are looked for by perceptual hash, then the one picture is laid over the
  other to a fraction of a pixel and compared cell by cell, in light and in colour, on a grid of 32 by 32. What
  differs by more than writing anew and resizing make of it is another picture: of two drawings of one kind, or of
  a sharp picture and a blurred one that may once have looked like it, neither counts as a copy of the other. So a
  blurred benchmark picture is met by its own copies, not by every picture that has its colours; a copy that was
  blurred or painted over is not found.

System turns are left out. A benchmark that quotes a training prompt is no leak.
"""

from __future__ import annotations

from typing import Literal

import polars as pl
import pyarrow as pa
from pydantic import BaseModel, Field

from filters._altered import ALTERED, altered
from filters._decisions import decisions
from filters._leaks import PARTS, RANK, Leaks
from filters._matcher import FLOOR
from filters._pair_texts import slices, text
from filters._pictures import PLACE, Read
from pairs.schema import ROLES

_HIT = pa.struct(
    [
        ("benchmark", pa.string()),
        ("benchmark_pair", pa.string()),
        ("part", pa.string()),
        ("similarity", pa.float64()),
    ]
)
_PICTURES = pl.concat_list("media_ids", "chosen_media_ids", "rejected_media_ids")
_COLUMNS = [field.name for field in _HIT]
# `hits`: the worst one for each benchmark and part, sorted by benchmark, then worst first; `part` is prompt,
# chosen, rejected or picture.
SIGNAL = pa.schema(
    [pa.field("pair_id", pa.string(), nullable=False), pa.field("hits", pa.list_(_HIT), nullable=False)]
)


class Rule(BaseModel, extra="forbid"):
    against: list[str] = Field([], description="names of benchmark sources; empty: all that the recipe lists")
    similarity: float = Field(
        0.8, ge=FLOOR, le=1, description="drop from this similarity to a benchmark's pair on"
    )
    parts: list[Literal["prompt", "chosen", "rejected", "picture"]] = Field(
        list(PARTS),
        min_length=1,
        description="what must not be shared; without `picture` a benchmark's picture may come with another "
        "question (by default it may not: how well a model sees is measured on pictures that it never saw)",
    )


def signal(pairs: pl.LazyFrame, media: pl.LazyFrame, read_media: Read) -> pl.LazyFrame:
    """Reads the training pairs once, in batches; holds the texts of the benchmarks' pairs in memory, and a
    thumbnail of each of their pictures. A benchmark's own pair has no hit: a recipe that admits it means to train
    on it.
    """
    copies = _altered_copies(pairs, media, read_media)
    contents = _contents(pairs)
    benchmarks = _named(contents.filter(pl.col("role") == "benchmark")).collect()
    leaks = Leaks(benchmarks, copies)
    trained = _named(contents.filter(pl.col("role") != "benchmark"), copies)
    for batch in slices(trained, "prompt", "opening", "chosen", "rejected"):
        leaks.add(batch)
    found = leaks.find()
    hits = pl.struct(_COLUMNS).filter(pl.col("benchmark").is_not_null())
    of_pair = found.group_by("pair_id", maintain_order=True).agg(hits.alias("hits"))
    own = benchmarks.select("pair_id").unique(maintain_order=True).join(of_pair, on="pair_id", how="anti")
    return pl.concat([of_pair, own.with_columns(hits=pl.lit([], of_pair.schema["hits"]))]).lazy()


def _altered_copies(pairs: pl.LazyFrame, media: pl.LazyFrame, read_media: Read) -> pl.DataFrame:
    """The training pairs' pictures that are altered copies of the benchmarks' ones: `_altered.ALTERED`."""
    index = media.select(PLACE).unique("media_id", keep="any").collect()
    shown = pairs.select(benchmark=pl.col("role") == "benchmark", media_id=_PICTURES).explode("media_id").unique()
    sides = shown.drop_nulls().group_by("media_id").agg(pl.col("benchmark").any()).collect()
    known = index.join(sides.filter("benchmark"), on="media_id", how="semi")
    if known.is_empty():
        return ALTERED.to_frame()
    return altered(index.join(sides.filter(~pl.col("benchmark")), on="media_id", how="semi"), known, read_media)


def _contents(pairs: pl.LazyFrame) -> pl.LazyFrame:
    turns = [role for role in ROLES if role != "system"]
    asked = pl.col("prompt").list.filter(pl.element().struct.field("role") == "user")
    opening = pl.when(pl.col("prompt").list.len() > 1).then(asked.list.head(1))
    return (
        pairs.with_columns(opening=opening, pictures=_PICTURES.list.unique().list.sort())
        .with_columns(text("prompt", turns), text("opening"), text("chosen"), text("rejected"))
        .select("source", "role", "pair_id", "prompt", "opening", "chosen", "rejected", "media_ids", "pictures")
    )


def _named(contents: pl.LazyFrame, copies: pl.DataFrame | None = None) -> pl.LazyFrame:
    """With `media`: the prompt's pictures as one text, an altered copy under the name of what it was made from."""
    ids = pl.col("media_ids")
    if copies is not None and copies.height:
        best = copies.sort("picture", -pl.col("similarity"), "known").unique("picture", keep="first")
        ids = ids.list.eval(pl.element().replace(best["picture"], best["known"]))
    return contents.with_columns(media=ids.list.sort().list.join(" ")).drop("media_ids")


def rule(survivors: pl.DataFrame, params: Rule) -> pl.DataFrame:
    """Drops `contaminated_prompt`, `_chosen`, `_rejected` or `_picture` by the worst hit; `by` is the benchmark's
    pair, `value` the similarity.
    """
    counted = pl.lit(True) if not params.against else pl.col("benchmark").is_in(params.against)
    hits = _hits(survivors.select("source", "pair_id", "hits"))
    hits = hits.filter(counted, pl.col("similarity") >= params.similarity, pl.col("part").is_in(params.parts))
    worst = hits.sort(-pl.col("similarity"), RANK, "benchmark").unique(
        ["source", "pair_id"], keep="first", maintain_order=True
    )
    reason = pl.concat_str(pl.lit("contaminated_"), "part")
    return decisions(worst, "drop", reason, "similarity", "benchmark_pair")


def overlap(signal: pl.DataFrame, pairs: pl.DataFrame, similarity: float = 0.8) -> pl.DataFrame:
    """How much each training source shares with each benchmark: source, benchmark, pairs (of the source), hit
    (pairs with a hit of at least `similarity`), and how many of them share a prompt, chosen, rejected, a picture
    (one pair may share several). Sorted; without the combinations that share nothing. `pairs` needs source,
    pair_id and role.
    """
    rows = pairs.filter(pl.col("role") != "benchmark").select("source", "pair_id")
    sizes = rows.group_by("source").agg(pairs=pl.len())
    hits = _hits(rows.join(signal, on="pair_id")).filter(pl.col("similarity") >= similarity)
    return (
        hits.group_by("source", "benchmark")
        .agg(
            hit=pl.struct("source", "pair_id").n_unique(),
            **{part: (pl.col("part") == part).sum() for part in PARTS},
        )
        .join(sizes, on="source")
        .select("source", "benchmark", "pairs", "hit", *PARTS)
        .sort("source", "benchmark")
    )


def _hits(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.explode("hits").filter(pl.col("hits").is_not_null()).unnest("hits")
