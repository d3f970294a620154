"""The same reading as a dataset script does it: `load_dataset`, `map` with a Python function, `to_parquet`.

The image function is that of TRL's own script for RLAIF-V: it touches `example["image"]`, so every picture is
decoded and encoded again. "as bytes" is the variant without, which passes them through unseen. No one checks.
"""

from __future__ import annotations

import re
import sys
from itertools import combinations
from typing import Any

_MARKER = re.compile(r"\n\n(Human|Assistant): ")


def _text(row: dict[str, Any]) -> dict[str, Any]:
    chosen, rejected = _turns(row["chosen"]), _turns(row["rejected"])
    return {"prompt": chosen[:-1], "chosen": chosen[-1:], "rejected": rejected[-1:]}


def _turns(dialogue: str) -> list[dict[str, str]]:
    _, *parts = _MARKER.split(dialogue)
    roles = {"Human": "user", "Assistant": "assistant"}
    return [
        {"role": roles[speaker], "content": text} for speaker, text in zip(parts[::2], parts[1::2], strict=True)
    ]


def _completions(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
    out: dict[str, list[Any]] = {"prompt": [], "chosen": [], "rejected": []}
    for instruction, completions in zip(batch["instruction"], batch["completions"], strict=True):
        for two in combinations(completions, 2):
            worse, better = sorted(two, key=lambda completion: completion["overall_score"])
            if worse["overall_score"] < better["overall_score"]:
                out["prompt"].append([{"role": "user", "content": instruction}])
                out["chosen"].append([{"role": "assistant", "content": better["response"]}])
                out["rejected"].append([{"role": "assistant", "content": worse["response"]}])
    return out


def _image(row: dict[str, Any]) -> dict[str, Any]:
    question = [{"type": "image", "text": None}, {"type": "text", "text": row["question"]}]
    return {
        "prompt": [{"role": "user", "content": question}],
        "images": [row["image"]],
        "chosen": [{"role": "assistant", "content": [{"type": "text", "text": row["chosen"]}]}],
        "rejected": [{"role": "assistant", "content": [{"type": "text", "text": row["rejected"]}]}],
    }


def main(kind: str, folder: str, out: str, processes: int) -> None:
    from datasets import Image, load_dataset

    layout = {"hh_rlhf": ("json", "*/train.jsonl.gz"), "ultrafeedback": ("json", "*.jsonl")}
    format_, pattern = layout.get(kind, ("parquet", "*.parquet"))
    cache = f"{out}/cache"
    rows = load_dataset(format_, data_files=f"{folder}/{pattern}", split="train", cache_dir=cache)
    if kind == "rlaif_v":
        rows = rows.cast_column("image", Image())
    if kind == "rlaif_v_bytes":
        rows = rows.cast_column("image", Image(decode=False))
    function = {"hh_rlhf": _text, "ultrafeedback": _completions}.get(kind, _image)
    made = rows.map(
        function,
        batched=kind == "ultrafeedback",
        num_proc=processes if processes > 1 else None,
        remove_columns=rows.column_names,
        **({"writer_batch_size": 128} if kind.startswith("rlaif") else {}),
    )
    made.to_parquet(f"{out}/pairs.parquet")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
