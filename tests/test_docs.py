"""Pages that are written from the code say what the code says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from pipelines import reference

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("page", "write"), [("filters.md", reference.filters_page), ("schema.md", reference.schema_page)]
)
def test_reference_pages_are_up_to_date(page, write):
    assert (ROOT / "docs" / page).read_text() == write(), f"run `prefmill reference` to write docs/{page} again"


def test_every_link_between_pages_leads_somewhere():
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    assert len(pages) > 6
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_mixture_that_ships_is_a_sound_recipe(monkeypatch):
    from pipelines.steps import load_recipe

    for variable in ("PREFMILL_REAL_DATA", "PREFMILL_COCO"):
        monkeypatch.setenv(variable, "/somewhere")
    for file in sorted((ROOT / "mixtures").glob("*.toml")):
        assert load_recipe(str(file)).sources


def test_the_recipe_in_the_readme_is_a_sound_recipe(tmp_path):
    from pipelines.steps import load_recipe

    text = re.search(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    assert tomllib.loads(text)
    (tmp_path / "readme.toml").write_text(text)
    assert load_recipe(str(tmp_path / "readme.toml")).rules["length_bias"].policy == "match"
