"""A publication killed at any file-system step: readers have the old or the new version, a rerun completes."""

from __future__ import annotations

import shutil
import signal

import pytest
from publish_faults import NEW, OLD, base_store, children, debris, die_at, put, put_and_die, read, sound, twin

from mixtures._commit import newest, verify

pytestmark = pytest.mark.fault


def ended(target, *given):
    """How a child that runs `target` ends: its exit status, or the signal below 0."""
    child = children.Process(target=target, args=given)
    child.start()
    child.join()
    return child.exitcode


def test_a_kill_at_every_step_leaves_the_old_or_the_new_version_and_a_rerun_completes(tmp_path):
    base = base_store(tmp_path)
    assert ended(put_and_die, twin(base, tmp_path / "whole"), tmp_path / "w", 0) == 0
    steps = int((tmp_path / "w" / "steps").read_text())
    seen, killed = set(), 0
    for step in range(1, steps + 1):
        root = twin(base, tmp_path / f"at{step}")
        killed += ended(put_and_die, root, tmp_path / "w", step) == -signal.SIGKILL
        top = root / "published" / "mix"
        verify(top)
        seen.add((newest(top)[0], read(top)))
        put(root, tmp_path / "w", OLD - NEW)
        assert read(top) == NEW
        assert sound(root) == 2
        assert not debris(root)
        shutil.rmtree(root)
    assert killed == steps
    assert steps > 30
    # Between the commit and the card the newest is 2, while the card still reads the old one, which is whole.
    assert seen == {(1, OLD), (2, OLD), (2, NEW)}


def in_place(root, scratch, step):
    """A publisher as it must not be: it writes over the files that readers read."""
    made = put(root, scratch, OLD - NEW)
    first = made.root / "versions" / "first"

    def act():
        for file in sorted(first.glob("data/*")):
            file.unlink()
        for file in sorted(made.folder.glob("data/*")):
            with (first / "data" / file.name).open("wb") as out:
                out.write(file.read_bytes())

    die_at(step, first, act)


def test_the_sweep_catches_a_publisher_that_writes_in_place(tmp_path):
    base = base_store(tmp_path)
    torn = 0
    for step in range(1, 6):
        root = twin(base, tmp_path / f"at{step}")
        top = root / "published" / "mix"
        shutil.copytree(newest(top)[1], top / "versions" / "first")
        assert ended(in_place, root, tmp_path / "w", step) == -signal.SIGKILL
        card = (top / "README.md").read_text()
        (top / "README.md").write_text(card.replace(newest(top)[1].name, "first"))
        try:
            assert read(top) in (OLD, NEW)
        except Exception:  # whatever a reader meets in a torn folder
            torn += 1
    assert torn >= 3
