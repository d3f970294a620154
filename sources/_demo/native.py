"""Native rows to files, byte for byte the same each time."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sources._demo.plants import Native

_EPOCH = (2000, 1, 1, 0, 0, 0)  # zip members carry a time; it must not be today's
_PACKED = "merged_images"  # pictures below this folder lie in a zip archive of that name
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def write_file(root: Path, path: str, natives: list[Native]) -> None:
    """Write the rows of one file, and the pictures beside them, below a source's folder."""
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    rows = [native.row for native in natives]
    if path.endswith(".parquet"):
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        arrays = {n: pa.array(cells, _IMAGE) if n == "image" else pa.array(cells) for n, cells in columns.items()}
        pq.write_table(pa.table(arrays), target)
    elif path.endswith(".csv"):
        target.write_text(_tabbed(rows), encoding="utf-8")
    elif path.endswith(".json"):
        target.write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8")
    else:
        data = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode()
        target.write_bytes(gzip.compress(data, 6, mtime=0) if path.endswith(".gz") else data)
    _write_pictures(root, natives)


def _tabbed(rows: list[dict[str, Any]]) -> str:
    lines = ["\t".join(rows[0]), *("\t".join(row.values()) for row in rows)]
    return "\n".join(lines) + "\n"


def _write_pictures(root: Path, natives: list[Native]) -> None:
    files = {name: data for native in natives for name, data in native.files.items()}
    packed = {name: data for name, data in files.items() if name.startswith(f"{_PACKED}/")}
    for name in sorted(files.keys() - packed.keys()):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(files[name])
    if packed:
        with zipfile.ZipFile(root / f"{_PACKED}.zip", "w") as archive:
            for name in sorted(packed):
                archive.writestr(zipfile.ZipInfo(name, _EPOCH), packed[name])
