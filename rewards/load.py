"""A saved reward model back from its folder, whatever kind it is."""

from __future__ import annotations

from pathlib import Path

import orjson

from pairs.errors import PrefmillError
from rewards.interface import RewardModel


def load_reward_model(path: str | Path, *, revision: str | None = None, max_length: int = 4096) -> RewardModel:
    """The reward model in a folder (embedded, ours on a backbone, or a sequence classifier), or a sequence
    classifier of the hub by id. Raises `PrefmillError` for a folder that holds none."""
    folder = Path(path)
    if not folder.is_dir():
        from rewards.sequence import load_classifier

        return load_classifier(str(path), revision=revision, max_length=max_length)
    if not (folder / "config.json").is_file():
        raise PrefmillError(f"{folder}: no config.json, expected a saved reward model; train one first")
    kind = orjson.loads((folder / "config.json").read_bytes()).get("model_type")
    if kind == "prefmill_embedded":
        from rewards.embedded import EmbeddedModel

        return EmbeddedModel.load(folder)
    from rewards.sequence import load_classifier, load_ours

    if kind == "prefmill_reward":
        return load_ours(str(folder))
    return load_classifier(str(folder), revision=None, max_length=max_length)
