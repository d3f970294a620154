"""A recipe with the weights that a search proposes, as the text of a TOML file that can be run."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import tomlkit

_DIGITS = 4


def weighted(text: str, weights: Mapping[str, float], notes: Mapping[str, str], head: str, out: set[str]) -> str:
    """The recipe `text` with a weight for each source of `weights`, and a note of `notes` beside it.

    A source whose weight rounds to nothing is taken out, as are those of `out`; sources without a proposed weight
    (benchmarks) stay as they are. The table [search] goes: its work is done. A rule's `priority` loses the sources
    that were taken out. `head` becomes the first comment.
    """
    table = tomlkit.parse(text)
    table.pop("search", None)
    sources = table["sources"]
    shares = _rounded(weights)
    for name in [*weights, *out]:
        if name in out or not shares[name]:
            sources.pop(name)
            continue
        sources[name]["weight"] = shares[name]
        sources[name]["weight"].comment(notes[name])
    for name in sources:
        if name not in weights:
            sources[name].pop("weight", None)
    for rule in table.get("rules", {}).values():
        if "priority" in rule:
            rule["priority"] = [name for name in rule["priority"] if name in sources]
    lines = [f"# {line}".rstrip() for line in head.splitlines()]
    return "\n".join([*lines, "", tomlkit.dumps(table).lstrip("\n")])


def with_ratio(text: str, key: str, names: Collection[str]) -> str:
    """The recipe `text` with no name in the ratio `key` but `names`, and without the ratio where none is left."""
    table = tomlkit.parse(text)
    for name in set(table[key]) - set(names):
        table[key].pop(name)
    if not table[key]:
        table.pop(key)
    return tomlkit.dumps(table)


def _rounded(weights: Mapping[str, float]) -> dict[str, float]:
    """Rounded down, and to less than 1 in all: where a source has no weight of its own, a recipe refuses more."""
    scale = 10**_DIGITS
    whole = {name: math.floor(weight * scale) for name, weight in weights.items()}
    if sum(whole.values()) >= scale:
        whole[max(whole, key=lambda name: whole[name])] -= 1
    return {name: count / scale for name, count in whole.items()}
