"""Altered copies of benchmark pictures among pictures that have nothing to do with them, for `bench.images`.

The thresholds were chosen on half of the real pictures and on drawings, those of `FITTED` among them; the other
half, MJ-Bench's pictures and the drawings of `FRESH` had no part in it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
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

DRAWINGS = 120  # of a seed
FITTED, FRESH = (302, 303), tuple(range(901, 913))
_Alter = Callable[[Image.Image, np.random.Generator], Image.Image]
_Shown = tuple[str, Medium]  # what a picture shows, and the picture


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


WAYS: dict[str, tuple[_Alter, ...]] = {
    "written anew": (),
    "resized": (_resized,),
    "cut": (_cut,),
    "turned or mirrored": (_turned,),
    "cut, turned and resized": (_cut, _turned, _resized),
}


def table(data: Path) -> tuple[list[str], float, int]:
    """Lines: found of planted by alteration, and what was invented; the share found and how many were invented of
    the pictures that the thresholds were not fitted on.
    """
    fitted, fresh = photographs(data)
    unseen = {"the other half": [fresh], "MJ-Bench": [quality(data)], "drawings, fresh seeds": _drawings(FRESH)}
    seen = {"half the real pictures": [fitted], "drawings, fitted seeds": _drawings(FITTED)}
    lines = [
        "altered copies (JPEG 40 to 90) of half of the pictures found among the other half and the copies, then "
        "the halves exchanged; found of planted:",
        f"  {'':<24}" + "".join(f"{way:>26}" for way in WAYS) + "  invented  ms CPU a picture",
    ]
    total: Counter[str] = Counter()
    for name, sets in (seen | unseen).items():
        counts = sum((_found(pictures, number) for number, pictures in enumerate(sets)), Counter[str]())
        cells = "".join(f"{counts[way]:>18} of {counts['of ' + way]:>4}" for way in WAYS)
        cost = counts["microseconds"] / counts["pictures"] / 1000
        lines.append(f"  {name:<24}{cells}  {counts['invented']:>8}  {cost:>6.1f}")
        total += counts if name in unseen else Counter()
    found, planted = (sum(total[before + way] for way in WAYS) for before in ("", "of "))
    lines.append(f"  thresholds fitted on the first two rows alone; in the others {found} of {planted} found")
    return lines, found / planted, total["invented"]


def _found(shown: Sequence[_Shown], seed: int) -> Counter[str]:
    counts: Counter[str] = Counter()
    what = {medium.media_id: name for name, medium in shown}
    for part in (0, 1):
        rng = np.random.default_rng([seed, part])
        known, others = shown[part::2], shown[1 - part :: 2]
        right: dict[tuple[str, str], str] = {}
        files = {medium.media_id: medium for _, medium in others}
        for way, steps in WAYS.items():
            for name, medium in known:
                copy = _rewritten(medium, steps, rng)
                files[copy.media_id], what[copy.media_id] = copy, name
                right[copy.media_id, medium.media_id] = way
        taken = {medium.media_id: medium for _, medium in known}
        data = {name: medium.data for name, medium in (files | taken).items()}
        started = time.process_time_ns()
        made = altered(_rows(files), _rows(taken), lambda rows, d=data: {key: d[key] for key in rows["media_id"]})
        counts["microseconds"] += (time.process_time_ns() - started) // 1000
        found = set(made.select("picture", "known").iter_rows())
        counts["pictures"] += len(files) + len(taken)
        counts.update(right[pair] for pair in found & set(right))
        counts.update(f"of {way}" for way in right.values())
        # A drawing that shows all that another shows is no stranger to it.
        counts["invented"] += sum(what[picture] != what[of] for picture, of in found - set(right))
    return counts


def _rewritten(medium: Medium, steps: tuple[_Alter, ...], rng: np.random.Generator) -> Medium:
    picture = Image.open(io.BytesIO(medium.data)).convert("RGB")
    for step in steps:
        picture = step(picture, rng)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=int(rng.integers(40, 91)))
    return check_image(out.getvalue())


def photographs(data: Path) -> tuple[list[_Shown], list[_Shown]]:
    """One picture of each known group of the real files, in two halves by a hash of the group's name."""
    with (data / "images" / "near_duplicate_groups.tsv").open() as file:
        first: dict[str, str] = {}
        for row in csv.DictReader(file, delimiter="\t"):
            first.setdefault(row["group"], row["path"])
    halves: tuple[list[_Shown], list[_Shown]] = ([], [])
    for group, path in first.items():
        try:
            medium = check_image((data / "images" / path).read_bytes())
        except BadRow:
            continue
        if medium.phash:
            halves[half_of(group)].append((group, medium))
    return halves


def half_of(group: str) -> int:
    return hashlib.blake2b(group.encode()).digest()[0] % 2


def quality(data: Path) -> list[_Shown]:
    """One picture of each pair of MJ-Bench's quality captions; the other one is a worse copy of it."""
    paths = {
        file.parent / "examples_objects_indoor" / row["image_0"]
        for file in sorted((data / "mj-bench").rglob("quality/*/captions_*.json"))
        for row in json.loads(file.read_text())
    }
    return [(str(path), check_image(path.read_bytes())) for path in sorted(paths)]


def _drawings(seeds: Sequence[int]) -> list[list[_Shown]]:
    return [
        [
            (repr([each.caption, *(fact.true for fact in each.facts)]), check_image(encode_image(each.pixels)))
            for each in gallery(SCENES, DRAWINGS, seed)
        ]
        for seed in seeds
    ]


def _rows(media: dict[str, Medium]) -> pl.DataFrame:
    rows = [(medium.media_id, medium.phash, "", 0, 0) for medium in media.values()]
    return pl.DataFrame(rows, schema=list(PLACE), orient="row")
