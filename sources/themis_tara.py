"""TARA: a right and a wrong answer to tasks that a tool can check, made to train the reward model Themis.

3,628 rows in 11 files at hand. https://github.com/ernie-research/Tool-Augmented-Reward-Model (data/), MIT. The
files are JSON lines though named .json. Tasks of the translator stand under a `context`; those for code carry
tests. Scores run from -1 to 1, and the positive answer's is not always 1. The calls of tools and the agent's
reasons name the verdict, so they stay out of the prompt. 11 rows have equal answers. The part hh_rlhf needs no
tool, holds offensive text, and 168 of its questions are also in three test files of HH-RLHF.
"""

from collections.abc import Iterator

from pairs.schema import Pair
from sources._sides import margin
from sources._source import Row, Source

source = Source(
    repo="github:ernie-research/Tool-Augmented-Reward-Model",
    revision=None,
    folder="data",
    files={"train": ("*/*_train*.json",), "test": ("*/*_test*.json",)},
    licence="MIT",
    label_source="constructed",
    optional=frozenset({"context", "test_list"}),
    citation="Li et al. 2023, arXiv:2310.01045",
    example={
        "id": "calendar_train_1",
        "question": "How many days lie between 2020-02-27 and 2020-03-01?",
        "pos_answer": {
            "answer": "There are 3 days between them.",
            "score": 1.0,
            "actions": {"Thought": "I count days.", "Action": "Calendar.day_difference", "Observation": "3"},
            "score_agent": {"explanation": "The tool says 3 as well.", "score": "1.0"},
        },
        "neg_answer": {
            "answer": "There are 2 days between them.",
            "score": -1.0,
            "actions": "Thought: I count days.\nAction: Calendar.day_difference\nObservation: 3",
            "score_agent": {"explanation": "2020 is a leap year.", "score": "-1.0"},
        },
        "_file": "calendar/agent_calendar_train.json",
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    chosen, rejected = row["pos_answer"], row["neg_answer"]
    folder = row["_file"].partition("/")[0]
    from_people = folder == "hh_rlhf"
    question = row["question"]
    yield Pair(
        prompt=row["context"] + "\n\n" + question if row.get("context") else question,
        chosen=chosen["answer"],
        rejected=rejected["answer"],
        criterion="overall" if from_people else "correctness",
        label_source="human" if from_people else None,
        source_margin=margin(chosen["score"], rejected["score"], "score"),
        chosen_ratings={"score": chosen["score"]},
        rejected_ratings={"score": rejected["score"]},
        rationale=chosen["score_agent"]["explanation"],
        category=folder,
        extra={
            "id": row["id"],
            "test_list": row.get("test_list"),
            "chosen_actions": chosen["actions"],
            "rejected_actions": rejected["actions"],
            "rejected_explanation": rejected["score_agent"]["explanation"],
            "chosen_agent_score": chosen["score_agent"]["score"],
            "rejected_agent_score": rejected["score_agent"]["score"],
        },
    )
