"""Near-duplicate removal of one Parquet file of texts with the kernel of `filters/`: `in.parquet out.parquet`.

Keeps, in order of id, each row that is not alike a row that stays. What `bench.duplicates` measures.
"""

from __future__ import annotations

import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from filters._minhash import Keys, bands, candidates
from filters._shingles import words
from filters._similar import Texts, first_kept

THRESHOLD = 0.8


def kept(file: pq.ParquetFile) -> pa.ChunkedArray:
    """The ids that stay, ascending, of the columns id and text."""
    texts, keys, numbers = Texts(THRESHOLD), Keys(), []
    for batch in file.iter_batches(2048, columns=["text"]):
        sketches = texts.add(words(batch["text"]))
        keys.add(bands(sketches.short))
        keys.add(bands(sketches.long[sketches.both]))
        numbers += [sketches.numbers, sketches.numbers[sketches.both]]
    texts.seal()
    ids = file.read(["id"])["id"]
    order = pc.sort_indices(ids).to_numpy().astype(np.int64)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    forms = texts.forms[order]
    by_form = np.argsort(forms, kind="stable")
    is_first = np.ones(len(order), bool)
    is_first[by_form[1:]] = forms[by_form[1:]] != forms[by_form[:-1]]
    rows = rank[np.concatenate(numbers)]
    left, right = candidates([keys], np.where(is_first[rows], rows, -1))
    alike = texts.similarity(order[left], order[right]) >= THRESHOLD
    stays = is_first & (first_kept(left[alike], right[alike], len(order)) < 0)
    return ids.take(pa.array(order[stays]))


if __name__ == "__main__":
    # With pre_buffer the reader holds all bytes of the file until its end.
    with pq.ParquetFile(sys.argv[1], pre_buffer=False) as texts_file:
        pq.write_table(pa.table({"id": kept(texts_file)}), sys.argv[2])
