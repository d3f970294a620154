"""ImageRewardDB: four to nine pictures made from one prompt, ranked and rated by trained annotators.

Some 137,000 pairs: 8,878 prompts in all, 412 for validation, 466 for test; ties are common.
https://huggingface.co/datasets/zai-org/ImageRewardDB (once THUDM), Apache-2.0. The completions are pictures.
Rank 1 is the best. On the hub a row is one picture, and rows of one prompt follow each other; the pictures of
images/train/train_1/train_1.json are in the zip of its shard, images/train/train_1.zip or one beside the rows:
which of the two, and whether it repeats the folders, is not verified. The test file on GitHub (THUDM/ImageReward,
data/test.json) has one row per prompt, with `generations` and `ranking`, and is read as well.
"""

from collections.abc import Iterator

from pairs.errors import BadRow, SetAside, shown
from pairs.schema import Pair
from sources._shapes import Rated, ranked, rating
from sources._source import Row, Source

source = Source(
    repo="zai-org/ImageRewardDB",
    revision=None,
    files={
        "train": ("images/train/*/train_*.json",),
        "validation": ("images/validation/*/validation_*.json",),
        "test": ("images/test/*/test_*.json", "test.json"),
    },
    media=("images/*/*.zip", "images/*/*/*.zip"),
    group_by=("prompt_id", "id"),  # `id` tells the rows of the GitHub file apart
    licence="Apache-2.0",
    label_source="human",
    modality="to_image",
    citation="Xu et al. 2023, arXiv:2304.05977",
    optional=frozenset(  # either form lacks the columns of the other
        {
            "image_path",
            "prompt_id",
            "classification",
            "image_amount_in_total",
            "rank",
            "overall_rating",
            "image_text_alignment_rating",
            "fidelity_rating",
            "id",
            "generations",
            "ranking",
        }
    ),
    example={
        "rows": [
            {
                "image_path": f"images/train/train_1/0017_{place}.webp",
                "prompt_id": "000017-0004",
                "prompt": "an owl reading a newspaper, ink drawing",
                "classification": "Animals",
                "image_amount_in_total": 2,
                "rank": place,
                "overall_rating": 7 - place,
                "image_text_alignment_rating": 6,
                "fidelity_rating": 8 - place,
            }
            for place in (1, 2)
        ]
    },
)

_ASPECTS = ("overall_rating", "image_text_alignment_rating", "fidelity_rating")


def pairs(row: Row) -> Iterator[Pair | SetAside]:
    first = row["rows"][0]
    for found in ranked(_of_one_row(first) if "generations" in first else _of_rows(row["rows"])):
        if isinstance(found, SetAside):
            yield found
            continue
        chosen, rejected, difference = found
        yield Pair(
            prompt=first["prompt"],
            chosen="",
            rejected="",
            chosen_images=[chosen.completion],
            rejected_images=[rejected.completion],
            source_margin=difference,
            chosen_ratings=chosen.ratings,
            rejected_ratings=rejected.ratings,
            category=first.get("classification"),
            extra={"group": first.get("prompt_id", first.get("id"))},
        )


def _of_one_row(row: Row) -> list[Rated]:
    return [Rated(path, _score(rank)) for path, rank in zip(row["generations"], row["ranking"], strict=True)]


def _of_rows(rows: list[Row]) -> list[Rated]:
    if any(row["image_amount_in_total"] != len(rows) or row["prompt"] != rows[0]["prompt"] for row in rows):
        amount = shown(rows[0]["image_amount_in_total"])
        raise BadRow("group_not_whole", f"{len(rows)} rows follow each other, expected {amount} of one prompt")
    return [
        Rated(row["image_path"], _score(row["rank"]), {name: rating(row[name]) for name in _ASPECTS})
        for row in rows
    ]


def _score(rank: object) -> float:
    if type(rank) is not int or not 1 <= rank <= 100:
        raise BadRow("rank_not_known", f"rank is {shown(rank)}, expected 1 for the best to 100")
    return -float(rank)
