"""MM-RLHF before pairing: three to five answers about a picture, scored by annotators on up to three aspects.

16,342 rows in data.jsonl, 2,855 of them about videos, which name a folder of frames and are set aside.
https://huggingface.co/datasets/yifanzhang114/MM-RLHF, MIT. An answer's score is the mean over the aspects that
are scored for every answer of the row. The annotators' own order, `final_ranking`, stays in `extra`: whether it
lists ranks or positions is not verified. 891 rows are said to be incomplete: those without picture, question or
answers, or with more or fewer scores than answers, are set aside. MM-RLHF-RewardBench is drawn from this set;
mm_rlhf holds the publishers' pairs of the same answers.
"""

from collections.abc import Iterator
from typing import Any

from pairs.errors import BadRow, SetAside, shown
from pairs.schema import Pair
from sources._shapes import Rated, complete, ranked, rating
from sources._source import Row, Source
from sources._turns import unmarked

source = Source(
    repo="yifanzhang114/MM-RLHF",
    revision="29cfeea5929979d12b42a8f30201e03c188408a6",
    files={"train": ("data.jsonl",)},
    media=("short.zip", "long.zip", "mcq.zip", "safety.zip"),
    licence="MIT",
    label_source="human",
    modality="image",
    citation="Zhang et al. 2025, arXiv:2502.10391",
    optional=frozenset({"image", "video", "score_reasons", "ranking_reason"}),
    example={
        "id": "000417",
        "question": "Which tool lies on the bench?",
        "answer": "A hand plane.",
        "image": "short/000417.jpg",
        "video": "",
        "models_output": ["A hand plane, with shavings beside it.", "A plane.", "A hammer and two nails."],
        "helpfulness": [5, 3, 2],
        "faithfulness": [5, 5, 1],
        "ethical": None,
        "final_ranking": [1, 2, 3],
        "score_reasons": "The third one invents a hammer.",
        "ranking_reason": "The first names the tool and a detail that is there.",
    },
)

_ASPECTS = ("helpfulness", "faithfulness", "ethical")


def pairs(row: Row) -> Iterator[Pair | SetAside]:
    if row.get("video"):
        raise SetAside("video_prompt", f"{shown(row['video'])} is a folder of frames")
    complete(row, "image", "question", "models_output")
    for found in ranked(_rated(row["models_output"], {aspect: row[aspect] for aspect in _ASPECTS})):
        if isinstance(found, SetAside):
            yield found
            continue
        chosen, rejected, difference = found
        yield Pair(
            prompt=unmarked(row["question"]),
            chosen=chosen.completion,
            rejected=rejected.completion,
            images=[row["image"]],
            source_margin=difference,
            chosen_ratings=chosen.ratings,
            rejected_ratings=rejected.ratings,
            rationale=row.get("ranking_reason"),
            reference=row["answer"],
            category=row["image"].partition("/")[0],
            extra={
                "group": row["id"],
                **{key: row.get(key) for key in ("image", "final_ranking", "score_reasons")},
            },
        )


def _rated(outputs: list[str], scores: dict[str, Any]) -> list[Rated]:
    columns: dict[str, list[float | None]] = {}
    for aspect, values in scores.items():
        if values is None:
            continue
        if not isinstance(values, list):
            raise BadRow("scores_not_listed", f"{aspect} is {shown(values)}, expected {len(outputs)} scores")
        if len(values) != len(outputs):
            raise SetAside("incomplete_row", f"{aspect} has {len(values)} scores for {len(outputs)} answers")
        columns[aspect] = [rating(value) for value in values]
    full = [column for column in columns.values() if None not in column]
    means = [sum(values) / len(values) for values in zip(*full, strict=True)] if full else [None] * len(outputs)
    ratings = [{aspect: column[index] for aspect, column in columns.items()} for index in range(len(outputs))]
    return [Rated(*answer) for answer in zip(outputs, means, ratings, strict=True)]
