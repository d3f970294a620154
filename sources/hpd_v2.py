"""HPDv2: two pictures made from one prompt, compared by people; in the test split, several ranked by ten people.

Some 645,000 train rows, one pair each, and 400 test prompts. https://huggingface.co/datasets/ymhao/HPDv2,
Apache-2.0. The completions are pictures, in train.tar.gz (32 GB: each reading process passes over it once before
its first row; unpacked into a folder train it is read faster) and test.tar.gz.
`human_preference` is 1 for the better picture and 0 for the other. `rank` is a place averaged over annotators:
taken as lower is better, as the publishers' code scores it; pictures of equal rank are ties. Raw annotations hold
hashes of annotators.
"""

from collections.abc import Iterator

from pairs.errors import BadRow, SetAside, shown
from pairs.schema import Pair
from sources._shapes import Rated, ranked, rating
from sources._source import Row, Source

source = Source(
    repo="ymhao/HPDv2",
    revision=None,
    files={"train": ("train.json",), "test": ("test.json",)},
    media=("train.tar.gz", "test.tar.gz"),
    licence="Apache-2.0",
    label_source="human",
    modality="to_image",
    citation="Wu et al. 2023, arXiv:2306.09341",
    optional=frozenset({"file_path", "human_preference", "image_path", "rank", "raw_annotations"}),
    example={
        "prompt": "A bicycle leaning on a red wall.",
        "file_path": ["0001_a.jpg", "0001_b.jpg"],
        "human_preference": [0, 1],
    },
)


def pairs(row: Row) -> Iterator[Pair | SetAside]:
    if "human_preference" in row:
        yield _voted(row)
        return
    pictures = zip(row["image_path"], row["rank"], strict=True)
    answers = [Rated(path, _score(rank), {"rank": rating(rank)}) for path, rank in pictures]
    for found in ranked(answers):
        if isinstance(found, SetAside):
            yield found
            continue
        chosen, rejected, difference = found
        yield Pair(
            prompt=row["prompt"],
            chosen="",
            rejected="",
            chosen_images=[chosen.completion],
            rejected_images=[rejected.completion],
            source_margin=difference,
            chosen_ratings=chosen.ratings,
            rejected_ratings=rejected.ratings,
            extra={"raw_annotations": row.get("raw_annotations")},
        )


def _score(rank: object) -> float | None:
    place = rating(rank)
    return None if place is None else -place


def _voted(row: Row) -> Pair:
    first, second = row["file_path"]
    votes = row["human_preference"]
    if votes not in ([1, 0], [0, 1]):
        if isinstance(votes, list) and len(votes) == 2 and votes[0] == votes[1]:
            raise SetAside("tie", f"human_preference is {shown(votes)}")
        raise BadRow("label_not_known", f"human_preference is {shown(votes)}, expected [1, 0] or [0, 1]")
    chosen, rejected = (first, second) if votes == [1, 0] else (second, first)
    return Pair(prompt=row["prompt"], chosen="", rejected="", chosen_images=[chosen], rejected_images=[rejected])
