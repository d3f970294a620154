"""Runs where LLaMA-Factory is installed: its own reader on an exported folder. Prints how many rows it took."""

import sys
from types import SimpleNamespace

from datasets import load_dataset
from llamafactory.data.converter import SharegptDatasetConverter
from llamafactory.data.parser import get_dataset_list

folder = sys.argv[1]
(info,) = get_dataset_list(["mix"], folder)
rows = load_dataset("json", data_files=f"{folder}/{info.dataset_name}", split="train")
convert = SharegptDatasetConverter(info, SimpleNamespace(media_dir=folder))
taken = 0
for row in rows:
    made = convert(row)
    assert made["_prompt"][-1]["role"] == "user", row
    assert [reply["role"] for reply in made["_response"]] == ["assistant", "assistant"]
    assert all(path.startswith(folder) for path in made["_images"] or [])
    assert len(made["_images"] or []) == sum(turn["content"].count("<image>") for turn in made["_prompt"])
    taken += 1
print(taken, "rows")
