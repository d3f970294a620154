"""Multimodal RewardBench: answers about pictures over six areas, from correctness to safety, labelled by experts.

5,211 rows in the paper, 4,711 released. https://github.com/facebookresearch/multimodal_rewardbench, CC BY-NC.
The publishers ship no texts or pictures for most rows: run their 0_download_data.py first, which writes
data/all_data.json and the folder of pictures. Only the file's columns, the six categories and the first letters of
ids that split reasoning into maths and coding, and safety into bias and toxicity, were read in code; the data was
not: a row of another category is refused, since the official figures would leave it out. Whether pictures lie
below data/ or beside it is not verified: both are tried.
"""

from collections.abc import Iterator

from pairs.errors import BadRow, shown
from pairs.schema import Pair
from sources._source import Row, Source

source = Source(
    repo="github:facebookresearch/multimodal_rewardbench",
    revision=None,
    files={"test": ("data/all_data.json", "all_data.json")},
    media=("data",),
    licence="CC-BY-NC-4.0",
    label_source="human",
    modality="image",
    role="benchmark",
    citation="Yasunaga et al. 2025, arXiv:2502.14191",
    example={
        "ID": "nocaps_471",
        "Text": "Describe the picture in one sentence.",
        "Image": "images/nocaps/471.jpg",
        "Output1": "A dog runs across a meadow with two cows.",
        "Output2": "A dog runs across a meadow.",
        "Better": "Output2",
        "Category": "open_generation/correctness_task",
    },
)

_OPEN = ("open_generation/correctness_task", "open_generation/preference_task")
_CATEGORIES = (*_OPEN, "knowledge", "reasoning", "safety", "vqa")
_PARTS = {"reasoning": ("math", "math", "coding"), "safety": ("pairs", "bias", "toxicity")}


def pairs(row: Row) -> Iterator[Pair]:
    if row["Text"] is None or row["Text"] == "":
        raise BadRow("text_not_filled", "Text is empty; run the publishers' 0_download_data.py first")
    better = row["Better"]
    if better not in ("Output1", "Output2"):
        raise BadRow("label_not_known", f"Better is {shown(better)}, expected Output1 or Output2")
    chosen, rejected = ("Output1", "Output2") if better == "Output1" else ("Output2", "Output1")
    category = row["Category"]
    if category not in _CATEGORIES:
        raise BadRow("category_not_known", f"Category is {shown(category)}, expected {', '.join(_CATEGORIES)}")
    yield Pair(
        prompt=row["Text"],
        chosen=row[chosen],
        rejected=row[rejected],
        images=[row["Image"]],
        category=category,
        extra={
            "id": row["ID"],
            "part": _part(row["ID"], category),
            "chosen_index": int(better == "Output2"),
            "rejected_index": int(better == "Output1"),
            "image": row["Image"],
        },
    )


def _part(name: str, category: str) -> str | None:
    """The half of an area that the official table reports apart."""
    if category not in _PARTS:
        return None
    start, first, second = _PARTS[category]
    return first if name.startswith(start) else second
