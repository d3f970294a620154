"""JudgeBench: two answers of one strong model to a hard question, of which one is right.

Knowledge, reasoning, maths and code: 350 pairs by gpt-4o and 270 by claude-3-5-sonnet; the headline uses the
first. 91 questions occur in both. https://github.com/ScalerLab/JudgeBench (data/); MIT says the hub's card, the
repository has no licence file. `label` is A>B or B>A and stays in `extra`, for by the official rule a scalar tie
counts as B. The name of claude's file is not verified. The folder of other people's judgements is not read.
"""

from collections.abc import Iterator

from pairs.errors import BadRow, shown
from pairs.schema import Pair
from sources._source import Row, Source

source = Source(
    repo="github:ScalerLab/JudgeBench",
    revision=None,
    folder="data",
    files={
        "gpt": ("dataset=judgebench,response_model=gpt-*.jsonl",),
        "claude": ("dataset=judgebench,response_model=claude-*.jsonl",),
    },
    licence="MIT",
    label_source="rule",
    role="benchmark",
    citation="Tan et al. 2024, arXiv:2410.12784",
    example={
        "pair_id": "00000000-0000-5000-8000-000000000000",
        "original_id": 4711,
        "source": "mmlu-pro-law",
        "question": "How many members has a jury of twelve?\n(A) 10\n(B) 12",
        "response_model": "model-a",
        "response_A": "Two are spares, so the answer is A.",
        "response_B": "The name says it: B.",
        "label": "B>A",
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    label = row["label"]
    if label not in ("A>B", "B>A"):
        raise BadRow("label_not_known", f"label is {shown(label)}, expected A>B or B>A")
    chosen, rejected = ("response_A", "response_B") if label == "A>B" else ("response_B", "response_A")
    origin = row["source"]
    yield Pair(
        prompt=row["question"],
        chosen=row[chosen],
        rejected=row[rejected],
        criterion="correctness",
        category="mmlu-pro" if origin.startswith("mmlu-pro") else origin,
        extra={key: row[key] for key in ("pair_id", "original_id", "source", "response_model", "label")},
    )
