"""Tülu 3, WildChat: real users' prompts, answers of several models, rated by a judge in the way of UltraFeedback.

138,817 rows in five parts. https://huggingface.co/datasets/allenai/tulu-3-wildchat-ultrafeedback, ODC-BY for
the collection; parts are not for commercial use. The best rated answer is chosen and a random other one
rejected; the ratings are not in the data. The parts for the 8B and the 70B model may share prompts (not
verified). The lists hold the whole conversation, `prompt` only its text.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from pairs.schema import Pair
from sources._source import Row, Source
from sources._turns import replies

source = Source(
    repo="allenai/tulu-3-wildchat-ultrafeedback",
    revision="c4baac163073318da089009de767289aa297301b",
    files={"train": ("data/wildchat_*.parquet",)},
    licence="ODC-BY",
    label_source="model",
    citation="Lambert et al. 2024, arXiv:2411.15124",
    example={
        "id": "wc-3",
        "prompt": "give me a name for my parrot",
        "chosen": [
            {"content": "give me a name for my parrot", "role": "user"},
            {"content": "How about Mango, if the feathers are orange?", "role": "assistant"},
        ],
        "rejected": [
            {"content": "give me a name for my parrot", "role": "user"},
            {"content": "Parrot.", "role": "assistant"},
        ],
        "_file": "data/wildchat_unused-00000-of-00002.parquet",
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    prompt, chosen, rejected = replies(row["chosen"], row["rejected"])
    yield Pair(
        prompt=prompt,
        chosen=chosen,
        rejected=rejected,
        category=PurePosixPath(row["_file"]).name.partition("-")[0],
        extra={"id": row["id"]},
    )
