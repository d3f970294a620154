"""LLaMA-Factory: ShareGPT conversations with a ranking, and the dataset_info.json that names them.

`dataset_dir: DIR`, `dataset: <mixture>`, `stage: rm` or `dpo`. Turns after the system's have to alternate, human
first; pictures stand in the prompt only, as paths below `media_dir`, which is `dataset_dir` unless set.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mixtures.exports import Row

_FROM = {"system": "system", "user": "human", "assistant": "gpt"}


def record(row: Row) -> dict[str, Any] | str:
    sides = row.texts()
    if isinstance(sides, str):
        return sides
    turns = row.prompt[1:] if row.prompt[0]["role"] == "system" else row.prompt
    if [turn["role"] for turn in turns] != [("user", "assistant")[n % 2] for n in range(len(turns))] or not (
        len(turns) % 2
    ):
        return "turns do not alternate"
    chosen, rejected = sides
    return {
        "conversations": [{"from": _FROM[turn["role"]], "value": turn["content"]} for turn in row.prompt],
        "chosen": {"from": "gpt", "value": chosen},
        "rejected": {"from": "gpt", "value": rejected},
        "images": row.images,
        "pair_id": row.facts["pair_id"],
    }


def beside(name: str, files: Mapping[str, str], pictures: bool) -> dict[str, str]:
    columns = {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"}
    info = {
        name if split == "train" else f"{name}_{split}": {
            "file_name": file,
            "formatting": "sharegpt",
            "ranking": True,
            "columns": {**columns, "images": "images"} if pictures else columns,
        }
        for split, file in files.items()
    }
    return {"dataset_info.json": json.dumps(info, indent=2) + "\n"}
