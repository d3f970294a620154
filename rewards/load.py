"""A saved reward model back from its folder, whatever kind it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from pairs.errors import PrefmillError, shown
from rewards.interface import RewardModel

if TYPE_CHECKING:
    from rewards.judge import Judge

MAX_LENGTH = 4096
MAX_PIXELS = 768 * 28 * 28


def load_reward_model(
    path: str | Path,
    *,
    revision: str | None = None,
    max_length: int | None = None,
    max_pixels: int | None = None,
) -> RewardModel:
    """The reward model in a folder (embedded, ours on a backbone, one with a value head, or a sequence
    classifier), or one of the last two from the hub by id, at `revision`.

    `max_length` in tokens of an item, at most the model's own context; `max_pixels` of a picture, larger ones are
    scaled down. Without them what ours was trained with, else 4,096 and 602,112. Raises `PrefmillError` for a
    folder that holds no reward model, or one that takes no such option.
    """
    folder = Path(path)
    length, pixels = max_length or MAX_LENGTH, max_pixels or MAX_PIXELS
    if not folder.is_dir():
        return _load_outside(str(path), revision, length, pixels)
    if revision is not None:
        raise PrefmillError(f"{folder} is a folder, which has no revision; take it out")
    if not (folder / "config.json").is_file():
        raise PrefmillError(f"{folder}: no config.json, expected a saved reward model; train one first")
    kind = orjson.loads((folder / "config.json").read_bytes()).get("model_type")
    if kind == "prefmill_embedded":
        from rewards.embedded import EmbeddedModel

        if max_length or max_pixels:
            raise PrefmillError(f"{folder}: an embedded model, which takes no max_length or max_pixels")
        return EmbeddedModel.load(folder)
    if kind == "prefmill_reward":
        from rewards.sequence import load_ours

        return load_ours(str(folder), max_length, max_pixels)
    return _load_outside(str(folder), None, length, pixels)


def _load_outside(path: str, revision: str | None, max_length: int, max_pixels: int) -> RewardModel:
    from rewards.sequence import load_classifier
    from rewards.value_head import find_value_head, load_value_head

    options = {"revision": revision, "max_length": max_length, "max_pixels": max_pixels}
    try:
        head = find_value_head(path, revision)
        return load_classifier(path, **options) if head is None else load_value_head(path, head, **options)
    except (OSError, ValueError) as error:  # what transformers says of names and files, in paragraphs
        said = shown(" ".join(str(error).split()), 200)
        raise PrefmillError(f"{_sought(path, revision)} (transformers says {said})") from error


def _sought(path: str, revision: str | None) -> str:
    if Path(path).is_dir():
        return f"{path}: holds no reward model that transformers can load"
    at = f" at revision {revision}" if revision else ""
    return (
        f"{path}: there is no folder {Path(path).absolute()}, and no reward model came from the hub under this "
        f"name{at}; check the name, or download the model where there is a network and name its folder"
    )


def load_server(
    kind: str, url: str, model: str, options: Mapping[str, Any], patience: Mapping[str, Any]
) -> RewardModel | Judge:
    """A reward model behind a server. `kind` is vllm-classify, vllm-pooling, sglang-classify or judge; `options`
    are the keyword arguments of that kind's function, `patience` those of `Server`.

    A judge compares pairs: `rewards.verdicts.judged` makes a `RewardModel` of it.
    """
    from rewards.judge import Judge
    from rewards.served import Server
    from rewards.sglang_classify import sglang_classify
    from rewards.vllm_classify import vllm_classify
    from rewards.vllm_pooling import vllm_pooling

    kinds = {
        "vllm-classify": vllm_classify, "vllm-pooling": vllm_pooling,
        "sglang-classify": sglang_classify, "judge": Judge,
    }  # fmt: skip
    return kinds[kind](Server(url, **patience), model, **options)
