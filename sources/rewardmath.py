"""RewardMATH: one right and nine wrong solutions of a maths problem; right only when all nine get less reward.

483 problems. https://huggingface.co/datasets/RewardMATH/RewardMATH and
https://github.com/kimsh0507/RewardMATH_official, MIT. One row per solution, those of a problem follow each
other; a solution is a list of steps, joined here line by line. The repository holds a sample of two problems,
which is all that was read: the names of the hub's files are not verified. The pairwise file repeats the same
solutions and has the problem in its answer column, so it is not read. Equal wrong solutions make one pair, with
the ids of all. The problems come from MATH, as RewardBench's math-prm.
"""

from collections.abc import Iterator

from pairs.errors import BadRow, shown
from pairs.schema import Pair
from sources._distinct import distinct
from sources._source import Row, Source

source = Source(
    repo="RewardMATH/RewardMATH",
    revision=None,
    files={"test": ("RewardMATH_direct.json", "*/RewardMATH_direct.json", "data/*.parquet")},
    licence="MIT",
    label_source="constructed",
    role="benchmark",
    group_by=("problem_id",),
    citation="Kim et al. 2024, arXiv:2410.01729",
    example={
        "rows": [
            {
                "problem": "What is $2 + 3 \\cdot 4$?",
                "answer": "14",
                "eval_solution": ["First $3 \\cdot 4 = 12$.", "Then $2 + 12 = \\boxed{14}$."],
                "solution_reference": "human_to_model-a",
                "solution_type": "chosen",
                "subject": "Prealgebra",
                "level": 1,
                "problem_id": 0,
                "id": 0,
            },
            {
                "problem": "What is $2 + 3 \\cdot 4$?",
                "answer": "14",
                "eval_solution": ["First $2 + 3 = 5$.", "Then $5 \\cdot 4 = \\boxed{20}$."],
                "solution_reference": "model-b",
                "solution_type": "rejected",
                "subject": "Prealgebra",
                "level": 1,
                "problem_id": 0,
                "id": 1,
            },
        ]
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    right, wrong = [], []
    for solution in row["rows"]:
        kind = solution["solution_type"]
        if kind not in ("chosen", "rejected"):
            raise BadRow("solution_type_not_known", f"it is {shown(kind)}, expected chosen or rejected")
        (right if kind == "chosen" else wrong).append(solution)
    if len(right) != 1 or not wrong:
        raise BadRow("not_one_right", f"{len(right)} right and {len(wrong)} wrong solutions, expected 1 and 9")
    chosen = right[0]
    for solution, positions in distinct([_text(one["eval_solution"]) for one in wrong], "eval_solution").items():
        yield Pair(
            prompt=chosen["problem"],
            chosen=_text(chosen["eval_solution"]),
            rejected=solution,
            criterion="correctness",
            reference=chosen["answer"],
            category=chosen["subject"],
            extra={
                "group": chosen["problem_id"],
                "level": chosen["level"],
                "chosen_id": chosen["id"],
                "chosen_model": chosen["solution_reference"],
                "rejected_ids": [wrong[position]["id"] for position in positions],
                "rejected_models": [wrong[position]["solution_reference"] for position in positions],
            },
        )


def _text(steps: list[str]) -> str:
    if type(steps) is not list:
        raise BadRow("steps_not_a_list", f"eval_solution is {shown(steps)}, expected a list of steps")
    return "\n".join(steps)
