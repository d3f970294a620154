"""VideoFeedback: generated videos, scored from 1 to 4 on five scales by people; pairs of videos for one prompt.

32,901 videos for training and 680 for testing. https://huggingface.co/datasets/TIGER-Lab/VideoFeedback (config
`annotated`), Apache-2.0. A video is a list of frames in a zip; its frames are the completion. Only videos of one
prompt can be compared, and only on a scale where their scores differ: each scale is a criterion. Consecutive rows
with one prompt come together; whether all videos of a prompt follow each other, and the names of the Parquet
files, is not verified: a video without neighbour is set aside. Column names hold spaces. Real videos, which have
no scores, are not read.
"""

from collections.abc import Iterator
from itertools import combinations

from pairs.errors import SetAside
from pairs.schema import Pair
from sources._shapes import rating
from sources._source import Row, Source

_SCALES = (
    "visual quality",
    "temporal consistency",
    "dynamic degree",
    "text-to-video alignment",
    "factual consistency",
)

source = Source(
    repo="TIGER-Lab/VideoFeedback",
    revision=None,
    files={"train": ("annotated/train-*.parquet",), "test": ("annotated/test-*.parquet",)},
    media=("annotated/frames_annotated_train.zip", "annotated/frames_annotated_test.zip"),
    licence="Apache-2.0",
    label_source="human",
    modality="to_video",
    group_by=("text prompt",),
    optional=frozenset({"conversations", "video link"}),
    citation="He et al. 2024, arXiv:2406.15252",
    example={
        "rows": [
            {
                "id": "m_1",
                "images": ["m_1_00.png", "m_1_01.png"],
                "text prompt": "a kite above the dunes",
                "video link": "https://videos.invalid/m_1.mp4",
                **dict.fromkeys(_SCALES, 3),
            },
            {
                "id": "n_1",
                "images": ["n_1_00.png", "n_1_01.png"],
                "text prompt": "a kite above the dunes",
                "video link": "https://videos.invalid/n_1.mp4",
                **dict.fromkeys(_SCALES, 3),
                "visual quality": 1,
            },
        ]
    },
)


def pairs(row: Row) -> Iterator[Pair | SetAside]:
    videos = row["rows"]
    if len(videos) < 2:
        raise SetAside("one_video", "no other video of this prompt follows")
    for first, second in combinations(videos, 2):
        for scale in _SCALES:
            a, b = rating(first[scale]), rating(second[scale])
            if a is None or b is None or a == b:
                reason = "tie" if a is not None and a == b else "score_missing"
                yield SetAside(reason, f"{scale}: {a} and {b}")
                continue
            chosen, rejected = (first, second) if a > b else (second, first)
            yield Pair(
                prompt=first["text prompt"],
                chosen="",
                rejected="",
                chosen_images=list(chosen["images"]),
                rejected_images=list(rejected["images"]),
                criterion=scale,
                source_margin=abs(a - b),
                extra={
                    "chosen_id": chosen["id"],
                    "rejected_id": rejected["id"],
                    "chosen_link": chosen.get("video link"),
                    "rejected_link": rejected.get("video link"),
                },
            )
