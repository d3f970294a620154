"""What `bench.curation` found for one set, noise and seed; kept by seed, so that a stopped bench goes on."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

ROOT = Path(__file__).parents[1]
_PAIRED = ("accuracy", "balanced", "within", "correlation")
_SINGLE = ("auroc", "length_auc", "longer", "dropped")


@dataclass(frozen=True)
class Cell:
    """One set, noise and seed. By (trainer, method): `accuracy`, `balanced` over length, the same `within` each
    part of the set (their mean, weighted by pairs), and the `correlation` of reward and length; `auroc` by
    detector; by method `length_auc`, the share of pairs where the `longer` one wins, and the share `dropped`."""

    name: str
    noise: str
    seed: int
    accuracy: dict[tuple[str, str], float]
    balanced: dict[tuple[str, str], float]
    within: dict[tuple[str, str], float]
    correlation: dict[tuple[str, str], float]
    auroc: dict[str, float]
    length_auc: dict[str, float]
    longer: dict[str, float]
    dropped: dict[str, float]


def place(folder: Path, seed: int) -> Path:
    """Where the cells of a seed are kept: named after the code that they come from."""
    files = sorted((ROOT / "filters").glob("*.py"))
    files += [ROOT / "rewards" / f"{name}.py" for name in ("dynamics", "features", "fit", "head", "sentences")]
    files += [ROOT / "bench" / f"_curation_{part}.py" for part in ("data", "rules", "runs", "trainers")]
    code = hashlib.blake2b(b"".join(file.read_bytes() for file in files), digest_size=8).hexdigest()
    return folder / f"cells-{code}-{seed}.json"


def write(file: Path, kinds: dict[str, list[Cell]]) -> None:
    """Keep lists of cells by name."""
    kept = {kind: [_sayable(asdict(one)) for one in cells] for kind, cells in kinds.items()}
    file.write_bytes(orjson.dumps(kept))


def read(file: Path) -> dict[str, list[Cell]]:
    """What `write` has kept."""
    return {kind: [_cell(one) for one in cells] for kind, cells in orjson.loads(file.read_bytes()).items()}


def _sayable(cell: dict[str, Any]) -> dict[str, Any]:
    pairs = {what: [[*key, float(value)] for key, value in cell[what].items()] for what in _PAIRED}
    single = {what: {key: float(value) for key, value in cell[what].items()} for what in _SINGLE}
    return {**cell, **pairs, **single}


def _cell(told: dict[str, Any]) -> Cell:
    pairs = {what: {(trainer, method): value for trainer, method, value in told[what]} for what in _PAIRED}
    return Cell(**{**told, **pairs})
