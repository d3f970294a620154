"""A corpus of texts of some 1 KB with known near-duplicates, for `bench.duplicates`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

WIDTH = 5  # words of a shingle
NEAR, HARD = (0.85, 0.95), (0.50, 0.70)  # Jaccard similarity of near copies, and of texts that only look like it
_VOCABULARY = 40_000
_MARKS = np.array([*[""] * 9, ",", ",", "."], dtype=object)


def write(folder: Path, rows: int, seed: int = 17) -> tuple[Path, Path]:
    """Writes `texts.parquet` (id, text; shuffled) and `truth.parquet` (id, cluster, text number) unless there.

    Of the rows 10 percent are equal copies, 10 percent near copies with a measured similarity in `NEAR`, and 2
    percent stand alone though they are alike another row within `HARD`.
    """
    texts, truth = folder / f"texts-{rows}-{seed}.parquet", folder / f"truth-{rows}-{seed}.parquet"
    if truth.is_file():
        return texts, truth
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    words = _vocabulary(rng)
    bases, share = rows * 78 // 100, rows // 10
    content = [_base(rng) for _ in range(bases)]
    cluster = list(range(bases))
    for number, base in enumerate(rng.integers(0, bases, rows * 2 // 100)):
        content.append(_edited(content[base], HARD, rng))
        cluster.append(bases + number)
    for base in rng.integers(0, bases, share):
        content.append(_edited(content[base], NEAR, rng))
        cluster.append(int(base))
    distinct = len(content)
    which = np.concatenate([np.arange(distinct), rng.integers(0, distinct, rows - distinct)])
    order = rng.permutation(rows)
    spelt = [" ".join(words[text]).capitalize() for text in content]
    ids = [f"row{number:07d}" for number in range(rows)]
    table = pa.table({"id": ids, "text": [spelt[which[row]] for row in order]})
    pq.write_table(table, texts, compression="zstd", row_group_size=10_000)
    facts = {"id": ids, "cluster": [cluster[which[row]] for row in order], "number": which[order]}
    pq.write_table(pa.table(facts), truth)
    return texts, truth


def _vocabulary(rng: np.random.Generator) -> np.ndarray:
    letters = np.array(list("eeeetttaaaoooiinnsshhrrdlcumwfgypbvk"))
    made: dict[str, None] = {}
    while len(made) < _VOCABULARY:
        made["".join(rng.choice(letters, rng.integers(2, 10)))] = None
    # Marks belong to words: a near copy must not differ in them for tools that cut at spaces.
    marks = _MARKS[rng.integers(0, len(_MARKS), _VOCABULARY)]
    return np.array(list(made), dtype=object) + marks


def _base(rng: np.random.Generator) -> np.ndarray:
    """Numbers of 120 to 185 words; half of them from the few that are frequent in any text."""
    length = int(rng.integers(120, 186))
    frequent = rng.zipf(1.4, length) % 300
    return np.where(rng.random(length) < 0.5, frequent, rng.integers(0, _VOCABULARY, length))


def _edited(text: np.ndarray, wanted: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """`text` with words replaced, put in and taken out until its similarity lies within `wanted`."""
    shingles = _shingles(text)
    while True:
        made = list(text)
        while True:
            place, word = int(rng.integers(1, len(made) - 1)), int(rng.integers(0, _VOCABULARY))
            made[place : place + int(rng.integers(0, 2))] = [word] * int(rng.integers(0, 2))
            other = _shingles(np.array(made))
            similarity = len(shingles & other) / len(shingles | other)
            if similarity <= wanted[1]:
                break
        if similarity >= wanted[0]:
            return np.array(made)


def _shingles(text: np.ndarray) -> set[tuple[int, ...]]:
    return set(
        zip(*(text[offset : len(text) - WIDTH + 1 + offset].tolist() for offset in range(WIDTH)), strict=True)
    )
