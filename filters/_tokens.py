"""Tokens of a completion, estimated without a tokenizer: no model is named, and the count is one for all."""

from __future__ import annotations

import polars as pl

# Han, kana and hangul are written without spaces: there each sign counts.
_SIGNS = r"\x{3040}-\x{30ff}\x{3400}-\x{9fff}\x{ac00}-\x{d7af}"
_TOKEN = rf"[{_SIGNS}]|[\w--[{_SIGNS}]]+|[^\w\s]"


def tokens(column: str) -> pl.Expr:
    """Words, single signs, and single Han, kana and hangul characters in all messages of a completion.

    A model's tokenizer also cuts long words: MiniLM's counts 4% to 13% more. On completions of PandaLM, UKP and
    RM-Bench's code the two correlate with over 0.98, more closely than characters or words do (a test holds this).
    """
    counts = pl.element().struct.field("content").str.count_matches(_TOKEN)
    return pl.col(column).list.eval(counts).list.sum().cast(pl.Int64)
