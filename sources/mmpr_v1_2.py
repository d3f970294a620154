"""MMPR v1.2: reasoning about pictures; right against wrong answers, and answers continued without the picture.

Some 3 million rows in 148 JSON-lines files. https://huggingface.co/datasets/OpenGVLab/MMPR-v1.2, MIT for the
annotations; pictures come from many sets. To prepare: unpack annotations.zip; join images.zip_a* into one
archive and unpack it. A row names pictures below a folder that only meta.json knows: for each entry there, link
its `root` as pictures/<name of its annotation file without .jsonl>, all inside one folder. `repeat_time` in
meta.json, which uses some 400,000 rows only, is not applied: sample in the mixture. A row with `answer_gt` has
right and wrong answers by rule; others are dropout pairs, where rejected copies the first half of chosen, or come
from older sets. Which files hold which is not verified, nor that rows without a picture exist. VL-RewardBench
draws on RLAIF-V, as this set does.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from pairs.schema import Pair
from sources._source import Row, Source

source = Source(
    repo="OpenGVLab/MMPR-v1.2",
    revision="d062d72e08d35cc2d736c4481163fa0bdaebf4c1",
    files={"train": ("annotations/*.jsonl", "*/annotations/*.jsonl")},
    media=("pictures",),
    licence="MIT",
    label_source="constructed",
    modality="image",
    citation="Wang et al. 2024, arXiv:2411.10442",
    optional=frozenset({"image", "answer_gt", "chosen_meta", "rejected_meta"}),
    example={
        "image": "train/triangle_31.png",
        "question": "<image>\nHow long is the side AB?",
        "chosen": "By Pythagoras AB is the root of 9 + 16.\n\nFinal answer: 5",
        "rejected": "AB is 3 + 4.\n\nFinal answer: 7",
        "answer_gt": "5",
        "_file": "annotations/geometry_train.jsonl",
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    named = row.get("image") or []
    images = named if isinstance(named, list) else [named]
    name = PurePosixPath(row["_file"]).stem
    answer = row.get("answer_gt")
    yield Pair(
        prompt=row["question"],
        chosen=row["chosen"],
        rejected=row["rejected"],
        images=[f"{name}/{image}" for image in images],
        criterion="overall" if answer is None else "correctness",
        label_source="constructed" if answer is None else "rule",
        reference=answer,
        category=name,
        extra={"image": named, "chosen_meta": row.get("chosen_meta"), "rejected_meta": row.get("rejected_meta")},
    )
