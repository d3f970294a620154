"""RewardBench 2: pick the one right answer of four, in five areas; a sixth has several right ones.

1,865 rows. https://huggingface.co/datasets/allenai/reward-bench-2, ODC-BY. Every right answer meets every wrong
one: a normal row makes 3 pairs, a row of Ties as many as right times wrong. `group` and the positions name the
row and its answers, lists because equal answers make one pair; the official score shares a row between answers
of equal reward, and in Ties compares the right ones with each other: rows `ref:N` and `tied:N` belong together
there. The names of the Parquet files are not verified.
"""

from collections.abc import Iterator

from pairs.errors import BadRow, shown
from pairs.schema import Pair
from sources._distinct import distinct
from sources._source import Row, Source

source = Source(
    repo="allenai/reward-bench-2",
    revision=None,
    files={"test": ("data/test-*.parquet",)},
    licence="ODC-BY",
    label_source="human",
    role="benchmark",
    optional=frozenset({"total_completions", "models", "additional_metadata"}),
    citation="Malik et al. 2025, arXiv:2506.01937",
    example={
        "id": "4711",
        "prompt": "In which year did the first railway between two cities open in England?",
        "chosen": ["1830, between Liverpool and Manchester."],
        "rejected": ["1825.", "1838, from London to Birmingham.", "Nobody knows."],
        "num_correct": 1,
        "num_incorrect": 3,
        "total_completions": 4,
        "models": ["model-a", "model-b", "model-c", "model-d"],
        "subset": "Factuality",
        "additional_metadata": {"category": None, "method": None},
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    right, wrong = row["chosen"], row["rejected"]
    if type(right) is not list or type(wrong) is not list:
        raise BadRow("completions_not_lists", f"chosen is {shown(right)}, expected lists of texts")
    if (len(right), len(wrong)) != (row["num_correct"], row["num_incorrect"]):
        raise BadRow(
            "counts_differ",
            f"{len(right)} right and {len(wrong)} wrong answers, expected num_correct "
            f"{shown(row['num_correct'])} and num_incorrect {shown(row['num_incorrect'])}",
        )
    for chosen, chosen_positions in distinct(right, "chosen").items():
        for rejected, rejected_positions in distinct(wrong, "rejected").items():
            yield Pair(
                prompt=row["prompt"],
                chosen=chosen,
                rejected=rejected,
                category=row["subset"],
                extra={
                    "group": row["id"],
                    "subset": row["subset"],
                    "chosen_positions": chosen_positions,
                    "rejected_positions": rejected_positions,
                    "num_correct": len(right),
                    "num_incorrect": len(wrong),
                    "total_completions": row.get("total_completions"),
                    "models": row.get("models"),
                    "additional_metadata": row.get("additional_metadata"),
                },
            )
