"""Orca DPO pairs: an answer of GPT-4 against one of Llama 2 13B Chat to a question of the Orca collection.

12,859 rows. https://huggingface.co/datasets/Intel/orca_dpo_pairs, Apache-2.0. Who wrote an answer decides,
nobody compared them: a model can learn the author instead of the quality. The system prompt can be empty or
null. That the authors are these two models is not verified.
"""

from collections.abc import Iterator

from pairs.schema import Pair
from sources._source import Row, Source

source = Source(
    repo="Intel/orca_dpo_pairs",
    revision="6ccacf6d3ab601b17cc05a971c94749057f77fa4",
    files={"train": ("orca_rlhf.jsonl",)},
    licence="Apache-2.0",
    label_source="constructed",
    citation="Mukherjee et al. 2023, arXiv:2306.02707",
    example={
        "system": "You are a helpful assistant who explains like to a child.",
        "question": "Why is ice slippery?",
        "chosen": "A very thin film of water lies on top, and you glide on it.",
        "rejected": "Sure! Ice is slippery because it is ice! Is there anything else?",
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    system = row["system"] or ""
    turns = [{"role": "system", "content": system}] if system.strip() else []
    yield Pair(
        prompt=[*turns, {"role": "user", "content": row["question"]}],
        chosen=row["chosen"],
        rejected=row["rejected"],
    )
