"""POVID: answers about COCO pictures, and the same answers with invented objects, relations or counts put in.

17,184 rows in one JSON list. https://huggingface.co/datasets/YiyangAiLab/POVID_preference_data_for_VLLMs, CC BY
4.0. Rejected repeats chosen but for the injected errors. Pictures are not shipped: they are those of COCO (2014,
train); name their train2014.zip, or its folder, as the mixture's `pictures`. Only the file's name in a row's path
is used. VL-RewardBench draws on this set.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from pairs.schema import Pair
from sources._source import Row, Source
from sources._turns import pictures_first, replies, sharegpt

source = Source(
    repo="YiyangAiLab/POVID_preference_data_for_VLLMs",
    revision=None,
    files={"train": ("POVID_preference_data_for_VLLMs_version_1.json",)},
    media=("train2014",),
    licence="CC-BY-4.0",
    label_source="constructed",
    modality="image",
    citation="Zhou et al. 2024, arXiv:2402.11411",
    example={
        "id": "COCO_train2014_000000012345",
        "image": "./data/coco/COCO_train2014_000000012345.jpg",
        "conversations": [
            {"from": "human", "value": "<image>\nDescribe the street."},
            {"from": "gpt", "value": "A tram passes a bakery; two people wait at the stop."},
        ],
        "rejected_conversations": [
            {"from": "human", "value": "<image>\nDescribe the street."},
            {"from": "gpt", "value": "A tram passes a bakery; five people and a dog wait at the stop."},
        ],
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    prompt, chosen, rejected = replies(sharegpt(row["conversations"]), sharegpt(row["rejected_conversations"]))
    yield Pair(
        prompt=pictures_first(prompt, 1),
        chosen=chosen,
        rejected=rejected,
        images=[PurePosixPath(row["image"]).name],
        criterion="faithfulness",
        extra={"id": row["id"], "image": row["image"], "edited": "rejected"},
    )
