"""WildVision-Battle: visitors chat with two anonymous models about their own picture and vote for one.

Some 10,000 rows in Parquet files with embedded pictures.
https://huggingface.co/datasets/WildVision/wildvision-battle, ODC-BY. Ties of two kinds are common. Dialogues of
several turns mostly differ before the last reply and are set aside. The columns are those of the arena's own
upload script, the card has not been seen; the vote's raw names are taken as well. The picture stands before the
first question. VL-RewardBench draws on this set.
"""

from collections.abc import Iterator

from pairs.schema import Pair
from sources._shapes import PIXELS_PNG, image_bytes
from sources._source import Row, Source
from sources._turns import battle, pictures_first

source = Source(
    repo="WildVision/wildvision-battle",
    revision=None,
    files={"train": ("**/train-*.parquet",), "test": ("**/test-*.parquet",)},
    licence="ODC-BY",
    label_source="human",
    modality="image",
    citation="Lu et al. 2024, arXiv:2406.11069",
    optional=frozenset({"language", "turn", "anony", "tstamp", "judge"}),
    example={
        "question_id": "5f3a",
        "model_a": "model-a",
        "model_b": "model-b",
        "conversation_a": [
            {"role": "user", "content": "What plant is this?"},
            {"role": "assistant", "content": "A fern."},
        ],
        "conversation_b": [
            {"role": "user", "content": "What plant is this?"},
            {"role": "assistant", "content": "A spider plant: note the pale stripe along the leaf."},
        ],
        "language": "English",
        "image": {"bytes": PIXELS_PNG, "path": None},
        "turn": 1,
        "anony": True,
        "winner": "model_b",
        "tstamp": 1717000000.5,
        "judge": "visitor-9",
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    prompt, chosen, rejected, better = battle(row)
    worse = "b" if better == "a" else "a"
    yield Pair(
        prompt=pictures_first(prompt, 1),
        chosen=chosen,
        rejected=rejected,
        images=[image_bytes(row["image"])],
        language=row.get("language"),
        extra={
            "question_id": row["question_id"],
            "chosen_model": row[f"model_{better}"],
            "rejected_model": row[f"model_{worse}"],
            **{key: row.get(key) for key in ("turn", "anony", "tstamp", "judge")},
        },
    )
