"""What licences ask for, as a card tells it: every term, the strictest first, and nothing made up."""

from __future__ import annotations

import pytest

from mixtures._card import Licence, body, front_matter
from mixtures._licences import COMMERCIAL, OTHER
from mixtures._plan import Counts
from mixtures._terms import UNKNOWN, terms

NC, ND, SA, BY = "no commercial use", "no changed copies", "share alike", "name the authors"


@pytest.mark.parametrize(
    ("licence", "asks"),
    [
        ("MIT", ["keep the notice"]),
        ("CC0-1.0", ["nothing"]),
        ("0BSD", ["nothing"]),
        ("GPL-3.0", [SA]),
        ("CC-BY-4.0", [BY]),
        ("ODC-BY", [BY]),
        ("CC-BY-SA-4.0", [SA, BY]),
        ("CC-BY-NC-4.0", [NC, BY]),
        ("CC-BY-NC-ND-4.0", [NC, ND, BY]),
        ("CC-BY-NC-SA-4.0", [NC, SA, BY]),
        ("CC-BY-4.0 prompts, CC-BY-NC-4.0 answers", [NC, BY]),
        ("Apache-2.0, not to compete with OpenAI", ["no use to compete", "keep the notice"]),
        ("MIT unless you are a bank", [UNKNOWN, "keep the notice"]),
        ("for research only", [UNKNOWN, NC]),
        ("Reddit API terms", [UNKNOWN]),
        ("llama3", [UNKNOWN]),
        ("not stated", [UNKNOWN]),
    ],
)
def test_all_terms_of_a_licence_are_told_the_strictest_first(licence, asks):
    assert terms(licence) == asks


def test_every_licence_that_allows_commercial_use_asks_for_something_known():
    for licence in COMMERCIAL:
        assert not {UNKNOWN, NC} & set(terms(licence)), licence
    assert not [licence for licence in OTHER if "-NC-" in licence and terms(licence)[0] != NC]


def card(*names):
    licences = [Licence(name, ["talk"], 3) for name in names]
    empty = {name: {} for name in ("rows", "sources", "native", "facts", "tables", "citations")}
    lists = dict.fromkeys(("rules", "columns", "plots"), ())
    return front_matter("mix", ["train"], [], licences), body(
        "mix", counts=Counts(), licences=licences, recipe="", **empty, **lists
    )


def test_the_card_rolls_the_terms_of_all_licences_up():
    head, told = card("MIT", "CC-BY-NC-4.0", "CC-BY-NC-ND-4.0", "Apache-2.0, not to compete with OpenAI", "ODC-BY")
    table = told.split("## Licences")[1]
    assert "| CC-BY-NC-ND-4.0 | no commercial use; no changed copies; name the authors | `talk` | 3 |" in table
    names = ("CC-BY-NC-ND-4.0 |", "CC-BY-NC-4.0 |", "OpenAI |", "ODC-BY |", "MIT |")
    assert sorted(names, key=table.index) == list(names)
    assert table.split("strictest first:\n\n")[1].splitlines()[:5] == [
        "- **no commercial use**: CC-BY-NC-ND-4.0, CC-BY-NC-4.0",
        "- **no use to compete**: Apache-2.0, not to compete with OpenAI",
        "- **no changed copies**: CC-BY-NC-ND-4.0",
        "- **name the authors**: CC-BY-NC-ND-4.0, CC-BY-NC-4.0, ODC-BY",
        "- **keep the notice**: Apache-2.0, not to compete with OpenAI, MIT",
    ]
    assert head.split("license:\n")[1].split("tags:")[0].split() == [
        word for name in ("cc-by-nc-4.0", "cc-by-nc-nd-4.0", "mit", "odc-by", "other") for word in ("-", name)
    ]
    assert "- pddl\n" in card("PDDL-1.0")[0]
