"""Groups of pictures found on real files, beside plain imagehash and imagededup, for `bench.images`.

imagededup is run by the Python that IMAGEDEDUP_PYTHON names, one that has it installed; its CNN needs weights from
the internet and is left out.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import imagehash
import numpy as np
import polars as pl
from PIL import Image

from bench._altered import half_of
from filters._pictures import GROUP_DISTANCE, picture_groups
from pairs.errors import BadRow
from pairs.media import check_image

PRECISION = 0.99
DISTANCES = range(0, 17)
_Found = Callable[[int], np.ndarray]  # of a distance: bool [pictures, pictures], True where two are held to be one
_DEDUP = """
import json, sys
from pathlib import Path
from imagededup import methods
paths, out = json.load(sys.stdin), {}
for name in ("PHash", "DHash", "WHash", "AHash"):
    hasher, out[name] = getattr(methods, name)(verbose=False), {}
    for path in paths:
        try:
            out[name][path] = hasher.encode_image(image_file=Path(path))
        except Exception:
            out[name][path] = None
print(json.dumps(out))
"""


def table(images: Path) -> tuple[list[str], float, float]:
    """Lines; precision and recall over pairs of pictures, of ours at the product's distance."""
    with (images / "near_duplicate_groups.tsv").open() as file:
        known = {str(images / row["path"]): row["group"] for row in csv.DictReader(file, delimiter="\t")}
    ours, plain = {}, {}
    for path in known:
        data = Path(path).read_bytes()
        try:
            ours[path] = check_image(data)
        except BadRow:
            continue
        plain[path] = _plain(data)
    media = pl.LazyFrame(
        {"media_id": [each.media_id for each in ours.values()], "phash": [each.phash for each in ours.values()]}
    )
    ids = [each.media_id for each in ours.values()]
    methods: dict[str, _Found] = {
        "picture_groups": lambda distance: _same_group(media, ids, distance, turns=False),
        "picture_groups, turns": lambda distance: _same_group(media, ids, distance, turns=True),
        "plain imagehash": _near(plain),
        **{f"imagededup {name}": _near(hashes) for name, hashes in _imagededup(list(ours)).items()},
    }
    true = np.array([known[path] for path in ours])
    half = np.array([half_of(group) for group in true.tolist()])
    lines = [
        f"{len(ours)} of {len(known)} real pictures can be read; pairs in one group: precision, recall",
        f"  {'':<24}{f'at distance {GROUP_DISTANCE}':>18}{'best on all*':>24}{'chosen on the other half**':>30}",
    ]
    lines += [_row(name, method, true, half) for name, method in methods.items()]
    if len(methods) == 3:
        lines.append("  imagededup: not installed (IMAGEDEDUP_PYTHON names no Python)")
    lines += [
        f"  * the distance of the best recall with a precision of {PRECISION} or more, picked on these pictures",
        "  ** the same picked on the groups of one half, counted on the other half, both ways together",
    ]
    return lines, *_scores(_counts(methods["picture_groups"](GROUP_DISTANCE), true, half >= 0))


def _row(name: str, method: _Found, true: np.ndarray, half: np.ndarray) -> str:
    found = {distance: method(distance) for distance in DISTANCES}
    best = _best(found, true, half >= 0)
    chosen = [_best(found, true, half == 1 - side) for side in (0, 1)]
    apart = sum(_counts(found[distance], true, half == side) for side, distance in enumerate(chosen))
    fixed, on_all = (_scores(_counts(found[distance], true, half >= 0)) for distance in (GROUP_DISTANCE, best))
    shown = ["{:.4f} {:.4f}".format(*score) for score in (fixed, on_all, _scores(apart))]
    at = " and ".join(map(str, chosen))
    return f"  {name:<24}{shown[0]:>18}{f'{shown[1]} at {best:2}':>24}{f'{shown[2]} at {at}':>30}"


def _best(found: dict[int, np.ndarray], true: np.ndarray, of: np.ndarray) -> int:
    scores = {distance: _scores(_counts(pairs, true, of)) for distance, pairs in found.items()}
    sound = [distance for distance, (precision, _) in scores.items() if precision >= PRECISION]
    return max(sound or [0], key=lambda distance: (scores[distance][1], -distance))


def _counts(found: np.ndarray, true: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Pairs of the pictures `of`: found and right, found, right."""
    upper = np.triu_indices(int(of.sum()), 1)
    same, near = (true[of][:, None] == true[of][None])[upper], found[np.ix_(of, of)][upper]
    return np.array([(same & near).sum(), near.sum(), same.sum()], float)


def _scores(counts: np.ndarray) -> tuple[float, float]:
    return float(counts[0] / max(counts[1], 1)), float(counts[0] / counts[2])


def _same_group(media: pl.LazyFrame, ids: list[str], distance: int, turns: bool) -> np.ndarray:
    group = dict(picture_groups(media, distance, turns).select("media_id", "group").iter_rows())
    labels = np.array([group[name] for name in ids])
    same: np.ndarray = labels[:, None] == labels[None]
    return same


def _near(hashes: dict[str, int | None]) -> _Found:
    """All pairs within the distance: better for a peer than any grouping, which cuts some of them."""
    values = np.array([value or 0 for value in hashes.values()], np.uint64)
    there = np.array([value is not None for value in hashes.values()])
    away = np.where(there[:, None] & there, np.bitwise_count(values[:, None] ^ values[None]), 65)
    return lambda distance: away <= distance


def _plain(data: bytes) -> int | None:
    try:
        return int(str(imagehash.phash(Image.open(io.BytesIO(data)))), 16)
    except (OSError, ValueError):  # modes that plain imagehash cannot turn grey
        return None


def _imagededup(paths: list[str]) -> dict[str, dict[str, int | None]]:
    python = os.environ.get("IMAGEDEDUP_PYTHON")
    if not python:
        return {}
    made = subprocess.run(
        [python, "-c", _DEDUP], input=json.dumps(paths), capture_output=True, text=True, check=True
    )
    return {
        name: {path: None if value is None else int(value, 16) for path, value in hashes.items()}
        for name, hashes in json.loads(made.stdout.splitlines()[-1]).items()
    }
