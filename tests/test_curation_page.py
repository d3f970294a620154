"""docs/curation.md is made of what the bench found."""

from __future__ import annotations

import pytest

from bench import _curation_page as page


def test_tables_and_lines_are_found_by_their_beginnings():
    text = "# here\nseeds 1; few\n\nshare dropped\nset | noise | a | b\nR | none | 0.1 | 0.2\n\nend\nRESULT x=1\n"
    filled = page.filled("{{table: share dropped; b}}\n{{say: seeds}}\n{{RESULT}}", text)
    assert filled == "| set | noise | b |\n|---|---|---|\n| R | none | 0.2 |\n1; few\nRESULT x=1"
    with pytest.raises(KeyError, match="is in no line"):
        page.filled("{{say: nothing like it}}", text)


def test_the_page_is_made_of_the_kept_results():
    template = (page.ROOT / "bench" / "curation_page.md").read_text()
    made = page.filled(template, page.RESULTS.read_text())
    assert made == (page.ROOT / "docs" / "curation.md").read_text(), "run python -m bench._curation_page"
    assert "{{" not in made
