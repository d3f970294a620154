"""OffsetBias: answers that look good against answers that are good, made to cure biases of judges.

8,504 rows. https://huggingface.co/datasets/NCSOFT/offsetbias, BSD-3-Clause. `label` is 1 or 2, the better
output. Instructions come from Alpaca, UltraChat, Evol-Instruct and Flan. The authors mean it as a supplement to
other data; Skywork's 80K holds part of it. The name of the file is not verified.
"""

from collections.abc import Iterator

from pairs.errors import BadRow, shown
from pairs.schema import Pair
from sources._source import Row, Source

source = Source(
    repo="NCSOFT/offsetbias",
    revision=None,
    files={"train": ("train.jsonl", "train.json", "data/train.jsonl", "data/train.json")},
    licence="BSD-3-Clause",
    label_source="constructed",
    citation="Park et al. 2024, arXiv:2407.06551",
    example={
        "instruction": "Give the boiling point of water at sea level.",
        "output_1": "Water is a remarkable substance whose boiling point has fascinated scholars for centuries.",
        "output_2": "100 degrees Celsius.",
        "label": 2,
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    label = row["label"]
    if type(label) is not int or label not in (1, 2):
        raise BadRow("label_not_known", f"label is {shown(label)}, expected 1 or 2")
    chosen, rejected = ("output_1", "output_2") if label == 1 else ("output_2", "output_1")
    yield Pair(prompt=row["instruction"], chosen=row[chosen], rejected=row[rejected])
