"""HelpSteer3 preferences: two responses to chat, science, code and multilingual prompts, compared by people.

38,459 train and 2,017 validation rows. https://huggingface.co/datasets/nvidia/HelpSteer3, CC BY 4.0. Only the
part `preference` is read. `overall_preference` runs from -3 to 3; below zero response1 is better, zero is a
tie. `language` is a programming language for code. Up to three annotators give their own score and reason; either
may be null, as may the list (not verified).
"""

from collections.abc import Iterator

from pairs.errors import BadRow, SetAside, shown
from pairs.schema import Pair
from sources._source import Row, Source

source = Source(
    repo="nvidia/HelpSteer3",
    revision=None,
    folder="preference",
    files={"train": ("train.jsonl.gz",), "validation": ("validation.jsonl.gz",)},
    licence="CC-BY-4.0",
    label_source="human",
    citation="Wang et al. 2025, arXiv:2505.11475",
    example={
        "domain": "code",
        "language": "python",
        "context": [{"role": "user", "content": "Reverse a list in one line."}],
        "response1": "items[::-1]",
        "response2": "items.sort()",
        "overall_preference": -3,
        "individual_preference": [
            {"score": -3, "reasoning": "@Response 2 sorts, it does not reverse."},
            {"score": -2, "reasoning": "@Response 1 does what was asked."},
        ],
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    preference = row["overall_preference"]
    if type(preference) is not int or not -3 <= preference <= 3:
        raise BadRow("preference_not_known", f"overall_preference is {shown(preference)}, expected -3 to 3")
    if preference == 0:
        raise SetAside("tie", "overall_preference is 0")
    chosen, rejected = ("response1", "response2") if preference < 0 else ("response2", "response1")
    individual = row["individual_preference"] or []
    yield Pair(
        prompt=row["context"],
        chosen=row[chosen],
        rejected=row[rejected],
        source_margin=abs(preference),
        rationale="\n\n".join(one["reasoning"] for one in individual if one["reasoning"] is not None),
        category=row["domain"],
        language=row["language"],
        extra={"chosen_column": chosen, "scores": [one["score"] for one in individual]},
    )
