"""CodeUltraFeedback: four models' answers to a coding task, rated by GPT-3.5 on one of five aspects.

10,000 instructions. https://huggingface.co/datasets/coseal/CodeUltraFeedback, MIT. Every two answers with
different ratings make a pair; the aspect is the criterion. Ratings (1 to 5) are text and may be "N/A".
Responses and annotations are joined by the name of the model, not by position.
"""

from collections.abc import Iterator

from pairs.errors import BadRow, SetAside, shown
from pairs.schema import Pair
from sources._shapes import Rated, ranked, rating
from sources._source import Row, Source

source = Source(
    repo="coseal/CodeUltraFeedback",
    revision="2f4ced783997f4dc4ef58c3eca490af04c7f1b79",
    files={"train": ("data/train-*.parquet",)},
    licence="MIT",
    label_source="model",
    citation="Weyssow et al. 2024, arXiv:2403.09032",
    example={
        "instruction": "Write a function that adds two numbers.",
        "preference": "code-readability",
        "models": ["model-a", "model-b"],
        "responses": [
            {"model": "model-a", "response": "def add(first, second):\n    return first + second"},
            {"model": "model-b", "response": "f=lambda a,b:a+b"},
        ],
        "annotations": [
            {"model": "model-b", "rating": "2", "rationale": "The name says nothing."},
            {"model": "model-a", "rating": "5", "rationale": "Plain names."},
        ],
    },
)


def pairs(row: Row) -> Iterator[Pair | SetAside]:
    judged = {annotation["model"]: annotation for annotation in row["annotations"]}
    names = [response["model"] for response in row["responses"]]
    if len(judged) != len(row["annotations"]) or set(judged) != set(names) or len(set(names)) != len(names):
        raise BadRow("models_differ", f"annotations of {shown(sorted(judged))}, responses of {shown(names)}")
    for found in ranked([_rated(response, judged[response["model"]]) for response in row["responses"]]):
        if isinstance(found, SetAside):
            yield found
            continue
        chosen, rejected, difference = found
        yield Pair(
            prompt=row["instruction"],
            chosen=chosen.completion,
            rejected=rejected.completion,
            criterion=row["preference"],
            source_margin=difference,
            chosen_ratings=chosen.ratings,
            rejected_ratings=rejected.ratings,
            category="code",
            extra={
                "chosen_model": chosen.model,
                "rejected_model": rejected.model,
                "chosen_rationale": judged[chosen.model]["rationale"],
                "rejected_rationale": judged[rejected.model]["rationale"],
            },
        )


def _rated(response: Row, annotation: Row) -> Rated:
    score = rating(annotation["rating"])
    return Rated(response["response"], score, {"rating": score}, response["model"])
