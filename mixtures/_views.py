"""Which mixture of several, and which of its columns, `mixtures.load` is asked for by a config's name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pairs.errors import PrefmillError


def of_several(where: str, config: str | None, names: Sequence[str]) -> tuple[str, str]:
    """The mixture that `config` means among `names`, those published below `where`, and its view.

    Raises `PrefmillError` that lists them where it means none.
    """
    for name in () if config is None else (config, config.removesuffix("-text")):
        if name in names:
            return name, "text" if name != config else name
    seen = "it holds several mixtures" if config is None else f"no mixture {config!r}"
    raise PrefmillError(f"{where}: {seen}; name one by config: {', '.join(names)}")


def columns(where: str, view: str | None, manifest: Mapping[str, Any]) -> list[str] | None:
    """The columns of a view of one mixture; None for all. The same names as in the card's `configs`, and `text`
    also where there are no pictures to leave out. Raises `PrefmillError` for another name."""
    if view not in (None, "text", manifest["name"]):
        raise PrefmillError(f"{where}: no config {view!r}; expected {manifest['name']!r} or 'text'")
    left = [name for name in manifest["schema"] if "images" not in name]
    return left if view == "text" and len(left) < len(manifest["schema"]) else None
