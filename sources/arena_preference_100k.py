"""Arena human preference 100k: votes of Chatbot Arena users on two anonymous models, later battles.

About 106,000 battles. https://huggingface.co/datasets/lmarena-ai/arena-human-preference-100k; the card's header
names no licence. Only battles of one turn become pairs, as in `chatbot_arena`; there are two kinds of tie. Very
frequent prompts are marked in `dedup_tag` (`sampled` false) and kept. The number of rows, the columns marked
optional here and the name of the Parquet file in the folder data are not verified.
"""

from collections.abc import Iterator

from pairs.schema import Pair
from sources._source import Row, Source
from sources.chatbot_arena import one_turn

source = Source(
    repo="lmarena-ai/arena-human-preference-100k",
    revision="5a183e4c4a67c7cdbe2846eb2a8c5cf88f087d2d",
    files={"train": ("data/*.parquet",)},
    licence="not stated",
    label_source="human",
    optional=frozenset(
        {"judge_hash", "turn", "conv_metadata", "category_tag", "dedup_tag", "is_code", "is_refusal", "tstamp"}
    ),
    citation="Chiang et al. 2024, arXiv:2403.04132",
    example={
        "question_id": "k1",
        "model_a": "model-a",
        "model_b": "model-b",
        "winner": "model_a",
        "judge_hash": "9f",
        "conversation_a": [
            {"content": "Sort [3, 1, 2].", "role": "user", "num_tokens": 9},
            {"content": "[1, 2, 3]", "role": "assistant", "num_tokens": 7},
        ],
        "conversation_b": [
            {"content": "Sort [3, 1, 2].", "role": "user", "num_tokens": 9},
            {"content": "[3, 2, 1]", "role": "assistant", "num_tokens": 7},
        ],
        "turn": 1,
        "language": "English",
        "conv_metadata": {"bold_count_a": 0, "bold_count_b": 0},
        "category_tag": {"if_v0.1": {"if": False, "score": 1}},
        "dedup_tag": {"high_freq": False, "sampled": True},
        "is_code": True,
        "is_refusal": False,
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    facts = {column: row[column] for column in sorted(source.optional) if column in row}
    yield one_turn(row, {"question_id": row["question_id"], **facts})
