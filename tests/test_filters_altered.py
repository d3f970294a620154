"""Altered copies of a benchmark's pictures: all found, and no other picture of the kind with them."""

from __future__ import annotations

import csv
import io

import numpy as np
import polars as pl
import pytest
from filter_frames import pairs
from PIL import Image

from filters import _apply
from filters._altered import altered
from filters._hamming import close_across
from filters._pictures import PLACE
from filters._views import SIDE, VIEWS, likeness, view_hashes
from pairs.errors import BadRow
from pairs.media import check_image, encode_image, thumbnail
from sources._demo.scenes import SCENES
from sources._demo.texts import gallery

ALTERATIONS = {
    "written anew": lambda picture: picture,
    "resized": lambda picture: picture.resize((picture.width * 3 // 5, picture.height * 4 // 5)),
    "cut": lambda picture: picture.crop(
        (picture.width // 20, picture.height // 12, picture.width * 19 // 20, picture.height)
    ),
    "turned": lambda picture: picture.transpose(Image.Transpose.ROTATE_90),
    "mirrored": lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "cut, turned and resized": lambda picture: ALTERATIONS["resized"](
        ALTERATIONS["turned"](ALTERATIONS["cut"](picture))
    ),
}


def rewritten(data, how):
    out = io.BytesIO()
    ALTERATIONS[how](Image.open(io.BytesIO(data)).convert("RGB")).save(out, "JPEG", quality=60)
    return check_image(out.getvalue())


def table(media):
    rows = [(medium.media_id, medium.phash, "shard", 0, 0) for medium in media]
    return pl.DataFrame(rows, schema=list(PLACE), orient="row").unique("media_id")


def found(pictures, known):
    files = {medium.media_id: medium.data for medium in [*pictures, *known]}
    made = altered(table(pictures), table(known), lambda rows: {name: files[name] for name in rows["media_id"]})
    return set(made.select("picture", "known").iter_rows())


def drawings(count, seed=17):
    return [check_image(encode_image(picture.pixels)) for picture in gallery(SCENES, count, seed)]


def photographs(folder):
    """One picture of each group of the real files."""
    with (folder / "images" / "near_duplicate_groups.tsv").open() as file:
        first = {row["group"]: row["path"] for row in csv.DictReader(file, delimiter="\t")}
    for path in first.values():
        try:
            yield check_image((folder / "images" / path).read_bytes())
        except BadRow:
            continue


@pytest.mark.parametrize("how", ALTERATIONS)
def test_an_altered_drawing_is_found_and_no_other_drawing(how):
    known, others = drawings(12), drawings(40, seed=1017)
    copies = [rewritten(medium.data, how) for medium in known]
    assert found([*copies, *others], known) == {
        (copy.media_id, medium.media_id) for copy, medium in zip(copies, known, strict=True)
    }


@pytest.mark.real
def test_altered_photographs_are_found_and_no_other(real_data):
    every = list(photographs(real_data))
    known, others = every[::4], every[1::2]
    assert len(known) > 30
    copies = [rewritten(medium.data, "cut, turned and resized") for medium in known]
    assert found([*copies, *others], known) == {
        (copy.media_id, medium.media_id) for copy, medium in zip(copies, known, strict=True)
    }


def clock(hour):
    """A dial on which only the place of one hand differs."""
    y, x = np.mgrid[0:160, 0:160] - 80
    pixels = np.full((160, 160, 3), 230, np.uint8)
    pixels[x**2 + y**2 > 72**2] = (120, 70, 30)
    turn = np.pi * hour / 6
    along, beside = x * np.sin(turn) - y * np.cos(turn), x * np.cos(turn) + y * np.sin(turn)
    pixels[(along > 0) & (along < 40) & (abs(beside) < 3)] = 20
    pixels[(y < 0) & (y > -60) & (abs(x) < 2)] = 20
    return check_image(encode_image(pixels))


def test_a_small_thing_in_another_place_makes_another_picture():
    assert found([clock(8)], [clock(10)]) == set()
    assert len(found([rewritten(clock(8).data, "written anew")], [clock(8)])) == 1


def test_another_colour_makes_another_picture():
    (red,) = drawings(1)
    blue = check_image(encode_image(np.asarray(Image.open(io.BytesIO(red.data)).convert("RGB"))[..., ::-1].copy()))
    assert found([blue], [red]) == set()


def test_the_hash_of_the_whole_view_is_the_one_that_pictures_are_stored_with():
    for medium in drawings(10):
        whole = int(view_hashes(thumbnail(medium.data, SIDE))[0])
        assert (whole ^ int(medium.phash, 16)).bit_count() <= 6


def test_a_view_is_found_in_its_own_turn_only():
    (medium,) = drawings(1, seed=5)
    pixels = thumbnail(medium.data, SIDE)
    turned = thumbnail(rewritten(medium.data, "mirrored").data, SIDE)
    alike = [likeness(turned, pixels, turn * VIEWS // 8) for turn in range(8)]
    assert [round(value, 2) >= 0.99 for value in alike] == [turn == 2 for turn in range(8)]


def test_near_hashes_across_two_sets_are_those_of_comparing_all():
    rng = np.random.default_rng(3)
    left = np.unique(rng.integers(0, 2**63, 3000).astype(np.uint64))
    flipped = np.bitwise_xor.reduce(np.uint64(1) << rng.integers(0, 64, (9, 500)).astype(np.uint64), axis=0)
    right = np.unique(np.concatenate([left[:500] ^ flipped, rng.integers(0, 2**63, 500).astype(np.uint64)]))
    for distance in (0, 4, 8):
        expected = np.bitwise_count(left[:, None] ^ right[None])
        near = {(a, b, expected[a, b]) for a, b in np.argwhere(expected <= distance).tolist()}
        made = {
            row
            for part in close_across(left, right, distance)
            for row in zip(*map(np.ndarray.tolist, part), strict=True)
        }
        assert made == near


def test_a_pair_on_an_altered_benchmark_picture_names_the_benchmarks_pair():
    known, *others = drawings(3)
    copy = rewritten(known.data, "cut")
    media = table([known, copy, *others])
    files = {medium.media_id: medium.data for medium in [known, copy, *others]}
    bench = pairs(("bench", "What is it?", "yes", "no"), images=[known.media_id])
    bench = bench.with_columns(role=pl.lit("benchmark"))
    train = [
        pairs(("a", question, "right", "wrong"), images=[medium.media_id])
        for question, medium in (("What is it", copy), ("Count them.", copy), ("What is it", others[0]))
    ]
    reads = {"media": media.lazy(), "read_media": lambda rows: {name: files[name] for name in rows["media_id"]}}
    every = pl.concat([bench, *train])
    signal = pl.from_arrow(_apply.run_signal("contamination", {"pairs": every.lazy(), **reads}))
    rows = dict(signal.iter_rows())
    parts = [[hit["part"] for hit in rows[each["pair_id"][0]]] for each in train]
    assert parts == [["prompt", "picture"], ["picture"], []]
    (hit,) = rows[train[1]["pair_id"][0]]
    assert hit["benchmark_pair"] == bench["pair_id"][0]
    assert 0.9 <= hit["similarity"] <= 1
