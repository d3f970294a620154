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
from filters._overlay import overlay, squeezed
from filters._pictures import PLACE
from filters._views import SIDE, view_hashes
from pairs.errors import BadRow
from pairs.media import check_image, encode_image, thumbnail
from sources._demo.pictures import soften
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


def clock(hour, minutes=0):
    """A dial on which only the places of the hands differ."""
    y, x = np.mgrid[0:160, 0:160] - 80
    pixels = np.full((160, 160, 3), 230, np.uint8)
    pixels[x**2 + y**2 > 72**2] = (120, 70, 30)
    for turn, length, thick in ((np.pi * (hour + minutes / 60) / 6, 40, 3), (np.pi * minutes / 30, 60, 2)):
        along, beside = x * np.sin(turn) - y * np.cos(turn), x * np.cos(turn) + y * np.sin(turn)
        pixels[(along > 0) & (along < length) & (abs(beside) < thick)] = 20
    return check_image(encode_image(pixels))


def test_a_small_thing_in_another_place_makes_another_picture():
    assert found([clock(8)], [clock(10)]) == set()
    assert len(found([rewritten(clock(8).data, "written anew")], [clock(8)])) == 1


def test_hands_that_a_turn_brings_near_are_other_hands():
    """Mirrored and turned by a quarter, 6:45 shows its hour hand 7.5 degrees from that of 2:00."""
    six, two = clock(6, 45), clock(2)
    copies = [rewritten(six.data, "turned"), rewritten(six.data, "mirrored")]
    assert found([two, *copies], [six]) == {(copy.media_id, six.media_id) for copy in copies}


def hills(trees, blur=0):
    """A landscape with some trees, blurred or not."""
    y, x = np.mgrid[0:150, 0:200]
    pixels = np.where((y > 80)[..., None], (110, 150, 100), (190, 210, 240))
    for place in np.linspace(20, 180, trees):
        pixels[(y < 135) & (y > 105 + 2 * abs(x - place))] = (26, 90, 54)
    pixels = pixels.astype(np.uint8)
    return check_image(encode_image(soften(pixels, blur) if blur else pixels))


def test_a_blurred_picture_is_met_by_its_own_copies_and_not_by_others_of_its_colours():
    blurred, strangers = hills(5, blur=7), [hills(trees) for trees in (2, 3, 4, 6)]
    copies = [rewritten(blurred.data, how) for how in ALTERATIONS]
    assert found([*copies, *strangers], [blurred]) == {(copy.media_id, blurred.media_id) for copy in copies}


def test_another_colour_makes_another_picture():
    (red,) = drawings(1)
    blue = check_image(encode_image(np.asarray(Image.open(io.BytesIO(red.data)).convert("RGB"))[..., ::-1].copy()))
    assert found([blue], [red]) == set()


def test_the_hash_of_the_whole_view_is_the_one_that_pictures_are_stored_with():
    for medium in drawings(10):
        whole = int(view_hashes(thumbnail(medium.data, SIDE))[0][0])
        assert (whole ^ int(medium.phash, 16)).bit_count() <= 6


def test_all_turns_of_a_picture_are_alike_to_it_and_no_other_picture_is():
    medium, other = drawings(2, seed=5)
    known = thumbnail(medium.data, SIDE)
    turned = [known, known[::-1], known.transpose(1, 0, 2), known.transpose(1, 0, 2)[::-1, ::-1]]
    shown = np.stack([squeezed(each) for each in [*turned, thumbnail(other.data, SIDE)]])
    assert overlay(shown, known).tolist() == [1, 1, 1, 1, 0]


def stripes(one, two, width=3.0, size=(140, 180)):
    """Upright stripes with grain: all low waves of the hash but a row are noise."""
    x, grain = np.arange(size[1]) / size[1], np.random.default_rng(3).normal(0, 9, size)[..., None]
    pixels = np.where(((x * 3 * width) % 1 < 0.5)[None, :, None], one, two) + grain
    return check_image(encode_image(pixels.clip(0, 255).astype(np.uint8)))


@pytest.mark.parametrize("how", ALTERATIONS)
def test_a_pattern_is_found_though_its_hash_is_noise(how):
    known = stripes((200, 60, 40), (90, 70, 180))
    assert view_hashes(thumbnail(known.data, SIDE))[1] > 24, "of 64 bits decided by noise"
    copy = rewritten(known.data, how)
    assert found([copy, stripes((200, 60, 40), (40, 140, 60))], [known]) == {(copy.media_id, known.media_id)}


def test_colours_that_are_equally_light_tell_pictures_apart():
    """(220, 60, 60) and (40, 152, 60) have the same grey, so in grey the stripes are not there."""
    known, other = stripes((220, 60, 60), (40, 152, 60)), stripes((220, 60, 60), (40, 152, 60), width=4)
    copy = rewritten(known.data, "cut")
    assert found([copy, other], [known]) == {(copy.media_id, known.media_id)}


def sheet(writing):
    """A sheet before a dark corner, with or without pale writing on it."""
    y, x = np.mgrid[0:180, 0:180]
    lines = ((x // 14 + y // 14) % 2 == 0) & (abs(x - 110) < 50) & (abs(y - 110) < 50)
    pixels = 235 - 70 * np.exp(-((x / 110) ** 2 + (y / 110) ** 2)) - 8 * lines * writing
    return check_image(encode_image(np.repeat(pixels[..., None], 3, axis=2).astype(np.uint8)))


def test_what_little_contrast_shows_counts_beside_a_large_shadow():
    written, blank = sheet(writing=True), sheet(writing=False)
    copy = rewritten(written.data, "resized")
    shown = np.stack([squeezed(thumbnail(each.data, SIDE)) for each in (blank, copy)])
    assert (overlay(shown, thumbnail(written.data, SIDE)) > 0).tolist() == [False, True]


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
