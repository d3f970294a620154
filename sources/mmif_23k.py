"""MMIF-23k: instructions with many constraints about a picture, followed and not followed.

Some 23,000 rows in one JSON list. https://huggingface.co/datasets/ChrisDing1105/MMIF-23k, Apache-2.0. Read is the
second version (September 2025). Rejected answers were made without some constraints or without the picture, so
the sides may differ in compliance alone. Pictures lie in three zip archives and allava.tar; how paths in rows
begin is not verified.
"""

from collections.abc import Iterator

from pairs.schema import Pair
from sources._source import Row, Source
from sources._turns import sharegpt

source = Source(
    repo="ChrisDing1105/MMIF-23k",
    revision="d7997b72999195680664e850d75d3fe3e96eaf49",
    files={"train": ("v2/dpo/mmif_23k_4o_qwen2_5.json",)},
    media=("cc3m.zip", "diversity.zip", "multiui.zip", "allava.tar"),
    licence="Apache-2.0",
    label_source="constructed",
    modality="image",
    citation="Ding et al. 2025, arXiv:2504.07957",
    example={
        "images": ["allava/market_23.jpg"],
        "conversations": [
            {"from": "human", "value": "<image>Describe the stall in two sentences, without naming a colour."}
        ],
        "chosen": {"from": "gpt", "value": "A stall sells fruit. Its awning keeps off the sun."},
        "rejected": {"from": "gpt", "value": "A stall with red apples, green pears and a yellow awning."},
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    yield Pair(
        prompt=sharegpt(row["conversations"]),
        chosen=sharegpt([row["chosen"]]),
        rejected=sharegpt([row["rejected"]]),
        images=row["images"] if isinstance(row["images"], list) else [row["images"]],
        criterion="instruction_following",
        extra={"images": row["images"]},
    )
