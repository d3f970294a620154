"""The Hamming search against comparing all with all, and groups of pictures."""

from __future__ import annotations

import io
from itertools import pairwise

import imagehash
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from filters._hamming import close_pairs
from filters._pictures import near_hashes, picture_groups, turned
from pairs.media import check_image


def rows(found):
    return [row for part in found for row in zip(*(column.tolist() for column in part), strict=True)]


def all_with_all(hashes, distance, labels=None):
    bits = np.bitwise_count(hashes[:, None] ^ hashes[None])
    near = np.triu(bits <= distance, 1)
    if labels is not None:
        near &= labels[:, None] == labels[None]
    return sorted((int(i), int(j), int(bits[i, j])) for i, j in zip(*np.nonzero(near), strict=True))


def near_copies(count, seed=0):
    """Distinct hashes, every other one some bits away from another."""
    random = np.random.default_rng(seed)
    hashes = random.integers(0, 2**64, count, np.uint64)
    for _ in range(5):
        hashes[1::2] ^= np.uint64(1) << random.integers(0, 64, len(hashes[1::2])).astype(np.uint64)
    hashes[1::2] = hashes[::2][: len(hashes[1::2])] ^ (hashes[1::2] & np.uint64(0x8001000400020001))
    return random.permutation(np.unique(hashes))


@pytest.mark.parametrize("distance", range(11))
@pytest.mark.parametrize("labelled", [False, True])
def test_all_near_pairs_are_found_once(distance, labelled):
    hashes = near_copies(900)
    labels = np.random.default_rng(1).integers(0, 3, len(hashes), np.uint64) if labelled else None
    found = rows(close_pairs(hashes, distance, labels))
    assert sorted(found) == all_with_all(hashes, distance, labels)


@pytest.mark.parametrize("kept", range(5))
def test_every_number_of_equal_blocks_finds_the_same(kept, monkeypatch):
    from filters import _hamming

    def blocks(hashes, distance, labels):
        edges = [block * 64 // (distance + kept) for block in range(distance + kept + 1)] if kept else []
        masks = [(1 << end) - (1 << start) for start, end in pairwise(edges)]
        return np.array(masks, np.uint64), kept

    monkeypatch.setattr(_hamming, "_blocks", blocks)
    hashes = near_copies(300)
    assert sorted(rows(close_pairs(hashes, 6))) == all_with_all(hashes, 6)


@settings(deadline=None, max_examples=50)
@given(st.sets(st.integers(0, 2**64 - 1) | st.integers(0, 300), max_size=40), st.integers(0, 12))
def test_any_hashes(values, distance):
    hashes = np.array(sorted(values), np.uint64)
    assert sorted(rows(close_pairs(hashes, distance))) == all_with_all(hashes, distance)


def picture(seed):
    random = np.random.default_rng(seed)
    image = Image.fromarray(random.integers(0, 255, (6, 9, 3), np.uint8)).resize((360, 240), Image.BICUBIC)
    return image


TURNS = [Image.FLIP_LEFT_RIGHT, Image.FLIP_TOP_BOTTOM, Image.ROTATE_180, Image.TRANSPOSE]
TURNS += [Image.ROTATE_90, Image.ROTATE_270, Image.TRANSVERSE]


def test_turned_hashes_are_near_those_of_the_turned_picture():
    away = []
    for seed in range(20):
        straight = picture(seed)
        variants = turned(np.array([int(str(imagehash.phash(straight)), 16)], np.uint64))[:, 0]
        for turn in TURNS:
            wanted = np.uint64(int(str(imagehash.phash(straight.transpose(turn))), 16))
            away.append(int(np.bitwise_count(variants ^ wanted).min()))
    assert np.mean(away) < 5
    assert np.quantile(away, 0.9) <= 10


def stored(*images):
    files = []
    for image, format_, quality in images:
        out = io.BytesIO()
        image.save(out, format_, quality=quality)
        files.append(check_image(out.getvalue()))
    return pl.LazyFrame(
        {"media_id": [each.media_id for each in files], "phash": [each.phash for each in files]},
        schema={"media_id": pl.String, "phash": pl.String},
    )


def test_a_resized_and_recompressed_picture_joins_its_original_and_no_other():
    versions = [
        version
        for seed in range(6)
        for version in (
            (picture(seed), "PNG", 90),
            (picture(seed), "JPEG", 60),
            (picture(seed).resize((180, 120)), "JPEG", 85),
        )
    ]
    media = stored(*versions)
    group = dict(picture_groups(media).select("media_id", "group").iter_rows())
    ids = media.collect()["media_id"]
    assert [len({group[media_id] for media_id in ids[at : at + 3]}) for at in range(0, 18, 3)] == [1] * 6
    assert len(set(group.values())) == 6


def test_a_group_is_no_chain():
    steps = [(1 << (4 * number)) - 1 for number in range(16)]
    media = pl.LazyFrame(
        {"media_id": [f"m{number:02}" for number in range(16)], "phash": [f"{step:016x}" for step in steps]}
    )
    groups = picture_groups(media, distance=4)
    value = dict(zip([f"m{number:02}" for number in range(16)], steps, strict=True))
    for media_id, group, distance in groups.rows():
        assert (value[media_id] ^ value[group]).bit_count() == distance <= 4
    assert picture_groups(media.reverse(), distance=4).equals(groups)


def test_flat_pictures_are_groups_of_their_own():
    media = pl.LazyFrame({"media_id": ["a", "b"], "phash": [None, None]}, schema=dict.fromkeys(("media_id", "phash"), pl.String))  # fmt: skip  # noqa: E501
    assert picture_groups(media).rows() == [("a", "a", 0), ("b", "b", 0)]


def test_turned_copies_are_found_on_demand():
    hashes = near_copies(50)
    both = np.concatenate([hashes, turned(hashes[:5])[4]])
    assert not any(right >= len(hashes) for _, right, _ in rows([near_hashes(both, 0)]))
    found = {(left, right) for left, right, _ in rows([near_hashes(both, 0, turns=True)])}
    assert {(number, len(hashes) + number) for number in range(5)} <= found
