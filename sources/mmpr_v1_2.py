"""MMPR v1.2: reasoning about pictures; right against wrong answers, and answers continued without the picture.

Some 3 million rows in 148 JSON-lines files. https://huggingface.co/datasets/OpenGVLab/MMPR-v1.2, MIT for the
annotations; pictures come from many sets. Rows are read in annotations.zip (0.5 GB) and pictures in the parts
images.zip_aa, ... (54 GB, from the hub one request each), as they lie there. meta.json says as `root` below which
folder the pictures of a file's rows lie; that the archive agrees with it from `images/` on, and how deep the rows'
files lie in theirs, is not verified.
`repeat_time` there, which uses some 400,000 rows only, is kept but not applied: sample in the mixture. A row with
`answer_gt` has right and wrong answers by rule; others are dropout pairs, where rejected copies the first half of
chosen, or come from older sets. Which files hold which is not verified, nor that rows without a picture exist.
The publishers' loader knows rows about a `video`: they are set aside. VL-RewardBench draws on RLAIF-V, as this set
does.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from pairs.errors import SetAside, shown
from pairs.schema import Pair
from sources._source import Join, Row, Source

source = Source(
    repo="OpenGVLab/MMPR-v1.2",
    revision="d062d72e08d35cc2d736c4481163fa0bdaebf4c1",
    files={"train": ("annotations.zip!/**/*.jsonl",)},
    joins={"meta": Join(files=("meta.json",), key="annotation", by="_file")},
    media=("images.zip",),
    licence="MIT",
    label_source="constructed",
    modality="image",
    citation="Wang et al. 2024, arXiv:2411.10442",
    optional=frozenset({"image", "video", "answer_gt", "chosen_meta", "rejected_meta"}),
    example={
        "image": "train/triangle_31.png",
        "question": "<image>\nHow long is the side AB?",
        "chosen": "By Pythagoras AB is the root of 9 + 16.\n\nFinal answer: 5",
        "rejected": "AB is 3 + 4.\n\nFinal answer: 7",
        "answer_gt": "5",
        "meta": {
            "root": "MMPR-v1.2/images/Geometry",
            "annotation": "MMPR-v1.2/annotations/geometry_train.jsonl",
            "repeat_time": 0.2,
            "_key": "geometry",
        },
        "_file": "annotations.zip!/annotations/geometry_train.jsonl",
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    if row.get("video"):
        raise SetAside("video_prompt", f"{shown(row['video'])} is a video")
    named = row.get("image") or []
    images = named if isinstance(named, list) else [named]
    meta = row["meta"]
    root = _below_images(meta["root"])
    answer = row.get("answer_gt")
    yield Pair(
        prompt=row["question"],
        chosen=row["chosen"],
        rejected=row["rejected"],
        images=[f"{root}/{image}" for image in images],
        criterion="overall" if answer is None else "correctness",
        label_source="constructed" if answer is None else "rule",
        reference=answer,
        category=PurePosixPath(row["_file"]).stem,
        extra={
            "image": named,
            "meta": meta,
            "chosen_meta": row.get("chosen_meta"),
            "rejected_meta": row.get("rejected_meta"),
        },
    )


def _below_images(root: str) -> str:
    """A root of meta.json as a path in the archive: without what comes before its folder `images`."""
    before, images, below = root.partition("images/")
    return f"images/{below.rstrip('/')}" if images else before.rstrip("/")
