"""One file per filter, found because it is there. Files with an underscore are machinery."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType


@cache
def names() -> tuple[str, ...]:
    """The names of all filters, sorted: the names of their files."""
    return tuple(
        sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    )


def load(name: str) -> ModuleType:
    """The module of one filter: its `SIGNAL` and `signal`, and where it decides, its `Rule` and `rule`."""
    return importlib.import_module(f"filters.{name}")
