"""VL-RewardBench: does a judge of answers about pictures see hallucinations, reason, and follow queries?

1,250 rows, 1,247 in a later revision: no commit is pinned here, so say which one you report. 25 ids occur twice;
a row is named by its id, query and responses. https://huggingface.co/datasets/MMInstruction/VL-RewardBench, MIT.
`human_ranking` holds the rank of each response, 0 for the better one, and nearly always the first wins: a judge
of both at once must be shown them in random order. The official groups hang on the beginning of the id: 749 rows
of hallucination, 318 of reasoning, 183 general. The name of the Parquet files is not verified. Also read is the
form that R1-Reward's repository ships, data.jsonl: `prompt`, `chosen`, `rejected` and the path of a picture, which
it does not hold. Draws on POVID, RLAIF-V, RLHF-V and WildVision, so training sets overlap with it.
"""

import re
from collections.abc import Iterator

from pairs.errors import BadRow, shown
from pairs.schema import Pair
from sources._shapes import PIXELS_PNG, image_bytes
from sources._source import Row, Source

source = Source(
    repo="MMInstruction/VL-RewardBench",
    revision=None,
    files={"test": ("data/test-*.parquet", "data.jsonl")},
    licence="MIT",
    label_source="human",
    modality="image",
    role="benchmark",
    optional=frozenset(
        {"query", "response", "human_ranking", "models", "judge", "rationale", "query_source", "ground_truth"}
        | {"prompt", "chosen", "rejected", "chosen_reason", "rejected_reason"}  # of data.jsonl
    ),
    citation="Li et al. 2024, arXiv:2411.17451",
    example={
        "id": "RLAIF-V-4711",
        "query": "What is on the windowsill?",
        "response": ["A flower pot and a sleeping cat.", "A flower pot, a cat and a red vase."],
        "image": {"bytes": PIXELS_PNG, "path": "windowsill.jpg"},
        "human_ranking": [0, 1],
        "models": ["model-a", "model-b"],
        "judge": "human",
        "rationale": "There is no vase.",
        "query_source": "COCO",
        "ground_truth": "",
    },
)

_GROUPS = {
    "hallucination": "hallucination",
    "RLAIF": "hallucination",
    "RLHF": "hallucination",
    "mathverse": "reasoning",
    "mmmu": "reasoning",
}


def pairs(row: Row) -> Iterator[Pair]:
    category = _GROUPS.get(re.split("[_-]", row["id"])[0], "general")
    if "chosen" in row:
        yield Pair(
            prompt=row["prompt"],
            chosen=row["chosen"],
            rejected=row["rejected"],
            images=[row["image"]],
            rationale=row.get("chosen_reason"),
            category=category,
            extra={"id": row["id"], "image": row["image"], "rejected_reason": row.get("rejected_reason")},
        )
        return
    ranking, responses = row["human_ranking"], row["response"]
    if ranking not in ([0, 1], [1, 0]) or len(responses) != 2:
        raise BadRow("ranking_not_known", f"human_ranking is {shown(ranking)}, expected the ranks 0 and 1")
    chosen, rejected = ranking.index(0), ranking.index(1)
    yield Pair(
        prompt=row["query"],
        chosen=responses[chosen],
        rejected=responses[rejected],
        images=[image_bytes(row["image"])],
        rationale=row.get("rationale"),
        reference=row.get("ground_truth"),
        category=category,
        extra={
            "id": row["id"],
            "chosen_index": chosen,
            "rejected_index": rejected,
            **{key: row.get(key) for key in ("models", "judge", "query_source")},
        },
    )
