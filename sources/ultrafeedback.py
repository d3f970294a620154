"""UltraFeedback: about four completions per instruction, each rated by GPT-4 on four aspects and overall.

63,967 instructions; every two completions with different scores make a pair, some 340,000 in all.
https://huggingface.co/datasets/openbmb/UltraFeedback, MIT. Ratings are text and may be "N/A". The overall score
(1 to 10) counts, or the fine-grained one (1 to 5) where a completion of the row lacks it; both are never mixed.
Before December 2023 some 2,600 completions had a wrong overall score of 10. Instructions of the truthful_qa part
overlap an evaluation set. That the files are JSON lines, one per part, is not verified.
"""

from collections.abc import Iterator

from pairs.errors import SetAside
from pairs.schema import Pair
from sources._shapes import Rated, ranked, rating
from sources._source import Row, Source

source = Source(
    repo="openbmb/UltraFeedback",
    revision=None,
    files={"train": ("*.jsonl",)},
    licence="MIT",
    label_source="model",
    citation="Cui et al. 2023, arXiv:2310.01377",
    example={
        "source": "evol_instruct",
        "instruction": "Name three ways to save water in a garden.",
        "models": ["model-a", "model-b"],
        "completions": [
            {
                "model": "model-a",
                "principle": "helpfulness",
                "custom_system_prompt": "Answer so that it helps.",
                "response": "Mulch the beds, water at dawn and collect the rain.",
                "annotations": {
                    "instruction_following": {"Rating": "5", "Rationale": "Three ways."},
                    "honesty": {"Rating": "N/A", "Rationale": "No claim to judge."},
                },
                "critique": "Short and useful.",
                "overall_score": 8.5,
                "fine-grained_score": 5.0,
            },
            {
                "model": "model-b",
                "principle": "honesty",
                "custom_system_prompt": "Say what you do not know.",
                "response": "Water less.",
                "annotations": {
                    "instruction_following": {"Rating": "2", "Rationale": "One way."},
                    "honesty": {"Rating": "4", "Rationale": "Plain."},
                },
                "critique": "Two ways are missing.",
                "overall_score": 4.0,
                "fine-grained_score": 3.0,
            },
        ],
        "correct_answers": ["None"],
        "incorrect_answers": ["None"],
    },
)


def pairs(row: Row) -> Iterator[Pair | SetAside]:
    completions = row["completions"]
    column = "overall_score"
    if any(completion.get(column) is None for completion in completions):
        column = "fine-grained_score"
    told = {(completion["model"], completion["response"]): _told(completion) for completion in completions}
    for found in ranked([_rated(completion, column) for completion in completions]):
        if isinstance(found, SetAside):
            yield found
            continue
        chosen, rejected, difference = found
        yield Pair(
            prompt=row["instruction"],
            chosen=chosen.completion,
            rejected=rejected.completion,
            source_margin=difference,
            chosen_ratings=chosen.ratings,
            rejected_ratings=rejected.ratings,
            category=row["source"],
            reference="\n".join(answer for answer in row["correct_answers"] or [] if answer != "None"),
            extra={
                "chosen_model": chosen.model,
                "rejected_model": rejected.model,
                "score": column,
                "chosen": told[chosen.model, chosen.completion],
                "rejected": told[rejected.model, rejected.completion],
                "incorrect_answers": [answer for answer in row["incorrect_answers"] or [] if answer != "None"],
            },
        )


def _told(completion: Row) -> Row:
    """What was said of a completion and to its model, beside the numbers."""
    reasons = {
        aspect: {key: value for key, value in judged.items() if key != "Rating"}
        for aspect, judged in completion["annotations"].items()
    }
    kept = ("principle", "custom_system_prompt", "critique", "overall_score", "fine-grained_score")
    return {"annotations": reasons, **{key: completion.get(key) for key in kept}}


def _rated(completion: Row, column: str) -> Rated:
    return Rated(
        completion=completion["response"],
        score=rating(completion.get(column)),
        ratings={aspect: rating(judged["Rating"]) for aspect, judged in completion["annotations"].items()},
        model=completion["model"],
    )
