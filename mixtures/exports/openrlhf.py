"""OpenRLHF: `prompt`, `chosen` and `rejected` as lists of messages, text only.

Dataset DIR/train.jsonl, prompt key `prompt`, chat template applied. Its reward trainer takes no pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixtures.exports import Row


def record(row: Row) -> dict[str, Any] | str:
    if row.images or row.drawn:
        return "it has pictures"
    return {
        "prompt": row.prompt,
        "chosen": row.chosen,
        "rejected": row.rejected,
        "pair_id": row.facts["pair_id"],
    }


def beside(name: str, files: Mapping[str, str], pictures: bool) -> dict[str, str]:
    return {}
