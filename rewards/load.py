"""A saved reward model back from its folder, whatever kind it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from pairs.errors import PrefmillError
from rewards.interface import RewardModel

if TYPE_CHECKING:
    from rewards.judge import Judge


def load_reward_model(path: str | Path, *, revision: str | None = None, max_length: int = 4096) -> RewardModel:
    """The reward model in a folder (embedded, ours on a backbone, one with a value head, or a sequence
    classifier), or one of the last two from the hub by id. Raises `PrefmillError` for a folder that holds none."""
    folder = Path(path)
    if not folder.is_dir():
        return _load_outside(str(path), revision, max_length)
    if not (folder / "config.json").is_file():
        raise PrefmillError(f"{folder}: no config.json, expected a saved reward model; train one first")
    kind = orjson.loads((folder / "config.json").read_bytes()).get("model_type")
    if kind == "prefmill_embedded":
        from rewards.embedded import EmbeddedModel

        return EmbeddedModel.load(folder)
    if kind == "prefmill_reward":
        from rewards.sequence import load_ours

        return load_ours(str(folder))
    return _load_outside(str(folder), None, max_length)


def _load_outside(path: str, revision: str | None, max_length: int) -> RewardModel:
    from rewards.sequence import load_classifier
    from rewards.value_head import find_value_head, load_value_head

    head = find_value_head(path, revision)
    if head is not None:
        return load_value_head(path, head, revision=revision, max_length=max_length)
    return load_classifier(path, revision=revision, max_length=max_length)


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
