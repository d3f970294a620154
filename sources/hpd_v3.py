"""HPDv3: two pictures made from one prompt or a real photo beside them, compared by people.

Some 1.17 million pairs. https://huggingface.co/datasets/MizzenAI/HPDv3, MIT. The completions are pictures,
in the parts images.tar.gz.000, ...: each reading process passes over them once before its first row; unpacked into
a folder images they are read faster. `path1` is always the better one. `confidence` becomes the margin where it is
there; `choice_dist`, the votes, is null for the parts taken from Discord and HPDv2. Types of both, how the parts
are numbered and the paths' beginning are not verified. The official splits share prompts and pictures.
"""

from collections.abc import Iterator

from pairs.schema import Pair
from sources._shapes import rating
from sources._source import Row, Source

source = Source(
    repo="MizzenAI/HPDv3",
    revision=None,
    files={"train": ("train.json",), "test": ("test.json",)},
    media=("images.tar.gz",),
    licence="MIT",
    label_source="human",
    modality="to_image",
    citation="Ma et al. 2025, arXiv:2508.03789",
    optional=frozenset({"model1", "model2", "source", "confidence", "choice_dist"}),
    example={
        "prompt": "A harbour at dawn with three boats.",
        "path1": "images/harbour_a.jpg",
        "path2": "images/harbour_b.jpg",
        "model1": "model-a",
        "model2": "model-b",
        "source": "coco",
        "confidence": 0.93,
        "choice_dist": [9, 1],
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    yield Pair(
        prompt=row["prompt"],
        chosen="",
        rejected="",
        chosen_images=[row["path1"]],
        rejected_images=[row["path2"]],
        source_margin=rating(row.get("confidence")),
        category=row.get("source"),
        extra={
            "chosen_model": row.get("model1"),
            "rejected_model": row.get("model2"),
            "choice_dist": row.get("choice_dist"),
        },
    )
