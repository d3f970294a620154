"""LLaVA-RLHF's human preferences: two answers of one LLaVA about a COCO picture, compared by crowd workers.

Some 9,400 rows in one JSON list. https://huggingface.co/datasets/zhiqings/LLaVA-Human-Preference-10K, Apache-2.0.
Pictures are not shipped: they are those of COCO (2017, train); name their train2017.zip, or its folder, as the
mixture's `pictures`. `preference` is 1 or 2, the better output. The last turn of `conversations` stands where the
outputs go; the turns before it are the prompt. Loaders expect that rows may wrap the turns in one more list. What
the flag `hallucination` marks is not verified.
"""

from collections.abc import Iterator

from pairs.errors import BadRow, shown
from pairs.schema import Pair
from sources._source import Row, Source
from sources._turns import pictures_first, sharegpt

source = Source(
    repo="zhiqings/LLaVA-Human-Preference-10K",
    revision="e60c9e520dde0c331f1b833ec991789ed238554c",
    files={"train": ("llava_7b_v1_preference.json",)},
    media=("train2017",),
    licence="Apache-2.0",
    label_source="human",
    modality="image",
    citation="Sun et al. 2023, arXiv:2309.14525",
    optional=frozenset({"id", "hallucination"}),
    example={
        "id": "000000012345",
        "image": "000000012345.jpg",
        "conversations": [
            {"from": "human", "value": "<image>\nWhat is on the plate?"},
            {"from": "gpt", "value": "A slice of cake."},
            {"from": "human", "value": "And beside it?"},
            {"from": "gpt", "value": ""},
        ],
        "output_1": {"from": "llava", "value": "A fork lies beside the plate."},
        "output_2": {"from": "llava", "value": "A cup of coffee and a newspaper are beside it."},
        "preference": 1,
        "hallucination": True,
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    label = row["preference"]
    if type(label) is not int or label not in (1, 2):
        raise BadRow("label_not_known", f"preference is {shown(label)}, expected 1 or 2")
    turns = row["conversations"]
    if len(turns) == 1 and isinstance(turns[0], list):
        turns = turns[0]
    if turns[-1]["from"] != "gpt":
        raise BadRow("last_turn_not_the_models", f"{shown(turns[-1])}, expected the place of the outputs")
    yield Pair(
        prompt=pictures_first(sharegpt(turns[:-1]), 1),
        chosen=row[f"output_{label}"]["value"],
        rejected=row[f"output_{3 - label}"]["value"],
        images=[row["image"]],
        extra={key: row.get(key) for key in ("id", "image", "hallucination")},
    )
