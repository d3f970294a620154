"""What was planted, read back through the reader and the adapters: a row that they see otherwise is no truth."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

import sources
from pairs.media import check_image
from pairs.schema import Pair, canonical_pair
from sources._demo.plants import Native
from sources._files import native_rows
from sources._media import MediaFinder

TRUTH = pa.schema(
    [
        (name, pa.string())
        for name in ("kind", "cluster", "source", "pair_id", "source_split", "source_row", "detail")
    ]
)


def write_truth(folder: Path, rows: dict[str, dict[str, list[Native]]], length_biased: str) -> None:
    """Write `truth.parquet` beside the sources' folders."""
    found = [{"kind": "length_bias", "cluster": "length_bias", "source": length_biased,
              "detail": "the longer completion is always chosen"}]  # fmt: skip
    for name, files in rows.items():
        for path, natives in files.items():
            found += _of_file(folder / name, name, path, natives)
    columns = [tuple(row.get(column) for column in TRUTH.names) for row in found]
    columns.sort(key=lambda row: tuple(cell or "" for cell in row))
    table = pa.table([list(cells) for cells in zip(*columns, strict=True)], schema=TRUTH)
    pq.write_table(table, folder / "truth.parquet")


def _of_file(root: Path, name: str, path: str, natives: list[Native]) -> list[dict[str, str]]:
    module = sources.load(name)
    fs = fsspec.filesystem("file")
    finder = MediaFinder(fs, str(root), module.source.media)
    found = []
    for index, read in enumerate(native_rows(fs, f"{root}/{path}", module.source.format)):
        native = natives[index]
        if not native.kind:
            continue
        truth = {"kind": native.kind, "cluster": native.cluster, "source": name, "detail": native.detail}
        if native.kind == "broken_image":
            split = "train" if "train" in module.source.files else next(iter(module.source.files))
            found.append({**truth, "source_split": split, "source_row": f"{path}:{index}"})
            continue
        for pair in module.pairs({**read, "_file": path}):  # type: ignore[dict-item]
            found.append({**truth, "pair_id": _pair_id(pair, finder)})
    return found


def _pair_id(pair: Pair, finder: MediaFinder) -> str:
    prompt, chosen, rejected = (
        [check_image(finder.read(image)).media_id for image in images]
        for images in (pair.images, pair.chosen_images, pair.rejected_images)
    )
    record = canonical_pair(pair, media_ids=prompt, chosen_media_ids=chosen, rejected_media_ids=rejected)
    return str(record["pair_id"])
