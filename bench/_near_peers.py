"""Near-duplicate removal of one Parquet file of texts with another tool: `name in.parquet out.parquet`.

Runs in the tool's own virtual environment and imports nothing of ours. Each tool at its usual way of use: 128
permutations, five-word shingles, threshold 0.8; the ids that stay go to `out.parquet`.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

WIDTH, THRESHOLD, PERMUTATIONS = 5, 0.8, 128
_WORD = re.compile(r"\W+")


def shingles(text: str) -> list[str]:
    words = _WORD.split(text.lower())
    return [" ".join(words[place : place + WIDTH]) for place in range(max(1, len(words) - WIDTH + 1))]


def daft(source: str) -> list[str]:
    """Signatures by Daft; bands 16 x 8 by numpy, components by scipy; nothing is verified."""
    import daft
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    signature = daft.col("text").minhash(num_hashes=PERMUTATIONS, ngram_size=WIDTH, seed=1)
    table = daft.read_parquet(source).select(daft.col("id"), signature.alias("minhash")).to_arrow()
    ids = table["id"].to_pylist()
    column = table["minhash"].combine_chunks()
    values = column.flatten().to_numpy(zero_copy_only=False).reshape(len(ids), PERMUTATIONS)
    edges = []
    for band in range(16):
        part = np.ascontiguousarray(values[:, 8 * band : 8 * band + 8]).view(f"V{8 * values.itemsize}").ravel()
        _, first, which = np.unique(part, return_index=True, return_inverse=True)
        edges.append(np.stack([first[which], np.arange(len(ids))]))
    left, right = np.concatenate(edges, axis=1)
    graph = coo_array((np.ones(len(left), bool), (left, right)), shape=(len(ids), len(ids)))
    _, component = connected_components(graph, directed=False)
    _, first = np.unique(component, return_index=True)
    return [ids[place] for place in first]


def datasketch(source: str) -> list[str]:
    """LSH with its own choice of bands (9 x 13), xxh32; a text goes when one before it shares a band."""
    import xxhash
    from datasketch import MinHash, MinHashLSH

    index, stay = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS), []
    for key, text in _rows(source):
        sketch = MinHash(num_perm=PERMUTATIONS, hashfunc=xxhash.xxh32_intdigest)
        sketch.update_batch([shingle.encode() for shingle in shingles(text)])
        if not index.query(sketch):
            index.insert(key, sketch)
            stay.append(key)
    return stay


def rensa(source: str) -> list[str]:
    """RMinHash, 16 bands; a text goes when its estimated similarity to one in the same bucket is at least 0.8."""
    from rensa import RMinHash, RMinHashLSH

    index = RMinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS, num_bands=16)
    kept, ids = {}, []
    for number, (key, text) in enumerate(_rows(source)):
        sketch = RMinHash(num_perm=PERMUTATIONS, seed=42)
        sketch.update(shingles(text))
        if any(sketch.jaccard(kept[other]) >= THRESHOLD for other in index.query(sketch)):
            continue
        index.insert(number, sketch)
        kept[number] = sketch
        ids.append(key)
    return ids


def gaoya(source: str) -> list[str]:
    """String index 16 x 8 that checks its own estimate."""
    from gaoya.minhash import MinHashStringIndex

    index = MinHashStringIndex(
        hash_size=32,
        jaccard_threshold=THRESHOLD,
        num_bands=16,
        band_size=8,
        num_hashes=PERMUTATIONS,
        analyzer="word",
        lowercase=True,
        ngram_range=(WIDTH, WIDTH),
    )
    stay = []
    for number, (key, text) in enumerate(_rows(source)):
        if not index.query(text):
            index.insert_document(number, text)
            stay.append(key)
    return stay


def textdedup(source: str) -> list[str]:
    """The MinHash command of text-dedup, as released; its clusters are not verified."""
    import subprocess

    from datasets import load_from_disk

    with tempfile.TemporaryDirectory() as folder:
        recipe = f"""
            [input]
            input_type = "local_files"
            file_type = "parquet"
            read_arguments = {{ path = "parquet", data_files = "{source}", split = "train" }}
            [algorithm]
            algorithm_name = "minhash"
            text_column = "text"
            num_perm = {PERMUTATIONS}
            ngram_size = {WIDTH}
            threshold = {THRESHOLD}
            num_proc = 2
            [output]
            output_dir = "{folder}/out"
            [debug]
        """
        Path(folder, "config.toml").write_text(recipe)
        caches = {**os.environ, "HF_HOME": folder}  # nothing of an earlier run may help
        subprocess.run([sys.executable, "-m", "text_dedup.minhash"], check=True, cwd=folder, env=caches)
        return load_from_disk(f"{folder}/out")["id"][:]


def datajuicer(source: str) -> list[str]:
    """`document_minhash_deduplicator`, words at spaces, two processes."""
    from data_juicer.core.data import NestedDataset
    from data_juicer.ops.deduplicator.document_minhash_deduplicator import DocumentMinhashDeduplicator
    from datasets import Dataset

    with tempfile.TemporaryDirectory() as folder:
        rows = NestedDataset(Dataset.from_parquet(source, cache_dir=folder))
        step = DocumentMinhashDeduplicator(
            tokenization="space",
            window_size=WIDTH,
            lowercase=True,
            num_permutations=PERMUTATIONS,
            jaccard_threshold=THRESHOLD,
        )
        hashed = rows.map(step.compute_hash, num_proc=2)
        kept, _ = step.process(hashed)
        return kept["id"][:]


def datatrove(source: str) -> list[str]:
    """Its four MinHash stages, 14 x 8, 64 bits, two workers."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.writers import ParquetWriter
    from datatrove.utils.hashing import HashConfig

    with tempfile.TemporaryDirectory() as folder:
        config = MinhashConfig(
            hash_config=HashConfig(precision=64), num_buckets=14, hashes_per_bucket=8, n_grams=WIDTH
        )
        reader = ParquetReader(
            str(Path(source).parent), glob_pattern=Path(source).name, text_key="text", id_key="id"
        )
        signatures, buckets, remove, out = (
            f"{folder}/{name}" for name in ("signatures", "buckets", "remove", "out")
        )
        stages = [
            [reader, MinhashDedupSignature(signatures, config=config)],
            [MinhashDedupBuckets(signatures, buckets, config=config)],
            [MinhashDedupCluster(buckets, remove, config=config)],
            [reader, MinhashDedupFilter(remove), ParquetWriter(out)],
        ]
        for number, (stage, tasks) in enumerate(zip(stages, (1, 14, 1, 1), strict=True)):
            LocalPipelineExecutor(stage, tasks=tasks, workers=2, logging_dir=f"{folder}/log{number}").run()
        return [
            key for file in sorted(Path(out).glob("*.parquet")) for key in pq.read_table(file)["id"].to_pylist()
        ]


def _rows(source: str) -> zip:
    table = pq.read_table(source)
    return zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True)


TOOLS: dict[str, Callable[[str], list[str]]] = {
    "daft": daft,
    "gaoya": gaoya,
    "rensa": rensa,
    "datasketch": datasketch,
    "text-dedup": textdedup,
    "data-juicer": datajuicer,
    "datatrove": datatrove,
}

if __name__ == "__main__":
    os.environ.update(HF_HUB_OFFLINE="1", DO_NOT_TRACK="1", DAFT_ANALYTICS_ENABLED="0", TQDM_DISABLE="1")
    ids = TOOLS[sys.argv[1]](sys.argv[2])
    pq.write_table(pa.table({"id": pa.array(ids, pa.string())}), sys.argv[3])
