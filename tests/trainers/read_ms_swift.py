"""Runs where ms-swift is installed: its own reader on an exported folder. Prints how many rows it took."""

import os
import sys

from swift.dataset import load_dataset

rows, _ = load_dataset(os.path.join(sys.argv[1], "train.jsonl"), strict=True, num_proc=1)
for row in rows:
    assert row["messages"][-1]["role"] == "assistant"
    assert row["rejected_messages"] if row.get("rejected_messages") else row["rejected_response"]
print(len(rows), "rows")
