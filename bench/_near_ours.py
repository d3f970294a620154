"""Near-duplicate removal of one Parquet file of texts with the kernel of `filters/`: `in.parquet out.parquet`.

Keeps, in order of id, each row that is not alike a row that stays. What `bench.duplicates` measures. In memory are
the rows that are alike another, and one byte of each row.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from filters._minhash import BANDS, bands, candidates
from filters._shingles import words
from filters._similar import Texts, first_kept
from filters._spill import ROW, Keys, shared

THRESHOLD = 0.8
_IDS = 1 << 14


def gone(file: pq.ParquetFile) -> np.ndarray:
    """Which rows do not stay, of the columns id and text: bool `[rows]`."""
    texts, keys, forms = Texts(THRESHOLD), Keys(BANDS), Keys(1)
    for batch in file.iter_batches(1024, columns=["text"]):
        sketches = texts.add(words(batch["text"]))
        keys.add(bands(sketches.short), sketches.numbers)
        keys.add(bands(sketches.long[sketches.both]), sketches.numbers[sketches.both])
        forms.add(sketches.forms[:, None], sketches.numbers)
    equal = np.sort(np.concatenate([shared(part) & ROW for part in forms.parts(0)]).astype(np.int64))
    _, first, which = np.unique(texts.form(equal), return_index=True, return_inverse=True)
    out = np.zeros(file.metadata.num_rows, bool)
    out[equal] = True
    out[equal[first]] = False  # for now, whichever of equal ones came first stands for all
    left, right = candidates(keys, ~out, texts.form)
    alike = texts.similarity(left, right) >= THRESHOLD
    out[:] = False
    out[_settled(file, equal, which, left[alike], right[alike])] = True
    return out


def _settled(
    file: pq.ParquetFile, equal: np.ndarray, which: np.ndarray, left: np.ndarray, right: np.ndarray
) -> np.ndarray:
    """The rows that go: `equal` rows are equal to those with the same `which`, `left` are alike `right`."""
    rows = np.unique(np.concatenate([equal, left, right]))
    order = np.frombuffer(pc.sort_indices(_ids_of(file, rows)).buffers()[1], np.int64)
    rank = np.argsort(order)
    place = rank[np.searchsorted(rows, equal)]
    least = np.full(which.max(initial=-1) + 1, len(rows))
    np.minimum.at(least, which, place)
    stands = np.arange(len(rows))
    stands[place] = least[which]
    one, two = (stands[rank[np.searchsorted(rows, side)]] for side in (left, right))
    why = first_kept(np.minimum(one, two), np.maximum(one, two), len(rows))
    return rows[order[(why >= 0) | (stands != np.arange(len(rows)))]]


def _ids(file: pq.ParquetFile) -> Iterator[tuple[int, pa.Array]]:
    first = 0
    for batch in file.iter_batches(_IDS, columns=["id"]):
        yield first, batch["id"]
        first += len(batch)


def _ids_of(file: pq.ParquetFile, rows: np.ndarray) -> pa.ChunkedArray:
    taken = []
    for first, ids in _ids(file):
        begin, end = np.searchsorted(rows, [first, first + len(ids)])
        taken.append(ids.take(_places(rows[begin:end] - first)))
    return pa.chunked_array(taken, pa.string())


def _places(rows: np.ndarray) -> pa.Array:
    """What `pa.array` makes, which imports pandas first: a tenth of the time of all the rest."""
    return pa.Array.from_buffers(pa.int64(), len(rows), [None, pa.py_buffer(rows)])


if __name__ == "__main__":
    # With pre_buffer the reader holds all bytes of the file until its end.
    with pq.ParquetFile(sys.argv[1], pre_buffer=False) as texts_file:
        leaves = gone(texts_file)
        with pq.ParquetWriter(sys.argv[2], pa.schema([("id", pa.string())])) as kept:
            for start, some in _ids(texts_file):
                stay = np.flatnonzero(~leaves[start : start + len(some)])
                kept.write(pa.table({"id": some.take(_places(stay))}))
