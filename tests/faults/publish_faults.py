"""What the fault tests of publication share: a reader that trusts nothing, and children that die on cue."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from pathlib import Path

import pyarrow.parquet as pq
import yaml
from mixtures_made import TEXT_AND_IMAGES, decisions, groups, planned, recipe_of, small_store

from mixtures._commit import newest, verify
from mixtures._publish import publish
from pairs.store import Store

OLD, NEW = 80, 73  # rows of the version that is there, and of the one that a child publishes
# A forked child must not inherit threads: the server imports, and runs nothing.
children = multiprocessing.get_context("forkserver")
children.set_forkserver_preload(["publish_faults", "deltalake", "pytest"])


def start_children():
    """Start the server of `children` where it finds the modules to load once for all of them."""
    import multiprocessing.forkserver

    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join([*filter(None, sys.path), before])
    multiprocessing.forkserver.ensure_running()
    os.environ["PYTHONPATH"] = before


def put(root, scratch, drop, ready=lambda: None):
    """Publish the mixture without its first `drop` pairs; `ready` is called when the plan is made."""
    store, recipe = Store(root), recipe_of(Path(scratch), TEXT_AND_IMAGES)
    made = planned(store, recipe, ("one", lambda left: decisions(left.head(drop), "drop")))
    ready()
    return publish(store, "mix", recipe, made, groups=groups(store), facts={"drop": str(drop)})


def base_store(tmp_path):
    """A store with version 1 of the mixture."""
    start_children()
    small_store(tmp_path / "base")
    put(tmp_path / "base", tmp_path, 0)
    return tmp_path / "base"


def twin(base, root):
    """A store with the tables of `base` and a copy of what it published."""
    import shutil

    root.mkdir()
    for part in ("pairs", "media", "media_bytes"):
        (root / part).symlink_to(base / part)
    shutil.copytree(base / "published", root / "published")
    return root


def read(top):
    """Rows of each split as `datasets` would find them from the card; raises when anything is torn."""
    head = (top / "README.md").read_text().split("---\n")[1]
    rows = {}
    for place in yaml.safe_load(head)["configs"][0]["data_files"]:
        files = sorted(top.glob(place["path"]))
        count = {int(file.name.split("-of-")[1][:5]) for file in files}
        assert count == {len(files)}, f"{place} finds {files}"
        tables = [pq.read_table(file, page_checksum_verification=True) for file in files]
        rows[place["split"]] = sum(table.num_rows for table in tables)
    return sum(rows.values())


def die_at(step, below, act):
    """Run `act()`; kill this process at the `step`-th file-system event below the folder `below`.

    Returns how many such events there were, if it lives.
    """
    below = os.path.realpath(below)
    seen = 0

    def hook(event, args):
        nonlocal seen
        if event not in ("open", "os.rename", "os.link", "os.remove", "os.rmdir", "os.mkdir"):
            return
        inside_folder = event in ("os.remove", "os.rmdir") and args[-1] not in (-1, None)
        if not inside_folder and not str(args[0]).startswith(below):
            return
        if event == "open" and not args[2] & (os.O_WRONLY | os.O_RDWR) and not os.path.isdir(args[0]):
            return
        seen += 1
        if seen == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    act()
    return seen


def put_and_die(root, scratch, step):
    steps = die_at(step, root / "published", lambda: put(root, scratch, OLD - NEW))
    (scratch / "steps").write_text(str(steps))


def sound(root):
    """The published version is whole: hashes, number, card and commits agree."""
    top = Path(root) / "published" / "mix"
    verify(top)
    number, folder = newest(top)
    assert f"versions/{folder.name}/" in (top / "README.md").read_text()
    return number


def debris(root):
    return [path for path in (Path(root) / "published").rglob("*") if ".tmp" in path.name]
