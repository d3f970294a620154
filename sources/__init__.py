"""One file per dataset, Python or TOML, found because it is there. Files with an underscore are machinery.

The environment variable PREFMILL_SOURCES names one more folder of such files: your own, outside this package.
"""

from __future__ import annotations

import difflib
import importlib
import os
import re
from functools import cache
from pathlib import Path
from types import ModuleType

from pairs.errors import PrefmillError

if os.environ.get("PREFMILL_SOURCES"):
    __path__ = [*__path__, str(Path(os.environ["PREFMILL_SOURCES"]).expanduser().absolute())]

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@cache
def names() -> tuple[str, ...]:
    """The names of all sources, sorted: the names of their files."""
    found: dict[str, Path] = {}
    for folder in map(Path, __path__):
        if not folder.is_dir():
            raise PrefmillError(f"{folder} is no folder; PREFMILL_SOURCES names a folder of source files")
        for file in sorted(folder.iterdir()):
            if file.suffix not in (".py", ".toml") or file.name.startswith(("_", ".")):
                continue
            if not _NAME.fullmatch(file.stem):
                raise PrefmillError(f"{file}: a source is named like its file, expected {_NAME.pattern}")
            if file.stem in found:
                raise PrefmillError(f"{file} and {found[file.stem]} have one name; rename one of them")
            found[file.stem] = file
    return tuple(sorted(found))


def load(name: str) -> ModuleType:
    """The module of one source: its `source`, its `pairs` and its docstring."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise PrefmillError(f"no source is named {name!r}; {hint}`prefmill sources` lists them all")
    for folder in map(Path, __path__):
        file = folder / f"{name}.toml"
        if file.is_file():
            from sources import _declared

            return _declared.load(file, f"sources.{name}")
    return importlib.import_module(f"sources.{name}")


def is_benchmark(name: str) -> bool:
    """Whether a source is there to be measured on, not to train on."""
    return str(load(name).source.role) == "benchmark"
