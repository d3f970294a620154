"""Runs where OpenRLHF is installed: its own reader on an exported folder. Prints how many rows it took."""

import os
import sys

from datasets import load_dataset
from openrlhf.datasets.reward_dataset import preprocess_data


def template(messages, tokenize, add_generation_prompt=False):
    return "".join(f"<{m['role']}>{m['content']}" for m in messages) + "<assistant>" * add_generation_prompt


rows = load_dataset("json", data_files=os.path.join(sys.argv[1], "train.jsonl"), split="train")
for row in rows:
    prompt, chosen, rejected, *_ = preprocess_data(row, None, "prompt", "chosen", "rejected", template)
    assert prompt.endswith("<assistant>")
    assert (chosen, rejected) == (row["chosen"][0]["content"], row["rejected"][0]["content"])
print(len(rows), "rows")
