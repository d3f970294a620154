"""Pictures that look alike, by the perceptual hashes of the media table."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl

from filters._hamming import Close, close_pairs
from pairs.media import thumbnail

Read = Callable[[pl.DataFrame], dict[str, bytes]]  # `Store.read_media`
PLACE = ("media_id", "phash", "shard", "row_group", "row")  # columns of the media table
_AT_ONCE = 64  # pictures whose files are in memory
_FLAT_SIDE, _FLAT_APART = 8, 6
GROUP_DISTANCE = 4  # bits of 64; at 6, pictures that only share a layout begin to meet
# A DCT changes sign in the odd columns when the picture is mirrored left to right, in the odd rows when top to
# bottom, and is transposed with the picture. A bit says whether a coefficient is above the median, and the median
# is near 0: so turned hashes come from the hash alone, some 3 bits of 64 from those of the turned picture.
_ODD_COLUMNS = np.uint64(0x5555555555555555)
_ODD_ROWS = np.uint64(0x00FF00FF00FF00FF)


def turned(hashes: np.ndarray) -> np.ndarray:
    """Hashes as after each of the seven turns and mirrorings: uint64 `[7, n]` of uint64 `[n]`."""
    bits = np.unpackbits(hashes.astype(">u8").view(np.uint8).reshape(-1, 8, 1), axis=2)
    crossed = np.packbits(bits.transpose(0, 2, 1), axis=2).reshape(-1, 8).copy().view(">u8").ravel()
    masks = [np.uint64(0), _ODD_COLUMNS, _ODD_ROWS, _ODD_COLUMNS ^ _ODD_ROWS]
    return np.stack([kind ^ mask for kind in (hashes, crossed.astype(np.uint64)) for mask in masks][1:])


def known_hashes(media: pl.LazyFrame) -> pl.DataFrame:
    """Each medium once, sorted by media_id: media_id, hash (UInt64, null for a flat picture)."""
    once = media.select("media_id", "phash").unique().sort("media_id").collect()
    return once.select("media_id", hash=pl.col("phash").str.to_integer(base=16, dtype=pl.UInt64))


def flat_copies(media: pl.LazyFrame, read: Read) -> dict[str, str]:
    """Flat pictures, which have no hash, by pixels: for each that is like one of a lesser media_id, that one's id.

    Alike are thumbnails of 8 by 8 pixels that differ by at most 6 of 255 in any colour of any pixel. Time grows
    with the flat pictures times the unlike ones among them, which are few: they hardly show more than one colour.
    """
    flat = media.filter(pl.col("phash").is_null()).select(PLACE).unique("media_id", keep="any").collect()
    looks = dict(thumbnails(flat, read, _FLAT_SIDE))
    names: list[str] = []
    pixels = np.empty((0, _FLAT_SIDE, _FLAT_SIDE, 3), np.int16)
    copies = {}
    for name in sorted(looks):
        own = looks[name].astype(np.int16)[None]
        like = np.flatnonzero(abs(pixels - own).max(axis=(1, 2, 3), initial=0) <= _FLAT_APART)
        if len(like):
            copies[name] = names[like[0]]
        else:
            names.append(name)
            pixels = np.concatenate([pixels, own])
    return copies


def thumbnails(rows: pl.DataFrame, read: Read, side: int) -> Iterator[tuple[str, np.ndarray]]:
    """media_id and thumbnail `[side, side, 3]` (uint8) of each row of the media table, a few files in memory."""
    for batch in rows.select(PLACE).sort("shard", "row_group", "row").iter_slices(_AT_ONCE):
        files = read(batch)
        for media_id in batch["media_id"]:
            yield media_id, thumbnail(files[media_id], side)


def picture_groups(media: pl.LazyFrame, distance: int = GROUP_DISTANCE, turns: bool = False) -> pl.DataFrame:
    """Pictures that look alike: media_id, group (the media_id of the picture that stands for it) and distance
    (bits from that one, at most `distance`), sorted by media_id. Reads media_id and phash of `media`.

    The picture with the most others near it stands for them first, then the next among those left: no chains, but
    two pictures near each other can be in two groups. With `turns` also pictures that are turned or mirrored.
    A flat picture, which has no hash, is a group of its own.
    """
    known = known_hashes(media)
    forms = known.drop_nulls("hash").group_by("hash").agg(pl.col("media_id").min().alias("group"), pl.len())
    forms = forms.sort("group")
    left, right, bits = near_hashes(forms["hash"].to_numpy(), distance, turns)
    stands, away = _stand_ins(left, right, bits, forms["len"].to_numpy())
    placed = forms.select("hash", group=pl.col("group").gather(stands), distance=pl.Series(away))
    return (
        known.join(placed, on="hash", how="left", maintain_order="left")
        .select("media_id", pl.coalesce("group", "media_id"), pl.col("distance").fill_null(0))
        .cast({"distance": pl.Int32})
    )


def near_hashes(hashes: np.ndarray, distance: int, turns: bool = False) -> Close:
    """All pairs of distinct hashes that are near, sorted: places left < right and the least distance."""
    found = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint8)), *close_pairs(hashes, distance)]
    count = len(hashes)
    for other in turned(hashes) if turns else ():
        for left, right, bits in close_pairs(np.concatenate([hashes, other]), distance):
            cross = (left < count) & (right >= count) & (right - count != left)
            one, two = left[cross], right[cross] - count
            found.append((np.minimum(one, two), np.maximum(one, two), bits[cross]))
    left, right, bits = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((bits, right, left))
    left, right, bits = left[order], right[order], bits[order]
    new = np.ones(len(left), bool)
    new[1:] = (left[1:] != left[:-1]) | (right[1:] != right[:-1])
    return left[new], right[new], bits[new]


def _stand_ins(
    left: np.ndarray, right: np.ndarray, bits: np.ndarray, sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For each hash the place of the one that stands for it (itself, where none near does), and its distance."""
    count = len(sizes)
    one, two, away = np.concatenate([left, right]), np.concatenate([right, left]), np.concatenate([bits, bits])
    around = sizes + np.bincount(one, weights=sizes[two], minlength=count)
    order = np.lexsort((np.arange(count), -around))
    rank = np.empty(count, np.int64)
    rank[order] = np.arange(count)
    first = np.lexsort((two, away, rank[one]))
    two, away = two[first].tolist(), away[first].tolist()
    ends = np.searchsorted(rank[one][first], np.arange(count + 1)).tolist()
    stands, distance = np.arange(count), np.zeros(count, np.int64)
    stays = [False] * count
    for number, place in enumerate(order.tolist()):
        for edge in range(ends[number], ends[number + 1]):
            if stays[two[edge]]:
                stands[place], distance[place] = two[edge], away[edge]
                break
        else:
            stays[place] = True
    return stands, distance
