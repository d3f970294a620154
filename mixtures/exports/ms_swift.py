"""ms-swift: messages that end with the chosen completion, `rejected_response`, pictures as paths.

`--dataset DIR/train.jsonl`, with `ROOT_IMAGE_DIR=DIR` in the environment where there are pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixtures.exports import Row


def record(row: Row) -> dict[str, Any] | str:
    sides = row.texts()
    if isinstance(sides, str):
        return sides
    if sides[0] == sides[1]:
        return "the completions are equal"
    return {
        "messages": [*row.prompt, {"role": "assistant", "content": sides[0]}],
        "rejected_response": sides[1],
        **({"images": row.images} if row.images else {}),
        "pair_id": row.facts["pair_id"],
    }


def beside(name: str, files: Mapping[str, str], pictures: bool) -> dict[str, str]:
    return {}
