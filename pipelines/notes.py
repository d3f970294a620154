"""Small results of one mixture, a JSON file each: which model scored it, how the trained one fared."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pairs.store import Store, settle


def path(store: Store, kind: str, mixture: str) -> Path:
    return store.path("notes", kind, f"{mixture}.json")


def write(store: Store, kind: str, mixture: str, facts: Mapping[str, Any]) -> None:
    """Keep the facts, whole or not at all."""
    file = path(store, kind, mixture)
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(facts, sort_keys=True, indent=2))
    settle(temporary, file)


def read(store: Store, kind: str, mixture: str) -> dict[str, Any]:
    """The facts last kept; empty when there are none."""
    file = path(store, kind, mixture)
    return dict(json.loads(file.read_text())) if file.exists() else {}
