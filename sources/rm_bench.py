"""RM-Bench: does a reward model see what is right through style? Three styles of a right and of a wrong answer.

1,327 prompts in five files named by domain (chat 129, math 529, code 228, safety-refuse 284, safety-response
157); the file with all of them is not read. https://github.com/THU-KEG/RM-Bench (data/), ODC-BY on the hub.
Styles are 0 concise, 1 detailed in plain text, 2 detailed in Markdown; each right answer meets each wrong one, 9
pairs a row. Equal answers of two styles make one pair, so `chosen_styles` and `rejected_styles` are lists. The
official score averages a 3 by 3 matrix per domain, both files of safety pooled; easy and hard are its two
triangles. Ids repeat across files, so `group` holds both. The columns of math beyond the lists are not verified.
The prompts come from the same families as RewardBench's.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from pairs.errors import BadRow, shown
from pairs.schema import Pair
from sources._distinct import distinct
from sources._source import Row, Source

source = Source(
    repo="github:THU-KEG/RM-Bench",
    revision=None,
    folder="data",
    files={"test": ("*_filtered.json",)},
    licence="ODC-BY",
    label_source="constructed",
    role="benchmark",
    optional=frozenset({"subset", "language", "task_id", "error_key", "error"}),
    citation="Liu et al. 2024, arXiv:2410.16184",
    example={
        "id": 4711,
        "prompt": "What melts at 0 degrees Celsius?",
        "chosen": ["Ice.", "Ice melts at that temperature.", "**Ice** melts at that temperature."],
        "rejected": ["Wax.", "Wax melts at that temperature.", "**Wax** melts at that temperature."],
        "subset": "alpacaeval",
        "error_key": "the substance",
        "error": "wax melts far above it",
        "_file": "chat_filtered.json",
    },
)

_DOMAINS = ("chat", "math", "code", "safety")


def pairs(row: Row) -> Iterator[Pair]:
    right, wrong = row["chosen"], row["rejected"]
    if any(type(answers) is not list or len(answers) != 3 for answers in (right, wrong)):
        raise BadRow("styles_not_three", f"chosen is {shown(right)}, expected three styles on each side")
    part = PurePosixPath(row["_file"]).name.removesuffix("_filtered.json")
    domain = part.partition("-")[0]
    if domain not in _DOMAINS:
        raise BadRow("domain_not_known", f"the file is named {part}, expected one of {', '.join(_DOMAINS)}")
    rest = {key: row.get(key) for key in ("subset", "language", "task_id", "error_key", "error")}
    for chosen, chosen_styles in distinct(right, "chosen").items():
        for rejected, rejected_styles in distinct(wrong, "rejected").items():
            yield Pair(
                prompt=row["prompt"],
                chosen=chosen,
                rejected=rejected,
                category=domain,
                extra={
                    "group": f"{part}:{row['id']}",
                    "chosen_styles": chosen_styles,
                    "rejected_styles": rejected_styles,
                    **rest,
                },
            )
