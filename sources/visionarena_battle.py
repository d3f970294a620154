"""VisionArena-Battle: visitors of Chatbot Arena chat with two anonymous models about pictures and vote for one.

29,849 rows in 31 Parquet files with embedded pictures, of which 11,121 are ties.
https://huggingface.co/datasets/lmarena-ai/VisionArena-Battle: gated, accept the publisher's own terms there and
set a token. 25,713 rows have one turn; of the others most differ before the last reply and are set aside.
Pictures stand before the first question; which turn they came with, whether turns are wrapped in one more list,
and whether a row without a picture exists is not verified.
"""

from collections.abc import Iterator

from pairs.schema import Pair
from sources._shapes import PIXELS_PNG, image_bytes
from sources._source import Row, Source
from sources._turns import battle, pictures_first

source = Source(
    repo="lmarena-ai/VisionArena-Battle",
    revision="a41d58f15caa3e2d9685774153d2bc815b943d96",
    files={"train": ("data/train-*.parquet",)},
    licence="LMArena VisionArena terms",
    label_source="human",
    modality="image",
    citation="Chou et al. 2024, arXiv:2412.08687",
    optional=frozenset({"num_turns", "categories", "tstamp", "conv_metadata"}),
    example={
        "question_id": "77c1",
        "model_a": "model-a",
        "model_b": "model-b",
        "conversation_a": [
            {"role": "user", "content": "Translate the sign."},
            {"role": "assistant", "content": "It reads: no bathing, strong current."},
        ],
        "conversation_b": [
            {"role": "user", "content": "Translate the sign."},
            {"role": "assistant", "content": "I see a sign at a river."},
        ],
        "images": [{"bytes": PIXELS_PNG, "path": None}],
        "language": "English",
        "categories": {"captioning": False, "ocr": True},
        "judge": "visitor-3",
        "winner": "model_a",
        "num_turns": 1,
        "tstamp": 1717000000.5,
        "conv_metadata": {"sum_user_tokens": 5},
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    prompt, chosen, rejected, better = battle(row)
    worse = "b" if better == "a" else "a"
    images = [image_bytes(image) for image in row["images"]]
    yield Pair(
        prompt=pictures_first(prompt, len(images)),
        chosen=chosen,
        rejected=rejected,
        images=images,
        language=row["language"],
        extra={
            "question_id": row["question_id"],
            "chosen_model": row[f"model_{better}"],
            "rejected_model": row[f"model_{worse}"],
            "judge": row["judge"],
            **{key: row.get(key) for key in ("num_turns", "categories", "tstamp", "conv_metadata")},
        },
    )
