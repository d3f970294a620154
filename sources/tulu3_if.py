"""Tülu 3, instruction following: prompts with added constraints, answers of the 70B model and of others.

Some 65,000 rows. https://huggingface.co/datasets/allenai/tulu-3-IF-augmented-on-policy-70b, ODC-BY for the
collection; parts are not for commercial use. A judge rated the answers, the best is chosen and a random other
one rejected. Not verified: the columns are guessed from the size of the card; ratings and models are kept where
the files have them. The lists hold the whole conversation, `prompt` only its text.
"""

from collections.abc import Iterator

from pairs.schema import Pair
from sources._sides import margin
from sources._source import Row, Source
from sources._turns import replies

source = Source(
    repo="allenai/tulu-3-IF-augmented-on-policy-70b",
    revision="27322588ccb5a24539726f1ca240275f1ffaa176",
    files={"train": ("data/train-*.parquet",)},
    licence="ODC-BY",
    label_source="model",
    citation="Lambert et al. 2024, arXiv:2411.15124",
    example={
        "id": "if-12",
        "prompt": "Name two planets. Use no capital letters.",
        "chosen": [
            {"content": "Name two planets. Use no capital letters.", "role": "user"},
            {"content": "mars and venus.", "role": "assistant"},
        ],
        "rejected": [
            {"content": "Name two planets. Use no capital letters.", "role": "user"},
            {"content": "Mars and Venus.", "role": "assistant"},
        ],
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    prompt, chosen, rejected = replies(row["chosen"], row["rejected"])
    ratings = row.get("chosen_rating"), row.get("rejected_rating")
    yield Pair(
        prompt=prompt,
        chosen=chosen,
        rejected=rejected,
        criterion="instruction_following",
        source_margin=margin(*ratings, "rating"),
        chosen_ratings={"rating": ratings[0]},
        rejected_ratings={"rating": ratings[1]},
        extra={
            "id": row["id"],
            "chosen_model": row.get("chosen_model"),
            "rejected_model": row.get("rejected_model"),
        },
    )
