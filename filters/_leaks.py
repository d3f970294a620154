"""From texts and pictures that agree to pairs: which training pair shares what with which benchmark's pair."""

from __future__ import annotations

import polars as pl

from filters._matcher import ENOUGH_WORDS, Matcher

PARTS = ("prompt", "chosen", "rejected", "picture")
RANK = pl.col("part").replace_strict(PARTS, range(len(PARTS)), return_dtype=pl.Int64)
_OPENING_WORDS = 3  # of a prompt that a dialogue begins with
_COMPLETION_WORDS = 16  # fewer, and strangers say the same
_GENERIC = 3  # pictures asked about, or prompts answered, by one text: it says nothing about a single one
_HIT = ("pair_id", "benchmark", "benchmark_pair", "part", "similarity")


class Leaks:
    """Holds the benchmarks' pairs, takes the training pairs a slice at a time.

    Both come as frames with source, pair_id; prompt, opening (the first turn of a dialogue, else null), chosen,
    rejected as texts; media (the ids of the prompt's pictures as one text) and pictures (list of all ids).
    `copies` are pictures of training pairs made from a benchmark's picture: `_altered.ALTERED`.
    """

    def __init__(self, benchmark: pl.DataFrame, copies: pl.DataFrame) -> None:
        named = benchmark.rename({"source": "benchmark", "pair_id": "benchmark_pair"})
        self._prompts, self._asked = _matcher(named, ["prompt"], prompts=True)
        self._completions, self._answered = _matcher(named, ["chosen", "rejected"], prompts=False)
        prompts = self._asked.select("benchmark_pair", asked="fixed").unique()
        self._answered = self._answered.join(prompts, on="benchmark_pair")
        self._shown = _first(named.explode("pictures").rename({"pictures": "picture"}), "picture")
        same = self._shown.select("picture", known="picture", similarity=pl.lit(1.0)).unique()
        self._known = pl.concat([same, copies])
        self._uses: list[pl.DataFrame] = []
        self._pictures: list[pl.DataFrame] = []
        self.add(benchmark.clear())  # the columns, should nothing follow

    def add(self, pairs: pl.DataFrame) -> None:
        """At most `slices` gives at once."""
        uses = pairs.select(
            "pair_id",
            "media",
            prompt=_numbers(self._prompts, pairs["prompt"]),
            opening=_numbers(self._prompts, pairs["opening"]),
            chosen=_numbers(self._completions, pairs["chosen"]),
            rejected=_numbers(self._completions, pairs["rejected"]),
        )
        self._uses.append(uses)
        shown = pairs.select("pair_id", picture="pictures").explode("picture")
        self._pictures.append(shown.join(self._known, on="picture", how="semi"))

    def find(self) -> pl.DataFrame:
        """The worst hit of each training pair with each benchmark by each part, sorted by pair_id, benchmark and
        how bad: the columns of `_HIT`, and the training pairs without a hit as rows without a benchmark.
        """
        uses = pl.concat(self._uses).sort("pair_id", "prompt").unique("pair_id", keep="first", maintain_order=True)
        hits = pl.concat([self._prompt_hits(uses), self._completion_hits(uses), self._picture_hits()])
        worst = hits.sort("pair_id", "benchmark", -pl.col("similarity"), RANK, "benchmark_pair").unique(
            ["pair_id", "benchmark", "part"], keep="first", maintain_order=True
        )
        return uses.select("pair_id").join(
            worst.select(_HIT), on="pair_id", how="left", maintain_order="left_right"
        )

    def _prompt_hits(self, uses: pl.DataFrame) -> pl.DataFrame:
        found = self._prompts.seal()
        asked = pl.concat(
            [
                uses.select("pair_id", "media", text="prompt", opens=pl.lit(False)),
                uses.select("pair_id", "media", text="opening", opens=pl.lit(True)).drop_nulls("text"),
            ]
        )
        pictures = pl.concat([asked.select("text", "media"), self._asked.select(text="fixed", media="media")])
        found = _described(found, self._prompts, pictures.filter(pl.col("media") != ""), "media")
        enough = pl.col("words") >= ENOUGH_WORDS
        equal = pl.col("equal") & (~pl.col("opens") | (pl.col("words") >= _OPENING_WORDS))
        same = (
            found.join(_first(self._asked, "fixed", "media"), on="fixed")
            .join(asked, on=["text", "media"])
            .filter(enough | equal)
        )
        other = (
            found.filter(enough & ~pl.col("generic"))
            .join(_first(self._asked, "fixed"), on="fixed")
            .join(asked, on="text")
        )
        return pl.concat([each.with_columns(part=pl.lit("prompt")).select(_HIT) for each in (same, other)])

    def _completion_hits(self, uses: pl.DataFrame) -> pl.DataFrame:
        found = self._completions.seal()
        form = pl.Series("asked", self._prompts.forms)
        answered = pl.concat(
            [
                uses.select("pair_id", text=part, part=pl.lit(part), asked=form.gather(uses["prompt"]))
                for part in ("chosen", "rejected")
            ]
        )
        of_benchmark = self._answered.select(text="fixed", asked=form.gather(self._answered["asked"]))
        prompts = pl.concat([answered.select("text", "asked"), of_benchmark])
        found = _described(found, self._completions, prompts, "asked")
        return (
            found.filter((pl.col("words") >= _COMPLETION_WORDS) & ~pl.col("generic"))
            .join(_first(self._answered, "fixed"), on="fixed")
            .join(answered, on="text")
            .select(_HIT)
        )

    def _picture_hits(self) -> pl.DataFrame:
        known = pl.concat(self._pictures).join(self._known, on="picture").drop("picture")
        hits = known.join(self._shown, left_on="known", right_on="picture")
        return hits.with_columns(part=pl.lit("picture")).select(_HIT)


def _matcher(benchmark: pl.DataFrame, columns: list[str], prompts: bool) -> tuple[Matcher, pl.DataFrame]:
    """A matcher of the texts in `columns`; and who uses them: fixed (number), benchmark, benchmark_pair, media."""
    facts = ("benchmark", "benchmark_pair", "media")
    rows = pl.concat([benchmark.select(*facts, text=column) for column in columns])
    once = rows.select("text").unique().sort("text").with_row_index("fixed").cast({"fixed": pl.Int64})
    return Matcher(once["text"], prompts), rows.join(once, on="text").select("fixed", *facts)


def _first(rows: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """Of the rows that agree in `columns`, for each benchmark the one of its least pair."""
    return rows.group_by(*columns, "benchmark").agg(pl.col("benchmark_pair").min())


def _numbers(matcher: Matcher, texts: pl.Series) -> pl.Series:
    once = texts.drop_nulls().unique(maintain_order=True).to_frame("text")
    numbers = once.with_columns(number=matcher.look_up(once["text"]))
    return texts.to_frame("text").join(numbers, on="text", how="left", maintain_order="left")["number"]


def _described(found: pl.DataFrame, matcher: Matcher, uses: pl.DataFrame, other: str) -> pl.DataFrame:
    """Matches with the benchmark text's words, whether the two are equal, and whether either is generic: used
    (`uses`: text, `other`) with many others.
    """
    forms = pl.Series("form", matcher.forms)
    found = found.with_columns(
        words=pl.Series(matcher.words).gather(found["fixed"]),
        form=forms.gather(found["fixed"]),
        form_of_text=forms.gather(found["text"]),
    )
    used = uses.with_columns(form=forms.gather(uses["text"])).filter(
        pl.col("form").is_in(pl.concat([found["form"], found["form_of_text"]]).implode())
    )
    many = used.group_by("form").agg(pl.col(other).n_unique()).filter(pl.col(other) >= _GENERIC)["form"].implode()
    return found.with_columns(
        equal=pl.col("form") == pl.col("form_of_text"),
        generic=pl.col("form").is_in(many) | pl.col("form_of_text").is_in(many),
    )
