"""MM-RLHF's pairs: two answers about a picture, ranked by paid annotators with written reasons.

62,545 rows in dpo_pairs.jsonl; those about one question share an `id`.
https://huggingface.co/datasets/yifanzhang114/MM-RLHF, MIT. Pictures lie in four archives; a mark in the prompt is
not reliable and is removed. Rows about videos name a folder of frames, not the frames, and are set aside. Some
rejected answers were damaged on purpose. `is_tie`, `ls_factor` and `image` as a list are read by public loaders
but have not been seen in rows; that every row has reasons is not verified either. Rows without picture, prompt or
answer are set aside. MM-RLHF-RewardBench is drawn from this set, and mm_rlhf_nbest holds the same answers before
pairing.
"""

from collections.abc import Iterator

from pairs.errors import SetAside, shown
from pairs.schema import Pair
from sources._shapes import complete
from sources._source import Row, Source
from sources._turns import unmarked

source = Source(
    repo="yifanzhang114/MM-RLHF",
    revision="29cfeea5929979d12b42a8f30201e03c188408a6",
    files={"train": ("dpo_pairs.jsonl",)},
    media=("short.zip", "long.zip", "mcq.zip", "safety.zip"),
    licence="MIT",
    label_source="human",
    modality="image",
    citation="Zhang et al. 2025, arXiv:2502.10391",
    optional=frozenset({"image", "video", "chosen_reason", "rejected_reason", "is_tie", "ls_factor"}),
    example={
        "id": "000417_93",
        "image": "long/000417.jpg",
        "prompt": "<image>\nWhich tool lies on the bench?",
        "chosen": "A hand plane, with shavings beside it.",
        "rejected": "A hammer and two nails.",
        "chosen_reason": "Names the tool and a detail that is there.",
        "rejected_reason": "There is no hammer.",
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    if row.get("is_tie"):
        raise SetAside("tie", f"is_tie is {shown(row['is_tie'])}")
    if row.get("video"):
        raise SetAside("video_prompt", f"{shown(row['video'])} is a folder of frames")
    complete(row, "image", "prompt", "chosen", "rejected")
    images = row["image"] if isinstance(row["image"], list) else [row["image"]]
    yield Pair(
        prompt=unmarked(row["prompt"]),
        chosen=row["chosen"],
        rejected=row["rejected"],
        images=images,
        rationale=row.get("chosen_reason"),
        category=images[0].partition("/")[0],
        extra={
            "group": row["id"],
            "image": row["image"],
            "rejected_reason": row.get("rejected_reason"),
            "ls_factor": row.get("ls_factor"),
        },
    )
