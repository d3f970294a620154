"""The house: which way imports run, which package lives in which room, how large a file may be."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = ("sources", "filters", "rewards", "mixtures")
MAY_IMPORT = {"pairs": set(), **{room: {"pairs"} for room in ROOMS}, "pipelines": {"pairs", *ROOMS}}
# package -> the only places of the product that may import it
LIVES_IN = {"dagster": "pipelines/", "torch": "rewards/", "transformers": "rewards/", "PIL": "pairs/media.py"}


def files():
    return [path for room in MAY_IMPORT for path in sorted((ROOT / room).rglob("*.py"))]


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def test_imports_run_one_way():
    assert len(files()) > 20
    for path in files():
        room = path.relative_to(ROOT).parts[0]
        wrong = (set(imported(path)) & set(MAY_IMPORT)) - MAY_IMPORT[room] - {room}
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


def test_heavy_packages_live_in_one_room():
    for path in files():
        place = str(path.relative_to(ROOT))
        for package in set(imported(path)) & set(LIVES_IN):
            assert place.startswith(LIVES_IN[package]), f"{place} imports {package}"


def test_files_stay_small():
    for path in files():
        lines = len(path.read_text().splitlines())
        assert lines <= 300, f"{path.relative_to(ROOT)} has {lines} lines"


def test_no_drawer_for_odds_and_ends():
    names = {part for path in files() for part in (*path.relative_to(ROOT).parts[:-1], path.stem)}
    assert not names & {"utils", "common", "helpers", "core", "misc"}


def test_nothing_runs_code_from_data():
    banned = ("pickle", "shelve", "marshal")
    for path in files():
        assert not set(imported(path)) & set(banned), path
        text = path.read_text()
        for phrase in (
            "trust_remote_code=True",
            "allow_pickle=True",
            "yaml.load(",
            "LOAD_TRUNCATED_IMAGES = True",
        ):
            assert phrase not in text, f"{path.relative_to(ROOT)} says {phrase}"
