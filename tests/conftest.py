"""What all tests share: a store in a scratch folder, one torch thread, and where the real data lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

REAL_DATA = Path(os.environ.get("PREFMILL_REAL_DATA") or Path(__file__).parent.parent.parent / "shared" / "data")


@pytest.fixture
def store(tmp_path):
    from pairs.store import Store

    return Store(tmp_path / "store")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real native files; tests that need it say so and are skipped where it is not."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"NO REAL DATA at {REAL_DATA}: set PREFMILL_REAL_DATA to test on real sources")
    return REAL_DATA


@pytest.fixture
def toy_source(tmp_path, monkeypatch):
    """Add a source file for one test, as a user would: `toy_source("name", code)`."""
    import sys

    import sources

    folder = tmp_path / "toy_sources"
    folder.mkdir()
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(folder)])
    made = []

    def make(name: str, code: str) -> None:
        (folder / f"{name}.py").write_text(code)
        made.append(name)
        sys.modules.pop(f"sources.{name}", None)
        sources.names.cache_clear()

    yield make
    for name in made:
        sys.modules.pop(f"sources.{name}", None)
    sources.names.cache_clear()
