"""FineGrainedRLHF, question answering: four predictions per question, each two of them compared by people.

500 rows with six comparisons in the dev file at hand, the only one read so far; the train file is taken to be
alike. https://github.com/allenai/FineGrainedRLHF (tasks/qa_feedback/data), Apache-2.0. `preference` lists the
predictions 1-2, 1-3, 1-4, 2-3, 2-4 and 3-4 as 0 for a tie or 1 or 2 for the better one of the two. The passages
that the predictions were written from belong to the prompt. Spans with errors are kept; they concern one
prediction.
"""

from collections.abc import Iterator
from itertools import combinations

from pairs.errors import BadRow, SetAside, shown
from pairs.schema import Pair
from sources._source import Row, Source

source = Source(
    repo="github:allenai/FineGrainedRLHF",
    revision=None,
    folder="tasks/qa_feedback/data",
    files={"train": ("train_feedback.json",), "validation": ("dev_feedback.json",)},
    licence="Apache-2.0",
    label_source="human",
    citation="Wu et al. 2023, arXiv:2306.01693",
    example={
        "question": "When was the lighthouse lit first?",
        "passages": [
            ["North Point Light", "North Point Light\n\nThe tower was begun in 1871.", "It was lit in 1874."]
        ],
        "gold": "It was lit for the first time in 1874.",
        "prediction 1": "It was lit in 1874.",
        "prediction 2": "It was lit in 1871.",
        "prediction 3": "The tower was begun in 1871 and lit in 1874.",
        "prediction 4": "It is a lighthouse.",
        "feedback": {"errors": [], "missing-info": [], "corrected-prediction": "It was lit in 1874."},
        "preference": [1, 0, 1, 2, 1, 1],
    },
)


def pairs(row: Row) -> Iterator[Pair | SetAside]:
    verdicts = row["preference"]
    if len(verdicts) != 6 or any(type(verdict) is not int or verdict not in (0, 1, 2) for verdict in verdicts):
        raise BadRow("preference_not_known", f"preference is {shown(verdicts)}, expected six of 0, 1 or 2")
    prompt = "\n\n".join([*map(_passage, row["passages"]), row["question"]])
    for (first, second), verdict in zip(combinations((1, 2, 3, 4), 2), verdicts, strict=True):
        if verdict == 0:
            yield SetAside("tie", f"predictions {first} and {second}")
            continue
        chosen, rejected = (first, second) if verdict == 1 else (second, first)
        yield Pair(
            prompt=prompt,
            chosen=row[f"prediction {chosen}"],
            rejected=row[f"prediction {rejected}"],
            reference=row["gold"],
            language="en",
            extra={"chosen": chosen, "rejected": rejected, "feedback": row["feedback"]},
        )


def _passage(passage: list[str]) -> str:
    """Title and sentences; the first passage of an article repeats the title in its text."""
    if not isinstance(passage, list) or len(passage) < 2:
        raise BadRow("passage_not_known", f"a passage is {shown(passage)}, expected a title and sentences")
    title, text = passage[0], " ".join(passage[1:])
    return text if text.startswith(title) else title + "\n" + text
