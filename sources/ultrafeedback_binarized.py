"""UltraFeedback cut to one pair per instruction: the best completion against a random other one.

61,135 train and 2,000 test rows in the `_prefs` splits. MIT,
https://huggingface.co/datasets/HuggingFaceH4/ultrafeedback_binarized. The splits for supervised tuning and
generation hold the same rows and are not read. Both sides repeat the user's turn. Scores are GPT-4's overall
ones (1 to 10) and can be equal.
"""

from collections.abc import Iterator

from pairs.schema import Pair
from sources._sides import margin
from sources._source import Row, Source
from sources._turns import replies

source = Source(
    repo="HuggingFaceH4/ultrafeedback_binarized",
    revision="2a3fb934ee563e5441bf211adaf5215c3fa508dd",
    files={"train": ("data/train_prefs-*.parquet",), "test": ("data/test_prefs-*.parquet",)},
    licence="MIT",
    label_source="model",
    citation="Tunstall et al. 2023, arXiv:2310.16944",
    example={
        "prompt": "How do I keep basil alive indoors?",
        "prompt_id": "5b0c1f",
        "chosen": [
            {"content": "How do I keep basil alive indoors?", "role": "user"},
            {"content": "Give it six hours of light and water it when the soil is dry.", "role": "assistant"},
        ],
        "rejected": [
            {"content": "How do I keep basil alive indoors?", "role": "user"},
            {"content": "Basil is a herb.", "role": "assistant"},
        ],
        "messages": [
            {"content": "How do I keep basil alive indoors?", "role": "user"},
            {"content": "Give it six hours of light and water it when the soil is dry.", "role": "assistant"},
        ],
        "score_chosen": 8.5,
        "score_rejected": 4.0,
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    prompt, chosen, rejected = replies(row["chosen"], row["rejected"])
    yield Pair(
        prompt=prompt,
        chosen=chosen,
        rejected=rejected,
        source_margin=margin(row["score_chosen"], row["score_rejected"], "score"),
        chosen_ratings={"overall": row["score_chosen"]},
        rejected_ratings={"overall": row["score_rejected"]},
        extra={"prompt_id": row["prompt_id"]},
    )
