"""The preference mixture of OLMo 2 1B: prompts of the tuning data, answers of many models, rated by a judge.

378,000 rows by BaseReward's count. https://huggingface.co/datasets/allenai/olmo-2-0425-1b-preference-mix,
ODC-BY for the collection; parts are not for commercial use. Not verified for this size: columns and file names
are those on the card of its 7B sibling, early revisions of which lack ratings and models. The best rated answer
is chosen and a random other one rejected, so ratings can be equal. The lists hold the whole conversation,
`prompt` only its text.
"""

from collections.abc import Iterator

from pairs.schema import Pair
from sources._sides import margin
from sources._source import Row, Source
from sources._turns import replies

source = Source(
    repo="allenai/olmo-2-0425-1b-preference-mix",
    revision=None,
    files={"train": ("data/train-*.parquet",)},
    licence="ODC-BY",
    label_source="model",
    optional=frozenset({"prompt", "chosen_rating", "rejected_rating", "chosen_model", "rejected_model"}),
    citation="OLMo et al. 2025, arXiv:2501.00656",
    example={
        "prompt": "Why do cats purr?",
        "chosen": [
            {"content": "Why do cats purr?", "role": "user"},
            {"content": "Often from comfort, sometimes to calm themselves when hurt.", "role": "assistant"},
        ],
        "rejected": [
            {"content": "Why do cats purr?", "role": "user"},
            {"content": "Because they are cats.", "role": "assistant"},
        ],
        "chosen_rating": 4.5,
        "rejected_rating": 1.75,
        "chosen_model": "model-a",
        "rejected_model": "model-b",
        "source": "ultrafeedback_cleaned",
        "id": "uf-9",
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    prompt, chosen, rejected = replies(row["chosen"], row["rejected"])
    ratings = row.get("chosen_rating"), row.get("rejected_rating")
    yield Pair(
        prompt=prompt,
        chosen=chosen,
        rejected=rejected,
        source_margin=margin(*ratings, "rating"),
        chosen_ratings={"rating": ratings[0]},
        rejected_ratings={"rating": ratings[1]},
        category=row["source"],
        extra={
            "id": row["id"],
            "chosen_model": row.get("chosen_model"),
            "rejected_model": row.get("rejected_model"),
        },
    )
