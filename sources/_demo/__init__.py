"""The demo's own native files: eleven small datasets in their real layouts, with defects whose truth is known."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

SOURCES = (
    "hh_rlhf",
    "llama_factory_dpo",
    "llmbar",
    "mj_bench",
    "pandalm",
    "rasbt_dpo",
    "rlaif_v",
    "rlhf_v",
    "ukp_convarg",
    "ultrafeedback",
    "vlfeedback",
)
LENGTH_BIASED = "llama_factory_dpo"
_MARKER = ".generator"


def write(folder: Path, seed: int = 17) -> None:
    """Write the native files of `SOURCES` below `folder/<source>/`, and `folder/truth.parquet`.

    The same seed and code give the same bytes. Does nothing when the folder holds them already; replaces the
    folder as a whole otherwise, so that a reader never finds half of it.
    """
    made_by = _fingerprint(seed)
    if _holds(folder, made_by):
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        fresh = Path(scratch) / "new"
        fresh.mkdir()
        _write_all(fresh, seed)
        (fresh / _MARKER).write_text(made_by)
        if _holds(folder, made_by):  # another process was faster
            return
        try:
            if folder.exists():
                os.rename(folder, Path(scratch) / "old")
            os.rename(fresh, folder)
        except OSError:
            if not _holds(folder, made_by):
                raise


def _holds(folder: Path, made_by: str) -> bool:
    marker = folder / _MARKER
    return marker.is_file() and marker.read_text() == made_by


def _fingerprint(seed: int) -> str:
    """Hash of the seed and of all code that decides the files: the generator, the adapters and the ids."""
    from pairs import ids, media, schema

    here = Path(__file__).parent
    code = [*here.glob("*.py"), *(here.parent / f"{name}.py" for name in (*SOURCES, "_shapes"))]
    blake = hashlib.blake2b(str(seed).encode(), digest_size=16)
    for file in [*sorted(code), *(Path(str(module.__file__)) for module in (ids, media, schema))]:
        blake.update(file.read_bytes())
    return blake.hexdigest()


def _write_all(folder: Path, seed: int) -> None:
    from sources._demo.image_sources import image_sources
    from sources._demo.native import write_file
    from sources._demo.text_sources import text_sources
    from sources._demo.texts import Writer
    from sources._demo.truth import write_truth

    writer = Writer()
    rows = text_sources(seed, writer) | image_sources(seed, writer)
    for name in SOURCES:
        for path, natives in rows[name].items():
            write_file(folder / name, path, natives)
    write_truth(folder, rows, LENGTH_BIASED)
