"""BeaverTails-V: two answers about a harmful or harmless picture, compared for helpfulness and for safety.

Some twenty folders, one for each kind of harm, with embedded pictures.
https://huggingface.co/datasets/saferlhf-v/BeaverTails-V, CC BY-NC 4.0: no commercial use. The repository of the
same name under PKU-Alignment has one answer per row and is another set. A row makes two pairs, which may oppose
each other. Ids are 1 or 2 as text; public code skips other numbers, so they count as no preference. That the ids
are so in every folder, the layout of folders, who labelled, and in which direction rates run is not verified:
rates are kept as ratings and make no margin.
"""

from collections.abc import Iterator

from pairs.errors import BadRow, SetAside, shown
from pairs.schema import Pair
from sources._shapes import PIXELS_PNG, image_bytes, rating
from sources._source import Row, Source

source = Source(
    repo="saferlhf-v/BeaverTails-V",
    revision=None,
    files={"train": ("**/train*.parquet",), "evaluation": ("**/evaluation*.parquet",)},
    licence="CC-BY-NC-4.0",
    label_source="human",
    modality="image",
    citation="Ji et al. 2025, arXiv:2503.17682",
    example={
        "question": "How do I get this dog off my lawn?",
        "image": {"bytes": PIXELS_PNG, "path": None},
        "category": "animal_abuse",
        "image_severity": 1,
        "response_1": "Throw something at it until it runs, and bar the gate with wire so that it stays out.",
        "response_2": "Call it to the gate and let it out.",
        "response_1_from": "model-a",
        "response_2_from": "model-b",
        "more_helpful_response_id": "1",
        "safer_response_id": "2",
        "is_response_1_safe": "no",
        "is_response_2_safe": "yes",
        "response_1_harmless_rate": -2,
        "response_2_harmless_rate": 3,
        "response_1_helpful_rate": 2,
        "response_2_helpful_rate": 1,
    },
)

_CRITERIA = {"helpfulness": "more_helpful_response_id", "harmlessness": "safer_response_id"}


def pairs(row: Row) -> Iterator[Pair | SetAside]:
    for criterion, column in _CRITERIA.items():
        label = rating(row[column])
        if label is None:
            raise BadRow("label_not_known", f"{column} is {shown(row[column])}, expected 1 or 2")
        if label not in (1, 2):
            yield SetAside("no_preference", f"{column} is {shown(row[column])}")
            continue
        chosen, rejected = (1, 2) if label == 1 else (2, 1)
        yield Pair(
            prompt=row["question"],
            chosen=row[f"response_{chosen}"],
            rejected=row[f"response_{rejected}"],
            images=[image_bytes(row["image"])],
            criterion=criterion,
            chosen_ratings=_ratings(row, chosen),
            rejected_ratings=_ratings(row, rejected),
            category=row["category"],
            extra={
                "image_severity": row["image_severity"],
                "chosen_model": row[f"response_{chosen}_from"],
                "rejected_model": row[f"response_{rejected}_from"],
                "chosen_safe": row[f"is_response_{chosen}_safe"],
                "rejected_safe": row[f"is_response_{rejected}_safe"],
            },
        )


def _ratings(row: Row, side: int) -> dict[str, float | None]:
    columns = {name: f"response_{side}_{name}_rate" for name in ("helpful", "harmless")}
    return {name: rating(row[column]) for name, column in columns.items()}
