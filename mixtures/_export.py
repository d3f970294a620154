"""Writes the newest published version in the layout of another trainer: JSON lines by split, pictures as files."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from mixtures._columns import PICTURES
from mixtures._commit import newest, verify
from mixtures.exports import Row, layout
from pairs.errors import PrefmillError
from pairs.schema import IMAGE_MARK

_COLUMNS = ("prompt", "chosen", "rejected", *PICTURES, "pair_id", "soft_label", "weight")


@dataclass
class Exported:
    """`left_out` counts rows by why the layout cannot hold them; `bare` those that lose a weight or soft label."""

    rows: dict[str, int] = field(default_factory=dict)  # by split
    left_out: Counter[str] = field(default_factory=Counter)
    bare: int = 0
    pictures: int = 0  # files


def export(root: str | os.PathLike[str], to: str, folder: str | os.PathLike[str]) -> Exported:
    """Write the newest version of the mixture at `root` in layout `to` to the new folder `folder`.

    Raises `PrefmillError` for an unknown layout, a folder that holds something, and a damaged version.
    """
    module, out = layout(to), Path(folder)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise PrefmillError(f"{out}: is there already; give a new or an empty folder")
    _, version = newest(root)
    verify(root)
    files: dict[str, list[Path]] = {}
    for file in sorted(
        (version / "data").glob("*.parquet"), key=lambda file: (file.name[:6] != "train-", file.name)
    ):
        files.setdefault(file.name.split("-")[0], []).append(file)
    work = out.with_name(f".{out.name}-{uuid.uuid4().hex}.tmp")
    work.mkdir(parents=True)
    try:
        done = Exported()
        for split, shards in files.items():
            with (work / f"{split}.jsonl").open("w", encoding="utf-8") as lines:
                for row, pictures in _rows(shards, done):
                    record = module.record(row)
                    if isinstance(record, str):
                        done.left_out[record] += 1
                        continue
                    done.rows[split] = done.rows.get(split, 0) + 1
                    done.bare += any(row.facts[name] is not None for name in ("soft_label", "weight"))
                    lines.write(json.dumps(record, ensure_ascii=False) + "\n")
                    _write(work, pictures)
        done.pictures = len(list(work.glob("images/*")))
        names = {split: f"{split}.jsonl" for split in files}
        for name, text in module.beside(Path(root).name, names, done.pictures > 0).items():
            (work / name).write_text(text, encoding="utf-8")
        os.replace(work, out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return done


def _write(work: Path, pictures: Mapping[str, bytes]) -> None:
    for path, data in pictures.items():
        if not (work / path).exists():
            (work / path).parent.mkdir(exist_ok=True)
            (work / path).write_bytes(data)


def _rows(shards: list[Path], done: Exported) -> Iterator[tuple[Row, dict[str, bytes]]]:
    """The rows of one split with the pictures of their prompts by path; one row group is in memory at a time."""
    for shard in shards:
        with pq.ParquetFile(shard, page_checksum_verification=True) as file:
            columns = [name for name in _COLUMNS if name in file.schema_arrow.names]
            for group in range(file.num_row_groups):
                for row in file.read_row_group(group, columns=columns).to_pylist():
                    made = _row(row)
                    if made is None:
                        done.left_out["its picture marks are not as many as its pictures"] += 1
                    else:
                        yield made


def _row(row: dict[str, Any]) -> tuple[Row, dict[str, bytes]] | None:
    """A published row with its marks back where the publication has taken them from the start of the prompt."""
    prompt, pictures = row["prompt"], row.get("images") or []
    marks = sum(message["content"].count(IMAGE_MARK) for message in prompt)
    if pictures and not marks:
        first = next(message for message in prompt if message["role"] == "user")
        first["content"] = f"{IMAGE_MARK}\n" * len(pictures) + first["content"]
    elif marks != len(pictures):
        return None
    paths = [f"images/{Path(picture['path']).name}" for picture in pictures]
    drawn = any(row.get(name) for name in PICTURES if name != "images")
    facts = {name: row.get(name) for name in ("pair_id", "soft_label", "weight")}
    made = Row(prompt, row["chosen"], row["rejected"], paths, drawn, facts)
    return made, dict(zip(paths, (picture["bytes"] for picture in pictures), strict=True))
