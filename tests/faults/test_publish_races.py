"""Several runs publish one mixture, disks fill up, replies get lost: no version is lost, doubled or torn."""

from __future__ import annotations

import errno
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from publish_faults import OLD, base_store, children, debris, put, read, sound, start_children, twin

from mixtures._commit import commit, newest, verify, workplace
from pairs.errors import PrefmillError

pytestmark = pytest.mark.fault

ROOT = Path(__file__).parent.parent.parent
WRITERS = 8


def one_of_many(root, scratch, drop, barrier, results):
    done = put(root, scratch, drop, ready=barrier.wait)
    results.put((done.changed, done.version, done.folder.name))


def race(root, scratch, drops):
    """Publish with all `drops` at once, reading all the while; returns the results."""
    barrier, results = children.Barrier(len(drops)), children.Queue()
    writers = [
        children.Process(daemon=True, target=one_of_many, args=(root, scratch / str(n), drop, barrier, results))
        for n, drop in enumerate(drops)
    ]
    for writer in writers:
        writer.start()
    top, last, reads = root / "published" / "mix", 0, 0
    while any(writer.is_alive() for writer in writers):
        assert read(top) in {OLD - drop for drop in (0, *drops)}
        number = newest(top)[0]
        assert number >= last
        last, reads = number, reads + 1
    done = [results.get(timeout=10) for _ in writers]
    assert [writer.exitcode for writer in writers] == [0] * len(drops)
    assert reads > 3
    return done


def commits(root):
    return sorted(path.name for path in (root / "published/mix/commits").iterdir())


def test_eight_different_publications_are_eight_versions(tmp_path):
    base = base_store(tmp_path)
    for turn in range(2):
        root = twin(base, tmp_path / f"turn{turn}")
        done = race(root, tmp_path / "w", range(1, WRITERS + 1))
        assert all(changed for changed, _, _ in done)
        assert sorted(version for _, version, _ in done) == list(range(2, WRITERS + 2))
        assert commits(root) == [f"{n:08d}.json" for n in range(1, WRITERS + 2)]
        assert len({folder for _, _, folder in done}) == WRITERS
        assert sound(root) == WRITERS + 1
        assert not debris(root)


def test_eight_publications_of_the_same_are_one_version(tmp_path):
    base = base_store(tmp_path)
    for turn in range(2):
        root = twin(base, tmp_path / f"turn{turn}")
        done = race(root, tmp_path / "w", [7] * WRITERS)
        assert sum(changed for changed, _, _ in done) == 1
        assert {version for _, version, _ in done} == {2}
        assert commits(root) == ["00000001.json", "00000002.json"]
        assert sound(root) == 2
        assert not debris(root)


ROUNDS = 40


def commit_in_step(root, writer, barrier, results):
    numbers = []
    with workplace(root) as work:
        for turn in range(ROUNDS):
            folder = root / "versions" / f"{writer}-{turn}"
            folder.mkdir()
            (folder / "manifest.json").write_text(f"{writer} {turn}")
            barrier.wait(30)
            numbers.append(commit(root, work, folder.name))
    results.put(numbers)


def test_eight_commits_in_the_same_moment_get_eight_numbers(tmp_path):
    start_children()
    barrier, results = children.Barrier(WRITERS), children.Queue()
    writers = [
        children.Process(daemon=True, target=commit_in_step, args=(tmp_path / "mix", n, barrier, results))
        for n in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    taken = [result for _ in writers for result in results.get(timeout=60)]
    for writer in writers:
        writer.join()
    assert sorted(taken) == [(number, True) for number in range(1, WRITERS * ROUNDS + 1)]
    files = [json.loads(path.read_text()) for path in (tmp_path / "mix" / "commits").iterdir()]
    assert len({file["version"] for file in files}) == len(files) == WRITERS * ROUNDS


def test_a_live_run_keeps_its_folder_and_a_dead_one_loses_it(tmp_path):
    root = base_store(tmp_path) / "published" / "mix"
    with workplace(root) as mine:
        dead = mine.with_name(mine.name[:-4] + "dead")
        dead.mkdir()
        foreign = root / "versions" / ".tmp-elsewhere-1"
        foreign.mkdir()
        with workplace(root) as other:
            assert mine.exists()
            assert other != mine
            assert not dead.exists()
            assert foreign.exists()  # of another machine, and young
            os.utime(foreign, (0, 0))
    with workplace(root):
        assert not foreign.exists()


def test_a_commit_whose_reply_was_lost_is_recognised(tmp_path, monkeypatch):
    root = base_store(tmp_path)
    link = os.link

    def lost(*given):
        link(*given)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "link", lost)
    with pytest.raises(PrefmillError, match="Input/output error"):
        put(root, tmp_path, 7)
    monkeypatch.setattr(os, "link", link)
    assert read(root / "published/mix") == OLD
    again = put(root, tmp_path, 7)
    assert (again.version, again.changed) == (2, False)
    assert read(root / "published/mix") == OLD - 7
    assert sound(root) == 2


def full_disk(root, scratch, limit, said):
    """Publish where no file may grow over `limit` bytes."""
    try:
        put(root, scratch, 7, ready=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    except PrefmillError as error:
        said.put(str(error))
    else:
        said.put("published")


def test_a_full_disk_is_a_typed_error_and_the_old_version_stays(tmp_path):
    base = base_store(tmp_path)
    failed = 0
    for limit in (1, 300, 1_000, 3_000, 6_000, 12_000, 20_000, 10_000_000):
        root = twin(base, tmp_path / f"limit{limit}")
        said = children.Queue()
        child = children.Process(target=full_disk, args=(root, tmp_path / "w", limit, said))
        child.start()
        message = said.get(timeout=20)
        child.join()
        if message == "published":
            assert read(root / "published/mix") == OLD - 7
            continue
        failed += 1
        assert re.search(r"bytes are free there; .*the version before is as it was", message)
        assert "\n" not in message
        verify(root / "published/mix")
        assert read(root / "published/mix") == OLD
        assert not debris(root)
        put(root, tmp_path / "w", 7)
        assert sound(root) == 2
    assert 3 <= failed < 8


PUBLISH = """
import sys
sys.path[:0] = ["tests", "tests/faults", "."]
from publish_faults import put
put(sys.argv[1], sys.argv[2], 7)
"""


@pytest.mark.parametrize(
    "fault",
    ["fsync:error=EIO:when=1", "fsync:error=EIO:when=6", "link:error=ENOSPC:when=1", "rename:error=EIO:when=1"],
)
def test_a_failing_system_call_is_a_typed_error_and_the_old_version_stays(tmp_path, fault):
    strace = shutil.which("strace")
    call, error = fault.split(":", 1)
    calls = {"link": "link,linkat", "rename": "rename,renameat,renameat2"}.get(call, call)
    if not strace or subprocess.run([strace, "-e", "trace=none", "true"], capture_output=True).returncode:
        pytest.skip("NO STRACE, or it may not trace: failing system calls are not tested here")
    root = twin(base_store(tmp_path), tmp_path / "root")
    done = subprocess.run(
        [strace, "-f", "-o", tmp_path / "trace", "-e", f"trace={calls}", "-e", f"inject={calls}:{error}",
         sys.executable, "-c", PUBLISH, root, tmp_path / "w"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "(INJECTED)" in (tmp_path / "trace").read_text()
    assert done.returncode == 1
    assert "the version before is as it was" in done.stderr.splitlines()[-1]
    verify(root / "published/mix")
    assert read(root / "published/mix") == OLD
    assert not debris(root)
    put(root, tmp_path / "w", 7)
    assert sound(root) == 2
