"""Pictures: what counts as readable, what is refused, what is stored."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageFile

from pairs.errors import BadRow
from pairs.media import check_image, decode_image, encode_image


def picture(height=64, width=96, seed=0):
    ramp = np.linspace(0, 255, width, dtype=np.uint8)[None, :, None].repeat(height, 0).repeat(3, 2).copy()
    ramp[10:30, 20:50] = np.random.default_rng(seed).integers(0, 255, (20, 30, 3))
    return ramp


def reason(data):
    with pytest.raises(BadRow) as caught:
        check_image(data)
    return caught.value.reason


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP", "GIF"])
def test_a_plain_picture_is_stored_as_it_is(format_):
    data = encode_image(picture(), format_)
    medium = check_image(data)
    assert (medium.format, medium.width, medium.height) == (format_, 96, 64)
    assert medium.data == data
    assert len(medium.media_id) == 32
    assert decode_image(medium.data).shape == (64, 96, 3)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
def test_a_cut_picture_is_a_bad_row_at_every_length(format_):
    data = encode_image(picture(256, 256), format_)
    assert check_image(data)
    for part in range(20):
        length = len(data) * part // 20
        assert reason(data[:length]) in ("image_not_readable", "image_size")
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize(
    "data",
    [
        b"not a picture at all",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
        b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="10" height="10"/></svg>',
    ],
)
def test_other_files_are_refused(data):
    assert reason(data) == "image_not_readable"


def test_what_is_not_bytes_or_empty_is_refused():
    assert reason(b"") == "image_size"
    assert reason("a/path.png") == "image_not_bytes"


def test_a_pixel_bomb_is_refused_by_its_header():
    out = io.BytesIO()
    Image.new("L", (8_000, 8_000)).save(out, "PNG")
    assert len(out.getvalue()) < 200_000
    assert reason(out.getvalue()) == "image_too_large"


def test_the_camera_s_place_and_turn_do_not_survive():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    exif[0x010E] = "taken at home"
    out = io.BytesIO()
    Image.fromarray(picture()).save(out, "JPEG", exif=exif)
    medium = check_image(out.getvalue())
    assert (medium.width, medium.height) == (64, 96)
    assert b"taken at home" not in medium.data
    assert not Image.open(io.BytesIO(medium.data)).getexif()


def test_a_format_browsers_do_not_show_becomes_png():
    out = io.BytesIO()
    Image.fromarray(picture()).save(out, "TIFF")
    medium = check_image(out.getvalue())
    assert medium.format == "PNG"
    assert np.array_equal(decode_image(medium.data), picture())


def test_flat_pictures_have_no_perceptual_hash():
    assert check_image(encode_image(np.full((40, 40, 3), 200, np.uint8))).phash is None
    assert check_image(encode_image(picture())).phash is not None


def test_a_small_change_keeps_the_perceptual_hash_near():
    one = int(check_image(encode_image(picture(256, 256))).phash, 16)
    two = int(check_image(encode_image(picture(256, 256), "JPEG", quality=70)).phash, 16)
    assert (one ^ two).bit_count() <= 6
