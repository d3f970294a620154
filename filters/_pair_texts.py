"""The texts of pairs, a slice at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from pairs.schema import IMAGE_MARK

ROWS = 1000
_BYTES = 8 << 20
_FIRST_CAPITAL = r"(^|[.!?:\n])([\s\"'(*#-]*)\p{Lu}"
_NAME = r"\p{Lu}[\p{L}\p{N}]*|\p{N}+"


def text(column: str, roles: Sequence[str] | None = None) -> pl.Expr:
    """The contents of a message list, of some roles or all, as one text without picture marks."""
    message = pl.element()
    chosen = message if roles is None else message.filter(message.struct.field("role").is_in(list(roles)))
    whole = pl.col(column).list.eval(chosen.struct.field("content")).list.join("\n")
    return whole.str.replace_all(IMAGE_MARK, " ", literal=True)


def capitals(said: pl.Expr) -> pl.Expr:
    """The numbers and the words with a capital in a text, each once, as one text."""
    return said.str.extract_all(_NAME).list.unique().list.sort().list.join(" ")


def names(said: pl.Expr) -> pl.Expr:
    """The numbers and names in a text, each once, as one text; a name is a word with a capital in a sentence."""
    return capitals(said.str.replace_all(_FIRST_CAPITAL, " "))


def slices(frame: pl.LazyFrame, *texts: str) -> Iterator[pl.DataFrame]:
    """The rows of `frame` in no certain order: at most `ROWS` at once, and some 8 MB in the columns `texts` unless
    one row alone has more.
    """
    size = pl.sum_horizontal(pl.col(texts).str.len_bytes().cast(pl.Int64))
    cuts = {"_rows": pl.int_range(pl.len()) // ROWS, "_bytes": size.cum_sum() // _BYTES}
    for batch in frame.collect_batches(chunk_size=ROWS, maintain_order=False):
        for _, rows in batch.with_columns(**cuts).group_by(*cuts, maintain_order=True):
            yield rows.drop(*cuts)
