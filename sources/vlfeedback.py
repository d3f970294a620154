"""VLFeedback: four answers of different models about a picture, rated by GPT-4V on three aspects.

80,258 rows, up to six pairs each. https://huggingface.co/datasets/MMInstruction/VLFeedback; neither the card nor
the loading script states a licence. The score of an answer is the mean of its three ratings, which are text and
may be "N/A" or missing: then the answer has no score, and only its own pairs go. Read through `datasets`, the list
of answers comes as a mapping of lists. Pictures lie in an archive and come from many sources; VL-RewardBench draws
on this set.
"""

from collections.abc import Iterator

from pairs.errors import SetAside
from pairs.schema import Pair
from sources._shapes import Rated, ranked, rating
from sources._source import Row, Source

source = Source(
    repo="MMInstruction/VLFeedback",
    revision="0bd5e141605f55ce04e845c65ac2c716ef89e8ec",
    files={"train": ("vlfeedback_80k.jsonl",)},
    media=("merged_images.zip",),
    licence="not stated",
    label_source="model",
    modality="image",
    citation="Li et al. 2023, arXiv:2312.10665",
    example={
        "id": "street-17",
        "prompt": "What is the weather like?",
        "models": ["model-a", "model-b"],
        "img_path": "street_17.jpg",
        "completions": [
            {
                "model": "model-a",
                "response": "It rains: people carry umbrellas and the street shines.",
                "annotations": {
                    "Helpfulness": {"Rating": "5", "Rationale": "Answers with reasons."},
                    "Ethical Considerations": {"Rating": "5", "Rationale": "Nothing to object."},
                    "Visual Faithfulness": {"Rating": "4", "Rationale": "Fits the picture."},
                },
            },
            {
                "model": "model-b",
                "response": "It is a sunny day.",
                "annotations": {
                    "Helpfulness": {"Rating": "2", "Rationale": "Short."},
                    "Ethical Considerations": {"Rating": "5", "Rationale": "Nothing to object."},
                    "Visual Faithfulness": {"Rating": "1", "Rationale": "It rains."},
                },
            },
        ],
    },
)

_ASPECTS = ("Helpfulness", "Ethical Considerations", "Visual Faithfulness")


def pairs(row: Row) -> Iterator[Pair | SetAside]:
    completions = row["completions"]
    if isinstance(completions, dict):
        cells = zip(*completions.values(), strict=True)
        completions = [dict(zip(completions, values, strict=True)) for values in cells]
    reasons = {(answer["model"], answer["response"]): _reasons(answer) for answer in completions}
    for found in ranked([_rated(completion) for completion in completions]):
        if isinstance(found, SetAside):
            yield found
            continue
        chosen, rejected, difference = found
        yield Pair(
            prompt=row["prompt"],
            chosen=chosen.completion,
            rejected=rejected.completion,
            images=[row["img_path"]],
            source_margin=difference,
            chosen_ratings=chosen.ratings,
            rejected_ratings=rejected.ratings,
            extra={
                "id": row["id"],
                "chosen_model": chosen.model,
                "rejected_model": rejected.model,
                "chosen_rationales": reasons[chosen.model, chosen.completion],
                "rejected_rationales": reasons[rejected.model, rejected.completion],
            },
        )


def _reasons(completion: Row) -> dict[str, str | None]:
    return {
        aspect: judged and judged.get("Rationale") for aspect, judged in (completion["annotations"] or {}).items()
    }


def _rated(completion: Row) -> Rated:
    annotations = completion["annotations"] or {}
    ratings = {aspect: rating((annotations.get(aspect) or {}).get("Rating")) for aspect in _ASPECTS}
    known = [value for value in ratings.values() if value is not None]
    score = sum(known) / len(_ASPECTS) if len(known) == len(_ASPECTS) else None
    return Rated(completion["response"], score, ratings, completion["model"])
