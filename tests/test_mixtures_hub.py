"""Publication on the hub, against a small server on loopback: what would be sent, what is, what others keep."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hub_server import Hub
from loopback import serving
from mixtures_made import TEXT_AND_IMAGES, decisions, put, recipe_of, small_store

from mixtures import _hub
from pairs.errors import PrefmillError, PublishConflict, Unavailable


@pytest.fixture
def hub(monkeypatch, tmp_path):
    from huggingface_hub import constants

    with serving(Hub()) as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        yield server


@pytest.fixture
def store(tmp_path):
    return small_store(tmp_path / "store")


def version(store, tmp_path, drop=0, name="mix", text=TEXT_AND_IMAGES):
    recipe = recipe_of(tmp_path, text, name)
    return put(store, recipe, ("one", lambda left: decisions(left.head(drop), "drop")), plots={"lengths": b"png"})


def as_folder(hub, repo, folder):
    """What a download of the repository would hold."""
    for path, data in hub.repos[repo].items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return str(folder)


def load(*given, **more):
    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()
    return load_dataset(*given, streaming=True, **more)


def test_looking_first_sends_nothing_and_names_every_file(store, tmp_path, hub):
    made = version(store, tmp_path)
    upload = _hub.prepare(made.root, "me/sets")
    said = _hub.text(upload)
    assert f"{hub.url}/datasets/me/sets: does not exist; it would be made, private" in said
    assert f'one commit on main: "Publish mix, version {made.folder.name}: 80 rows"' in said
    there = [path for path in made.folder.rglob("*") if path.is_file()]
    for path in there:
        assert re.search(rf"add +{path.stat().st_size:,}  mix/{path.relative_to(made.folder)}", said)
    assert f"{len(there) + 1} files, " in said
    assert 'configs of the card: "mix", "mix-text"' in said
    assert (hub.repos, hub.commits) == ({}, [])


def test_one_commit_sends_it_and_what_lies_there_loads(store, tmp_path, hub):
    made = version(store, tmp_path)
    address = _hub.send(_hub.prepare(made.root, "me/sets"))
    assert address == f"{hub.url}/datasets/me/sets"
    assert hub.visibility == "private"
    assert len(hub.commits) == 1
    for path in made.folder.rglob("*"):
        if path.is_file():
            assert hub.repos["me/sets"][f"mix/{path.relative_to(made.folder)}"] == path.read_bytes()
    folder = as_folder(hub, "me/sets", tmp_path / "down")
    for config in ("mix", "mix-text", None):
        rows = list(load(folder, *filter(None, [config]), split="train"))
        assert len(rows) == made.rows["train"]
        assert ("images" in rows[0]) == (config != "mix-text")
    card = (tmp_path / "down" / "README.md").read_text()
    assert 'load_dataset("me/sets", "mix", split="train", streaming=True)' in card
    assert (tmp_path / "down" / re.search(r"!\[\]\((.*lengths.png)\)", card)[1]).read_bytes() == b"png"
    again = _hub.prepare(made.root, "me/sets")
    assert not again.changes
    assert "nothing to do" in _hub.text(again)
    _hub.send(again)
    assert len(hub.commits) == 1


def test_a_new_version_takes_the_place_of_the_old_and_other_mixtures_stay(store, tmp_path, hub):
    mix, talk = version(store, tmp_path), version(store, tmp_path, name="chat", text="[sources.talk]\n")
    _hub.send(_hub.prepare(mix.root, "me/sets"))
    _hub.send(_hub.prepare(talk.root, "me/sets"))
    old = {path for path in hub.repos["me/sets"] if path.startswith("mix/data")}
    new = version(store, tmp_path, drop=5)
    upload = _hub.prepare(new.root, "me/sets")
    actions = {step.path: step.action for step in upload.steps}
    assert actions["README.md"] == actions["mix/README.md"] == actions["mix/manifest.json"] == "replace"
    assert actions["mix/plots/lengths.png"] == "keep"
    assert {actions[path] for path in old} <= {"delete", "keep"}
    _hub.send(upload)
    assert [path for kind, path in hub.commits[-1][1] if kind == "deletedFile"] == sorted(
        path for path in old if actions[path] == "delete"
    )
    folder = as_folder(hub, "me/sets", tmp_path / "down")
    assert len(list(load(folder, "chat", split="train"))) == 60
    assert len(list(load(folder, "mix", split="train"))) == new.rows["train"]
    assert "images" not in next(iter(load(folder, "mix-text", split="test")))
    card = Path(folder, "README.md").read_text()
    assert "- [chat](chat/README.md): 60 preference pairs of 1 sources" in card
    with pytest.raises(ValueError, match="Config name is missing"):
        load(folder)


def test_a_change_by_somebody_else_is_a_conflict(store, tmp_path, hub):
    made = version(store, tmp_path)
    _hub.send(_hub.prepare(made.root, "me/sets"))
    version(store, tmp_path, drop=5)
    upload = _hub.prepare(made.root, "me/sets")
    hub.move("me/sets")
    before = dict(hub.repos["me/sets"])
    with pytest.raises(PublishConflict, match="look again and send"):
        _hub.send(upload)
    assert hub.repos["me/sets"] == before


def test_another_recipe_of_the_same_rows_replaces_the_card_and_keeps_the_data(store, tmp_path, hub):
    _hub.send(_hub.prepare(version(store, tmp_path).root, "me/sets"))
    wider = version(store, tmp_path, text=f"max_copies = 3\n{TEXT_AND_IMAGES}")
    upload = _hub.prepare(wider.root, "me/sets")
    does = {step.path: step.action for step in upload.steps}
    assert {does.pop(path) for path in ("mix/README.md", "mix/manifest.json", "README.md")} == {"replace"}
    assert set(does.values()) == {"keep"}
    _hub.send(upload)
    assert b"max_copies = 3" in hub.repos["me/sets"]["README.md"]


def test_a_card_of_another_hand_and_a_wrong_name_are_refused(store, tmp_path, hub):
    made = version(store, tmp_path)
    hub.repos["me/own"] = {"README.md": b"# Mine\n"}
    hub.move("me/own")
    with pytest.raises(PrefmillError, match="was not written by prefmill"):
        _hub.prepare(made.root, "me/own")
    with pytest.raises(PrefmillError, match="expected hf://datasets/owner/name"):
        _hub.prepare(made.root, "sets")


def test_no_answer_is_one_line(store, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(Unavailable, match="me/sets: the hub does not do this") as caught:
        _hub.prepare(version(store, tmp_path).root, "me/sets")
    assert "\n" not in str(caught.value)
