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
_LONG = 64  # bytes; longer words are rare and hashed one by one
_ONE, _TWO = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
# Odd random numbers: the place of a word in its shingle, or of a minimum in its band.
PLACES = np.array([0x8CB92BA72F3D8DD7, 0xA0761D6478BD642F, 0xE7037ED1A0B428DB, 0x589965CC75374CC3, 1], np.uint64)


@dataclass(frozen=True)
class Ragged:
    """One run of hashes per text: `values` uint64, those of text i from `starts[i]` to `starts[i + 1]`."""

    values: np.ndarray
    starts: np.ndarray  # int64 [texts + 1]

    @property
    def sizes(self) -> np.ndarray:
        return np.diff(self.starts)


def words(texts: pa.Array) -> Ragged:
    """Hashes of the words of each text, in their order; at least one each. `texts` holds no nulls."""
    data, bounds = _joined(texts)
    if not data.isascii():
        data, bounds = _joined(pc.utf8_lower(texts))
    folded = data.translate(_FOLD)
    begins, ends = _ascii_words(folded) if data.isascii() else _unicode_words(folded)
    values = _hashes(folded, begins, ends - begins)
    starts = np.searchsorted(begins, bounds)
    bare = np.flatnonzero(starts[1:] == starts[:-1])
    if len(bare):
        whole = [_digest(data[bounds[text] : bounds[text + 1] - 1]) for text in bare]
        values = np.insert(values, starts[bare], np.array(whole, np.uint64))
        starts = starts + np.searchsorted(bare, np.arange(len(starts)))
    return Ragged(values, starts)


def _joined(texts: pa.Array) -> tuple[bytes, np.ndarray]:
    """All texts behind one NUL each, with room to read 8 bytes at every place, and where each begins."""
    bounds = np.ones(len(texts) + 1, np.int64)
    np.cumsum(pc.binary_length(texts).to_numpy(zero_copy_only=False), out=bounds[1:])
    bounds[1:] += np.arange(2, len(texts) + 2)
    whole = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts)
    joined = pc.binary_join(whole, pa.scalar("\0", texts.type))[0].as_buffer().to_pybytes()
    return b"\0%s\0\0\0\0\0\0\0\0" % joined, bounds


def _ascii_words(folded: bytes) -> tuple[np.ndarray, np.ndarray]:
    inside = np.frombuffer(folded, np.uint8) != 0
    edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    return edges[::2], edges[1::2]


def _unicode_words(folded: bytes) -> tuple[np.ndarray, np.ndarray]:
    data = np.frombuffer(folded, np.uint8)
    lead, second = data[:-2], data[1:-1]
    inside = data != 0
    for place in np.flatnonzero(((lead == 0xE2) | (lead == 0xE3)) & (second == 0x80)):
        inside[place : place + 3] = False
    for place in np.flatnonzero((lead == 0xC2) & (second == 0xA0)):  # no-break space
        inside[place : place + 2] = False
    alone = inside & (data >= 0xE0)
    begin = alone.copy()
    begin[1:] |= inside[1:] & ~inside[:-1]
    begin[3:] |= inside[3:] & alone[:-3] & (data[:-3] < 0xF0)
    begin[4:] |= inside[4:] & alone[:-4] & (data[:-4] >= 0xF0)
    end = np.zeros_like(begin)
    end[1:] = inside[:-1] & (begin[1:] | ~inside[1:])
    return np.flatnonzero(begin), np.flatnonzero(end)


def _hashes(folded: bytes, begins: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    eight = np.ndarray(len(folded) - 7, "<u8", folded, 0, (1,))  # the 8 bytes at every place
    values = mixed(eight[begins] & _FIRST_BYTES[np.minimum(sizes, 8)])
    longer = np.flatnonzero(sizes > 8)
    for at in range(8, _LONG, 8):
        longer = longer[sizes[longer] > at]
        if not len(longer):
            return values
        more = eight[begins[longer] + at] & _FIRST_BYTES[np.minimum(sizes[longer] - at, 8)]
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


def shingle_sets(words: Ragged, width: int, fewest: int, most: float) -> Ragged:
    """The set of `width`-word shingles of each text, ascending 52-bit hashes; `width` is at most 5.

    A text of fewer than `fewest` (at least `width`) or more than `most` words has none. At most `MAX_TEXTS` texts.
    """
    count = words.sizes
    taken = (count >= fewest) & (count <= most)
    if not taken.any():
        return Ragged(np.empty(0, np.uint64), np.zeros(len(count) + 1, np.int64))
    rolled = words.values.copy()
    for offset in range(1, width):
        rolled[:-offset] += words.values[offset:] * PLACES[offset - 1]
    whole = np.repeat(taken, count)
    for offset in range(1, width):
        whole[words.starts[1:][taken] - offset] = False
    text = np.repeat(np.arange(len(count), dtype=np.uint64) << _BITS, np.where(taken, count - width + 1, 0))
    keys = distinct(text | (mixed(rolled[whole]) >> np.uint64(64 - HASH_BITS)))
    starts = np.searchsorted(keys, np.arange(len(count) + 1, dtype=np.uint64) << _BITS)
    return Ragged(keys & HASH_MASK, starts)


def distinct(values: np.ndarray) -> np.ndarray:
    """The different values, ascending; several times as fast as `np.unique`, which hashes."""
    ordered = np.sort(values)
    new = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return ordered[new]
