"""Altered copies of benchmark pictures among pictures that have nothing to do with them, for `bench.images`."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from filters._altered import altered
from filters._pictures import PLACE
from pairs.errors import BadRow
from pairs.media import check_image, encode_image
from pairs.schema import Medium
from sources._demo.scenes import SCENES
from sources._demo.texts import gallery

DRAWINGS = 60
_Alter = Callable[[Image.Image, np.random.Generator], Image.Image]


def _cut(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    left, top, right, bottom = rng.uniform(0, 0.08, 4)
    width, height = picture.size
    return picture.crop(
        (int(width * left), int(height * top), int(width * (1 - right)), int(height * (1 - bottom)))
    )


def _resized(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    share = rng.uniform(0.5, 1.5)
    return picture.resize((int(picture.width * share), int(picture.height * share)))


def _turned(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    return picture.transpose(Image.Transpose(int(rng.integers(0, 7))))


_WAYS: dict[str, tuple[_Alter, ...]] = {
    "written anew": (),
    "resized": (_resized,),
    "cut": (_cut,),
    "turned or mirrored": (_turned,),
    "cut, turned and resized": (_cut, _turned, _resized),
}


def table(real: Path) -> list[str]:
    """Lines: found of planted by alteration, for real pictures and for drawings, and what was invented."""
    drawn = [check_image(encode_image(each.pixels)) for each in gallery(SCENES, 2 * DRAWINGS, 17)]
    lines = ["altered copies (JPEG 40 to 90) of half of the pictures, found among the other half and the copies:"]
    for name, pictures in (("real pictures", _photographs(real)), ("drawings", drawn)):
        lines += _found(name, pictures)
    return lines


def _found(name: str, pictures: list[Medium]) -> list[str]:
    rng = np.random.default_rng(5)
    known, others = pictures[::2], pictures[1::2]
    planted = [(_rewritten(medium, steps, rng), medium, way) for way, steps in _WAYS.items() for medium in known]
    shown = [*others, *(copy for copy, _, _ in planted)]
    files = {medium.media_id: medium.data for medium in [*known, *shown]}
    started = time.process_time()
    made = altered(_rows(shown), _rows(known), lambda rows: {key: files[key] for key in rows["media_id"]})
    cpu = time.process_time() - started
    found = set(made.select("picture", "known").iter_rows())
    right = {(copy.media_id, medium.media_id): way for copy, medium, way in planted}
    lines = [f"  {name}: {len(known)} known, {len(others)} strangers, {cpu:.1f} s CPU"]
    for way in _WAYS:
        those = [pair for pair, how in right.items() if how == way]
        lines.append(f"    {way:<24} {sum(pair in found for pair in those):4} of {len(those)}")
    return [*lines, f"    invented                 {len(found - set(right)):4}"]


def _rewritten(medium: Medium, steps: tuple[_Alter, ...], rng: np.random.Generator) -> Medium:
    picture = Image.open(io.BytesIO(medium.data)).convert("RGB")
    for step in steps:
        picture = step(picture, rng)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=int(rng.integers(40, 91)))
    return check_image(out.getvalue())


def _photographs(real: Path) -> list[Medium]:
    """One picture of each known group."""
    with (real / "near_duplicate_groups.tsv").open() as file:
        first = {row["group"]: row["path"] for row in csv.DictReader(file, delimiter="\t")}
    out = []
    for path in first.values():
        try:
            out.append(check_image((real / path).read_bytes()))
        except BadRow:
            continue
    return [medium for medium in out if medium.phash]


def _rows(media: list[Medium]) -> pl.DataFrame:
    rows = [(medium.media_id, medium.phash, "", 0, 0) for medium in media]
    return pl.DataFrame(rows, schema=list(PLACE), orient="row").unique("media_id")
