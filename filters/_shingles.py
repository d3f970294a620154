"""Texts -> hashed words -> sets of shingles, on Arrow buffers.

A word is a run of characters between separators, in lower case. Separators are control characters, white space,
`. , ; : ! ? " ' ( ) [ ] { }`, the marks of Markdown `` ` * # | ~ `` and the punctuation of U+2000 to U+203F and
U+3000 to U+303F; signs that carry meaning (`+ - / < = > % $ @ & _` and so on) belong to words, so "-5" is not "5".
A character of three or four bytes in UTF-8 (from U+0800 on: most scripts without spaces, emoji, symbols) is a word
of its own. A text without words has one: all its characters.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MAX_TEXTS = 4095  # at once: their number takes the upper 12 bits of a sort key, and one more marks the end
HASH_BITS = 52
_BITS = np.uint64(HASH_BITS)
HASH_MASK = np.uint64((1 << HASH_BITS) - 1)
_SEPARATORS = bytes(range(33)) + b".,;:!?\"'()[]{}`*#|~\x7f"
_FOLD = bytes(0 if byte in _SEPARATORS else bytes([byte]).lower()[0] for byte in range(256))
_FIRST_BYTES = np.array([(1 << 8 * size) - 1 for size in range(9)], np.uint64)
_AT_ONCE = 1 << 19  # bytes
_LONG = 64  # bytes; longer words are rare and hashed one by one
_ONE, _TWO = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
# Odd random numbers: the place of a word in its shingle, or of a minimum in its band.
PLACES = np.array([0x8CB92BA72F3D8DD7, 0xA0761D6478BD642F, 0xE7037ED1A0B428DB, 0x589965CC75374CC3, 1], np.uint64)


@dataclass(frozen=True)
class Ragged:
    """One run of hashes per text: `values` uint64, those of text i from `starts[i]` to `starts[i + 1]`."""

    values: np.ndarray
    starts: np.ndarray  # int64 [texts + 1]

    @cached_property
    def sizes(self) -> np.ndarray:
        return np.diff(self.starts)


def words(texts: pa.Array) -> Ragged:
    """Hashes of the words of each text, in their order; at least one each. `texts` holds no nulls."""
    # What is at work fits the processor's cache: with four times as much a word costs twice as much.
    step = max(1, len(texts) * _AT_ONCE // max(1, texts.nbytes))
    parts = [_words(texts.slice(first, step)) for first in range(0, len(texts), step)] or [_words(texts)]
    counts = np.concatenate([[0], *(part.sizes for part in parts)])
    return Ragged(np.concatenate([part.values for part in parts]), np.cumsum(counts))


def _words(texts: pa.Array) -> Ragged:
    data, bounds = _bytes(texts)
    if not data.isascii():
        data, bounds = _bytes(pc.utf8_lower(texts))
    folded = data.translate(_FOLD)
    begins, ends = (_ascii_words if data.isascii() else _unicode_words)(folded, bounds[:-1])
    values = _hashes(folded, begins, ends - begins)
    starts = np.searchsorted(begins, bounds)
    bare = np.flatnonzero(starts[1:] == starts[:-1])
    if len(bare):
        whole = [_digest(data[bounds[text] : bounds[text + 1]]) for text in bare]
        values = np.insert(values, starts[bare], np.array(whole, np.uint64))
        starts = starts + np.searchsorted(bare, np.arange(len(starts)))
    return Ragged(values, starts)


def _bytes(texts: pa.Array) -> tuple[bytes, np.ndarray]:
    """All texts behind a NUL, with room to read 8 bytes at every place; where each begins, and the last ends."""
    large = texts.cast(pa.large_string())
    _, offsets, data = large.buffers()
    bounds = np.frombuffer(offsets, np.int64)[large.offset : large.offset + len(large) + 1]
    held = data.slice(bounds[0], bounds[-1] - bounds[0]) if bounds[-1] else b""
    return b"".join([b"\0", held, bytes(8)]), bounds - bounds[0] + 1


def _ascii_words(folded: bytes, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    inside = np.frombuffer(folded, np.uint8) != 0
    edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    # Where a text begins on the heels of the one before it, a word ends there and another begins.
    cut = bounds[inside[bounds - 1] & inside[bounds]]
    cut = cut[np.diff(cut, prepend=0) > 0]
    edges = np.insert(edges, np.repeat(np.searchsorted(edges, cut), 2), np.repeat(cut, 2))
    begins, ends = edges.reshape(-1, 2).T.copy()
    return begins, ends


def _unicode_words(folded: bytes, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    data = np.frombuffer(folded, np.uint8)
    lead, second = data[:-2], data[1:-1]
    inside = data != 0
    for place in np.flatnonzero(((lead == 0xE2) | (lead == 0xE3)) & (second == 0x80)):
        inside[place : place + 3] = False
    for place in np.flatnonzero((lead == 0xC2) & (second == 0xA0)):  # no-break space
        inside[place : place + 2] = False
    alone = inside & (data >= 0xE0)
    begin = alone.copy()
    begin[bounds] = inside[bounds]
    begin[1:] |= inside[1:] & ~inside[:-1]
    begin[3:] |= inside[3:] & alone[:-3] & (data[:-3] < 0xF0)
    begin[4:] |= inside[4:] & alone[:-4] & (data[:-4] >= 0xF0)
    end = np.zeros_like(begin)
    end[1:] = inside[:-1] & (begin[1:] | ~inside[1:])
    return np.flatnonzero(begin), np.flatnonzero(end)


def _hashes(folded: bytes, begins: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    eight = np.ndarray(len(folded) - 7, "<u8", folded, 0, (1,))  # the 8 bytes at every place
    values = mixed(eight.take(begins) & _FIRST_BYTES.take(sizes, mode="clip"))
    longer = np.flatnonzero(sizes > 8)
    for at in range(8, _LONG, 8):
        longer = longer[sizes[longer] > at]
        if not len(longer):
            return values
        more = eight.take(begins[longer] + at) & _FIRST_BYTES.take(sizes[longer] - at, mode="clip")
        values[longer] = mixed(values[longer] ^ more)
    for word in longer[sizes[longer] > _LONG]:
        values[word] = _digest(folded[begins[word] : begins[word] + sizes[word]])
    return values


def _digest(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def mixed(values: np.ndarray) -> np.ndarray:
    """Spread 64-bit values in place, one to one, so that every bit of the input moves the upper and lower bits."""
    values *= _ONE
    values ^= values >> np.uint64(32)
    values *= _TWO
    values ^= values >> np.uint64(29)
    return values


def forms(words: Ragged) -> np.ndarray:
    """One hash per text, equal for equal words in equal order: uint64 `[texts]`."""
    place = np.arange(len(words.values)) - np.repeat(words.starts[:-1], words.sizes)
    total = np.zeros(len(words.values) + 1, np.uint64)
    np.cumsum(mixed(words.values + (place.astype(np.uint64) << np.uint64(1)) * PLACES[0]), out=total[1:])
    return mixed(total[words.starts[1:]] - total[words.starts[:-1]])


def shingles(words: Ragged, width: int, fewest: int, most: float) -> Ragged:
    """52-bit hashes of the `width`-word shingles of each text, in order, repeats and all; `width` is at most 5.

    A text of fewer than `fewest` (at least `width`) or more than `most` words has none.
    """
    count = words.sizes
    taken = (count >= fewest) & (count <= most)
    values = words.values if taken.all() else words.values[np.repeat(taken, count)]
    rolled = values.copy()
    for offset in range(1, width):
        rolled[:-offset] += values[offset:] * PLACES[offset - 1]
    starts = np.zeros(len(count) + 1, np.int64)
    if width > 1:
        ends = np.cumsum(count[taken])
        whole = np.ones(len(rolled), bool)
        for offset in range(1, width):
            whole[ends - offset] = False
        rolled = rolled[whole]
    np.cumsum(np.where(taken, count - width + 1, 0), out=starts[1:])
    return Ragged(mixed(rolled) >> np.uint64(64 - HASH_BITS), starts)


def sets(runs: Ragged) -> Ragged:
    """The different hashes of each run of `shingles`, ascending. At most `MAX_TEXTS` runs."""
    run = np.repeat(np.arange(len(runs.sizes), dtype=np.uint64) << _BITS, runs.sizes)
    keys = distinct(run | runs.values)
    starts = np.searchsorted(keys, np.arange(len(runs.starts), dtype=np.uint64) << _BITS)
    return Ragged(keys & HASH_MASK, starts)


def shingle_sets(words: Ragged, width: int, fewest: int, most: float) -> Ragged:
    """The set of shingles of each text: see `shingles` and `sets`."""
    return sets(shingles(words, width, fewest, most))


def distinct(values: np.ndarray) -> np.ndarray:
    """The different values, ascending; several times as fast as `np.unique`, which hashes."""
    ordered = np.sort(values)
    new = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return ordered[new]
