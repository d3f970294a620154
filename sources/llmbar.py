"""LLMBar: does a judge see which of two outputs follows the instruction? Includes three processed older sets.

885 rows. https://github.com/princeton-nlp/LLMBar (Dataset/), MIT. Natural has 100 pairs, Adversarial 319 in four
folders whose worse outputs are made to look better; Processed holds the authors' cuts of FairEval (66),
LLMEval^2 (200) and MT-Bench (200). `label` is 1 or 2, the better output. RewardBench contains the first two.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from pairs.errors import BadRow, shown
from pairs.schema import Pair
from sources._source import Row, Source

source = Source(
    repo="github:princeton-nlp/LLMBar",
    revision=None,
    folder="Dataset",
    files={
        "natural": ("LLMBar/Natural/dataset.json",),
        "adversarial": ("LLMBar/Adversarial/*/dataset.json",),
        "processed": ("Processed/*/dataset.json",),
    },
    licence="MIT",
    label_source="human",
    role="benchmark",
    citation="Zeng et al. 2023, arXiv:2310.07641",
    example={
        "input": "Name a fruit that is not red.",
        "output_1": "A ripe, shining strawberry would be my choice.",
        "output_2": "Banana.",
        "label": 2,
        "_file": "LLMBar/Adversarial/Manual/dataset.json",
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    label = row["label"]
    if type(label) is not int or label not in (1, 2):
        raise BadRow("label_not_known", f"label is {shown(label)}, expected 1 or 2")
    chosen, rejected = ("output_1", "output_2") if label == 1 else ("output_2", "output_1")
    folder = PurePosixPath(row["_file"]).parent
    yield Pair(
        prompt=row["input"],
        chosen=row[chosen],
        rejected=row[rejected],
        criterion="overall" if folder.parts[0] == "Processed" else "instruction_following",
        category="/".join(folder.parts[1:]),
    )
