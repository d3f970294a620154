"""Two published versions by their names, and what changed between them as text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mixtures._commit import newest
from mixtures._diff import CHANGES, Diff, diff
from pairs.errors import PrefmillError
from pairs.store import Store

_HASH = re.compile(r"[0-9a-f]{4,12}")


@dataclass(frozen=True)
class Version:
    mixture: str
    folder: Path  # named by the version's content

    def __str__(self) -> str:
        return f"{self.mixture}@{self.folder.name}"


def version(store: Store, name: str) -> Version:
    """What `name` means: a mixture (its newest version), `mixture@number`, `mixture@hash`, or the hash alone.

    A hash may be cut to four digits or more. Raises `PrefmillError` when nothing or more than one version fits.
    """
    mixture, at, wanted = name.partition("@")
    root = store.path("published", mixture)
    if (root / "commits").is_dir():
        if not at:
            return Version(mixture, newest(root)[1])
        commit = root / "commits" / f"{wanted:0>8}.json"
        if wanted.isdigit() and commit.exists():
            return Version(mixture, root / "versions" / json.loads(commit.read_bytes())["version"])
    elif at:
        raise PrefmillError(f"{name}: no mixture {mixture!r} is published in {store.root}{_published(store)}")
    digits = wanted if at else name
    folders = f"{mixture if at else '*'}/versions/{digits}*"
    fits = sorted(store.path("published").glob(folders)) if _HASH.fullmatch(digits) else []
    if len(fits) != 1:
        seen = f"fits {len(fits)} versions" if fits else "is no published version"
        raise PrefmillError(
            f"{name} {seen}; expected a mixture, mixture@number or the digits of a version's folder"
            f"{_published(store)}"
        )
    return Version(fits[0].parent.parent.name, fits[0])


def _published(store: Store) -> str:
    names = sorted(root.parent.name for root in store.path("published").glob("*/commits"))
    return f" (published: {', '.join(names) or 'nothing yet'})"


def compare(store: Store, before: str, after: str, file: Path | None) -> str:
    """What `prefmill diff` prints; with `file`, all changes go there as Parquet."""
    old, new = version(store, before), version(store, after)
    found = diff(old.folder, new.folder, file)
    return "\n".join([*_head(old, new, found), *_changes(found)])


def _head(old: Version, new: Version, found: Diff) -> Iterator[str]:
    yield f"{old!s:<40}{found.pairs[0]:>12,} pairs"
    yield f"{new!s:<40}{found.pairs[1]:>12,} pairs"
    yield f"{'the same in both':<40}{found.same:>12,}"
    if found.without_ledger:
        yield "one of them was published without its ledger: which rules did it is not known"


def _changes(found: Diff) -> Iterator[str]:
    for change in CHANGES:
        counts = {key[1:]: number for key, number in found.counts.items() if key[0] == change}
        if not counts:
            continue
        yield f"\n{change.replace('_', ' '):<40}{sum(counts.values()):>12,}"
        for (source, rule, reason), number in sorted(counts.items(), key=lambda one: (-one[1], one[0])):
            why = f"{rule}: {reason}" if reason else rule or "rule not known"
            yield f"  {source:<38}{number:>12,}   {why}"
        yield f"  e.g. {', '.join(found.examples[change])}"
