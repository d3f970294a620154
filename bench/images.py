"""Pictures: groups found on real files, altered copies, hashing speed, and all near pairs among a million hashes.

`python -m bench.images`. Real files: PREFMILL_REAL_DATA, by default a folder beside the checkout.
"""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image

from bench import _altered, _groups, _measure
from filters._hamming import close_pairs
from pairs.media import check_image

REAL = Path(os.environ.get("PREFMILL_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
PICTURES = 60
HASHES = 1_000_000
TREE = 20_000  # hashes in the BK-tree
QUERIES = 200


def main() -> None:
    groups, precision, recall = _groups.table(REAL / "images")
    copies, altered, invented = _altered.table(REAL)
    hashing, faster = _hashing()
    search, against_tree = _search()
    last = (
        f"RESULT group_precision={precision:.4f} group_recall={recall:.4f} altered_found={altered:.4f} "
        f"altered_invented={invented} vs_imagehash={faster:.2f} hamming_vs_bktree={against_tree:.0f}"
    )
    _measure.keep("images", [*groups, "", *copies, "", *hashing, "", *search, last])


def _hashing() -> tuple[list[str], float]:
    files = [_photo(seed) for seed in range(PICTURES)]
    times, hashes = {}, {}
    for name, work in {"ours": lambda data: check_image(data).phash, "plain": _plain}.items():
        rounds = []
        for _ in range(3):
            started = time.process_time()
            hashes[name] = [int(work(data), 16) for data in files]
            rounds.append(time.process_time() - started)
        times[name] = float(np.median(rounds)) / PICTURES
    away = np.array([(one ^ two).bit_count() for one, two in zip(hashes["ours"], hashes["plain"], strict=True)])
    faster = times["plain"] / times["ours"]
    size = np.mean([len(data) for data in files]) / 1000
    return [
        f"{PICTURES} generated JPEGs of 1280x960, {size:.0f} KB on average, median of 3 rounds, one core:",
        f"  check_image (checks, id and hash)  {_speed(times['ours'])}",
        f"  imagehash.phash(Image.open(...))   {_speed(times['plain'])}",
        f"  {faster:.2f} times faster; {100 * float((away <= 2).mean()):.1f}% within 2 bits of plain imagehash",
    ], faster


def _speed(seconds: float) -> str:
    return f"{1000 * seconds:6.2f} ms CPU  {1 / seconds:6.0f} per s"


def _plain(data: bytes) -> str:
    return str(imagehash.phash(Image.open(io.BytesIO(data))))


def _photo(seed: int) -> bytes:
    """Blurred shapes of all sizes with grain, as a JPEG."""
    random = np.random.default_rng(seed)
    pixels = np.zeros((960, 1280, 3))
    for cells in (4, 12, 40, 160):
        noise = Image.fromarray(random.integers(0, 255, (cells, cells * 4 // 3, 3), np.uint8))
        pixels += np.asarray(noise.resize((1280, 960), Image.Resampling.BICUBIC)) / cells**0.5
    pixels = (pixels - pixels.min()) / np.ptp(pixels) * 240 + random.normal(0, 4, pixels.shape)
    out = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=85)
    return out.getvalue()


def _search() -> tuple[list[str], float]:
    hashes = _hashes(HASHES)
    lines = [f"all pairs among {len(hashes)} hashes, 2% of them planted near another:"]
    cost = {}
    for distance in (4, 8):
        started = time.process_time()
        found = sum(len(left) for left, _, _ in close_pairs(hashes, distance))
        cost[distance] = time.process_time() - started
        lines.append(f"  close_pairs, distance {distance}: {cost[distance]:8.2f} s CPU, {found} pairs")
    tree, query = _tree_seconds(hashes[:TREE])
    # Optimistic for the tree: the time of a query grows with the tree, here it is held at that of the small one.
    whole = (tree / TREE + query) * len(hashes)
    lines.append(
        f"  BK-tree, distance 4: {whole:8.0f} s CPU at {len(hashes)}, EXTRAPOLATED in proportion from "
        f"{TREE} hashes and {QUERIES} queries ({1000 * query:.2f} ms a query)"
    )
    return lines, whole / cost[4]


def _hashes(count: int) -> np.ndarray:
    random = np.random.default_rng(0)
    hashes = random.integers(0, 2**64, count, np.uint64)
    near = hashes[random.integers(0, count, count // 50)]
    for _ in range(4):
        near = near ^ (np.uint64(1) << random.integers(0, 64, len(near)).astype(np.uint64))
    hashes[random.choice(count, len(near), replace=False)] = near
    return random.permutation(np.unique(hashes))


def _tree_seconds(hashes: np.ndarray) -> tuple[float, float]:
    """CPU seconds to build a BK-tree, and for one query within 4 bits."""
    values = hashes.tolist()
    started = time.process_time()
    root: tuple[int, dict] = (values[0], {})
    for value in values[1:]:
        node = root
        while (step := (value ^ node[0]).bit_count()) in node[1]:
            node = node[1][step]
        node[1][step] = (value, {})
    built = time.process_time() - started
    started = time.process_time()
    for value in values[:QUERIES]:
        waiting = [root]
        while waiting:
            own, below = waiting.pop()
            step = (value ^ own).bit_count()
            waiting += [child for away, child in below.items() if abs(away - step) <= 4]
    return built, (time.process_time() - started) / QUERIES


if __name__ == "__main__":
    main()
