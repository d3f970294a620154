"""What a licence asks for, by its name, and its name on the hub; for the card, and no legal advice."""

from __future__ import annotations

import re

from mixtures._licences import COMMERCIAL, OTHER

UNKNOWN = "read the source's own words"
# Strictest first: what is asked for, and what a licence's name says then.
_TERMS = {
    "no commercial use": r"\bnc\b|non-?commercial|research",
    "no use to compete": r"compet",
    "no changed copies": r"\bnd\b|no-?deriv",
    "share alike": r"\b(sa|gpl|agpl|lgpl)\b|share-?alike",
    "name the authors": r"\b(cc|odc)-by\b",
    "keep the notice": r"\b(mit|apache|bsd|isc|cdla-permissive)\b",
    "nothing": r"\b(cc0|0bsd|unlicense|pddl)\b",
}
ORDER = (UNKNOWN, *_TERMS)
_HUB = {
    "apache-2.0", "mit", "isc", "unlicense", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-3.0", "cc-by-4.0",
    "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-3.0",
    "cc-by-nc-sa-4.0", "cdla-permissive-1.0", "cdla-permissive-2.0", "odc-by", "pddl", "llama3",
}  # fmt: skip
_HUB_ALIAS = {"pddl-1.0": "pddl", "odc-by-1.0": "odc-by"}


def terms(licence: str) -> list[str]:
    """All that a licence asks for, strictest first. Words that nobody has sorted here come before all: a name of
    one word, or in the table of licences, is sorted by what it says, any other has to be read by a person."""
    found = [asked for asked, words in _TERMS.items() if re.search(words, licence, re.IGNORECASE)]
    sorted_here = licence in COMMERCIAL | OTHER or not re.search(r"\s", licence)
    return found if found and sorted_here else [UNKNOWN, *found]


def on_hub(licence: str) -> str:
    """The licence's id on the hub, or `other`."""
    name = _HUB_ALIAS.get(licence.lower(), licence.lower())
    return name if name in _HUB else "other"
