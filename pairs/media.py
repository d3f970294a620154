"""Bytes -> a checked picture. The only user of PIL.

A picture counts as readable when its pixels decode: opening and verifying pass at every length of a
truncated JPEG. What is stored is the original file, unless it carries metadata (EXIF, XMP, GPS) or a turn:
then it is written anew, upright and bare, because published pictures must not tell where a camera stood.
"""

from __future__ import annotations

import hashlib
import io
import warnings

import numpy as np
from PIL import Image, ImageOps

from pairs.errors import BadRow
from pairs.schema import MAX_BYTES, Medium

MAX_PIXELS = 50_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
KEPT_AS_IS = ("JPEG", "PNG", "WEBP", "GIF")  # what browsers and `datasets` show
_PRIVATE = ("exif", "xmp", "XML:com.adobe.xmp", "photoshop", "comment", "Raw profile type exif")
_HASH_SIDE = 128  # reduced decoding: a perceptual hash looks at 32 by 32 pixels

Image.MAX_IMAGE_PIXELS = MAX_PIXELS


def check_image(data: object) -> Medium:
    """Decode one picture and say what it is; raises `BadRow` with the reason when it cannot be used."""
    if not isinstance(data, bytes):
        raise BadRow("image_not_bytes", f"a picture is {type(data).__name__}, expected bytes")
    if not data or len(data) > MAX_BYTES:
        raise BadRow("image_size", f"a picture of {len(data)} bytes, expected 1 to {MAX_BYTES}")
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        warnings.simplefilter("ignore", UserWarning)  # palette and EXIF remarks; the decoding decides
        try:
            return _decode(data)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise BadRow("image_too_large", f"over {MAX_PIXELS} pixels") from None
        except BadRow:
            raise
        except Exception as error:  # PIL's decoders raise a dozen types for broken bytes
            raise BadRow("image_not_readable", f"{type(error).__name__}: {error}"[:200]) from None


def _decode(data: bytes) -> Medium:
    picture = Image.open(io.BytesIO(data), formats=FORMATS)
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise BadRow("image_too_large", f"{width} by {height}, at most {MAX_PIXELS} pixels")
    if width < 2 or height < 2:
        raise BadRow("image_too_small", f"{width} by {height} pixels")
    orientation = picture.getexif().get(0x0112, 1)
    format_ = picture.format or ""
    if format_ not in KEPT_AS_IS or orientation != 1 or any(picture.info.get(key) for key in _PRIVATE):
        data, (width, height) = _bare(picture, format_)
        format_ = "JPEG" if format_ == "JPEG" else "PNG"
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
    # Entropy decoding still reads every byte, so a cut file fails here too.
    picture.draft("L", (_HASH_SIDE, _HASH_SIDE))
    picture.load()
    media_id = hashlib.blake2b(data, digest_size=16).hexdigest()
    return Medium(media_id, "image", format_, width, height, _phash(picture), data)


def _bare(picture: Image.Image, format_: str) -> tuple[bytes, tuple[int, int]]:
    """The picture upright and without metadata, as JPEG (if it was one) or PNG."""
    upright = ImageOps.exif_transpose(picture)
    out = io.BytesIO()
    if format_ == "JPEG":
        upright.convert(upright.mode if upright.mode in ("L", "RGB") else "RGB").save(out, "JPEG", quality=95)
    else:
        mode = upright.mode if upright.mode in ("L", "RGB", "RGBA") else "RGB"
        clean = upright.convert(mode)
        clean.info = {}
        clean.save(out, "PNG")
    return out.getvalue(), upright.size


def _phash(picture: Image.Image) -> str | None:
    """DCT hash of the grey picture (imagehash's `phash`); None when it is flat and the hash would be noise."""
    import imagehash

    grey = picture.convert("L")
    low, high = grey.getextrema()
    if isinstance(low, int | float) and isinstance(high, int | float) and high - low < 4:
        return None
    return str(imagehash.phash(grey))


def encode_image(pixels: np.ndarray, format_: str = "PNG", quality: int = 90) -> bytes:
    """RGB pixels `[height, width, 3]` (uint8) to a file's bytes."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format_, **({"quality": quality} if format_ in ("JPEG", "WEBP") else {}))
    return out.getvalue()


def decode_image(data: bytes) -> np.ndarray:
    """A checked picture's bytes to RGB pixels `[height, width, 3]` (uint8)."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        return np.asarray(picture.convert("RGB"))


def image_type(data: bytes) -> str:
    """The media type of a checked picture's bytes, e.g. image/png."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        return Image.MIME[picture.format or ""]


def image_size(data: bytes) -> tuple[int, int]:
    """Height and width of a checked picture, from its header alone: upright pictures only, as they are stored."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        return picture.height, picture.width


def thumbnail(data: bytes, side: int) -> np.ndarray:
    """A checked picture squeezed into a square, decoded at reduced size: RGB `[side, side, 3]` (uint8)."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        picture.draft("RGB", (side, side))
        # A box would take whole pixels alone, and move an edge by up to half of one.
        return np.asarray(picture.convert("RGB").resize((side, side), Image.Resampling.BILINEAR))
