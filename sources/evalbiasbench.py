"""EvalBiasBench: does a judge fall for length, empty reference, familiar knowledge or other surface features?

80 rows in six kinds of bias. https://github.com/ncsoft/offsetbias (data/evalbiasbench/biasbench.json),
BSD-3-Clause. `label` is the better response; it is 1 in every row, so judges that see both must be shown them in
both orders. The file is a mapping of bias to rows. Some texts come from LLMBar.
"""

from collections.abc import Iterator

from pairs.errors import BadRow, shown
from pairs.schema import Pair
from sources._source import Row, Source

source = Source(
    repo="github:ncsoft/offsetbias",
    revision=None,
    folder="data/evalbiasbench",
    files={"test": ("biasbench.json",)},
    licence="BSD-3-Clause",
    label_source="human",
    role="benchmark",
    citation="Park et al. 2024, arXiv:2407.06551",
    example={
        "bias": "length bias",
        "instruction": "Name one prime number.",
        "response1": "7",
        "response2": "Prime numbers are fascinating, and there are many of them: 9, for one.",
        "label": 1,
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    label = row["label"]
    if type(label) is not int or label not in (1, 2):
        raise BadRow("label_not_known", f"label is {shown(label)}, expected 1 or 2")
    chosen, rejected = ("response1", "response2") if label == 1 else ("response2", "response1")
    yield Pair(
        prompt=row["instruction"],
        chosen=row[chosen],
        rejected=row[rejected],
        category=row["bias"],
        extra={"label": label},
    )
