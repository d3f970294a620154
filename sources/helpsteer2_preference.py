"""HelpSteer2-Preference: which of two responses annotators preferred, how strongly and why.

Some 9,125 pairs in one file of https://huggingface.co/datasets/nvidia/HelpSteer2, CC BY 4.0, on the responses
of `helpsteer2`. `preference_strength` runs from -3 to 3; below zero response_1 is better, zero is a tie. A
column says which rows are for validation ("val"); they are set aside, because the file is read as training
data. The rationale names the winner by its number.
"""

from collections.abc import Iterator

from pairs.errors import BadRow, SetAside, shown
from pairs.schema import Pair
from sources._source import Row, Source
from sources.helpsteer2 import conversation

source = Source(
    repo="nvidia/HelpSteer2",
    revision="990b2711a36180dd19d9c94b8627844866f8982a",
    folder="preference",
    files={"train": ("preference.jsonl.gz",)},
    licence="CC-BY-4.0",
    label_source="human",
    citation="Wang et al. 2024, arXiv:2410.01257",
    example={
        "split": "train",
        "prompt": "Write a headline about a lost dog that came home.",
        "response_1": "Dogs are loyal animals.",
        "response_2": "Home at last: Rex walks 80 kilometres back to his family",
        "preference_strength": 3,
        "preference_statement": "Response 2 is much better than Response 1.",
        "preference_elaboration": "Response 2 is a headline, Response 1 is a remark.",
        "three_most_similar_preferences": [
            {"statement": "@Response 2 is much better.", "elaboration": "It is a headline.", "strength": 3}
        ],
        "all_preferences_unprocessed": [{"strength": 3, "justification": "It is a headline."}],
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    if row["split"] in ("val", "validation"):
        raise SetAside("validation_row", "the dataset keeps this row for validation")
    if row["split"] != "train":
        raise BadRow("split_not_known", f"split is {shown(row['split'])}, expected train or val")
    strength = row["preference_strength"]
    if type(strength) is not int or not -3 <= strength <= 3:
        raise BadRow("preference_not_known", f"preference_strength is {shown(strength)}, expected -3 to 3")
    if strength == 0:
        raise SetAside("tie", "preference_strength is 0")
    chosen, rejected = ("response_1", "response_2") if strength < 0 else ("response_2", "response_1")
    yield Pair(
        prompt=conversation(row["prompt"]),
        chosen=row[chosen],
        rejected=row[rejected],
        criterion="helpfulness",
        source_margin=abs(strength),
        rationale=row["preference_elaboration"],
        extra={
            "chosen_column": chosen,
            "statement": row["preference_statement"],
            "similar": row["three_most_similar_preferences"],
            "all": row["all_preferences_unprocessed"],
        },
    )
