"""UltraFeedback binarized again by Argilla: the completion with the best mean rating against a worse one.

60,917 rows. https://huggingface.co/datasets/argilla/ultrafeedback-binarized-preferences-cleaned, MIT. Ratings
are the mean of GPT-4's four aspects (1 to 5), not the overall score that `ultrafeedback_binarized` uses.
Instructions of truthful_qa and ties are said to be removed. Both sides repeat the user's turn.
"""

from collections.abc import Iterator

from pairs.schema import Pair
from sources._sides import margin
from sources._source import Row, Source
from sources._turns import replies

source = Source(
    repo="argilla/ultrafeedback-binarized-preferences-cleaned",
    revision="91376df778fc031c79bf47bf69df0d611fb46387",
    files={"train": ("data/train-*.parquet",)},
    licence="MIT",
    label_source="model",
    example={
        "source": "flan_v2_niv2",
        "prompt": "Translate to French: the bridge is closed.",
        "chosen": [
            {"content": "Translate to French: the bridge is closed.", "role": "user"},
            {"content": "Le pont est fermé.", "role": "assistant"},
        ],
        "chosen-rating": 4.75,
        "chosen-model": "model-a",
        "rejected": [
            {"content": "Translate to French: the bridge is closed.", "role": "user"},
            {"content": "Le pont est grand.", "role": "assistant"},
        ],
        "rejected-rating": 2.5,
        "rejected-model": "model-b",
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    prompt, chosen, rejected = replies(row["chosen"], row["rejected"])
    yield Pair(
        prompt=prompt,
        chosen=chosen,
        rejected=rejected,
        source_margin=margin(row["chosen-rating"], row["rejected-rating"], "rating"),
        chosen_ratings={"mean": row["chosen-rating"]},
        rejected_ratings={"mean": row["rejected-rating"]},
        category=row["source"],
        extra={"chosen_model": row["chosen-model"], "rejected_model": row["rejected-model"]},
    )
