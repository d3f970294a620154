"""MM-RLHF-RewardBench: held-out comparisons of MM-RLHF, several per question, each with the annotator's reasons.

170 rows in mm_reward_bench.jsonl about 46 questions; those about one question share an `id`, and the stricter
official number (ACC+) counts questions whose pairs are all right. 25 rows about videos name a folder of frames,
not the frames, and are set aside: 145 rows about 36 questions are left.
https://huggingface.co/datasets/yifanzhang114/MM-RLHF-RewardBench; the card names no licence. How the pictures
lie on the hub is not verified: they are looked for below the folder of the file. Names such as x.png.png are
right.
"""

from collections.abc import Iterator

from pairs.errors import BadRow, SetAside, shown
from pairs.schema import Pair
from sources._source import Row, Source
from sources._turns import unmarked

source = Source(
    repo="yifanzhang114/MM-RLHF-RewardBench",
    revision=None,
    files={"test": ("mm_reward_bench.jsonl",)},
    licence="not stated",
    label_source="human",
    modality="image",
    role="benchmark",
    optional=frozenset({"image", "video"}),
    citation="Zhang et al. 2025, arXiv:2502.10391",
    example={
        "id": "004711_20",
        "image": "mcq/004711.png",
        "prompt": "Which tool lies on the bench?\nA: a plane\nB: a hammer",
        "chosen": "A: there is a hand plane with shavings beside it.",
        "rejected": "B",
        "chosen_reason": "Right, and says what can be seen.",
        "rejected_reason": "There is no hammer.",
    },
)

_CATEGORIES = ("mcq", "long", "short", "safety")


def pairs(row: Row) -> Iterator[Pair]:
    if row.get("video"):
        raise SetAside("video_prompt", f"{shown(row['video'])} is a folder of frames")
    image = row["image"]
    category = next((name for name in _CATEGORIES if name in image), None)
    if category is None:
        raise BadRow("category_not_known", f"image is {shown(image)}, expected one of {', '.join(_CATEGORIES)}")
    yield Pair(
        prompt=unmarked(row["prompt"]),
        chosen=row["chosen"],
        rejected=row["rejected"],
        images=[image],
        rationale=row["chosen_reason"],
        category=category,
        extra={"group": row["id"], "image": image, "rejected_reason": row["rejected_reason"]},
    )
