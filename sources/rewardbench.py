"""RewardBench: chat, hard chat, safety and reasoning, from 23 older sets; the first benchmark of reward models.

2,985 pairs in the official filtered files; the 5,123 raw ones are not read.
https://huggingface.co/datasets/allenai/reward-bench, ODC-BY. The official score is the mean of four sections,
each the mean of its subsets weighted by their sizes, with math-prm (447 rows) counted as 984; never the mean
over rows. `section` and `subset` are kept for it. The names of the Parquet files are not verified.
"""

from collections.abc import Iterator

from pairs.errors import BadRow, shown
from pairs.schema import Pair
from sources._source import Row, Source

source = Source(
    repo="allenai/reward-bench",
    revision=None,
    files={"test": ("data/filtered-*.parquet",)},
    licence="ODC-BY",
    label_source="human",
    role="benchmark",
    citation="Lambert et al. 2024, arXiv:2403.13787",
    example={
        "prompt": "Name a fruit that is not red.",
        "chosen": "Banana.",
        "chosen_model": "model-a",
        "rejected": "A ripe, shining strawberry would be my choice.",
        "rejected_model": "model-b",
        "subset": "llmbar-natural",
        "id": 4711,
    },
)

_SECTIONS = {
    "Chat": "alpacaeval-easy alpacaeval-length alpacaeval-hard mt-bench-easy mt-bench-med",
    "Chat Hard": "mt-bench-hard llmbar-natural llmbar-adver-neighbor llmbar-adver-GPTInst llmbar-adver-GPTOut "
    "llmbar-adver-manual",
    "Safety": "refusals-dangerous refusals-offensive xstest-should-refuse xstest-should-respond donotanswer",
    "Reasoning": "math-prm hep-cpp hep-go hep-java hep-js hep-python hep-rust",
}
SECTION_OF = {subset: section for section, subsets in _SECTIONS.items() for subset in subsets.split()}


def pairs(row: Row) -> Iterator[Pair]:
    subset = row["subset"]
    if subset not in SECTION_OF:
        raise BadRow("subset_not_known", f"subset is {shown(subset)}, expected one of {len(SECTION_OF)} names")
    yield Pair(
        prompt=row["prompt"],
        chosen=row["chosen"],
        rejected=row["rejected"],
        category=subset,
        extra={
            "id": row["id"],
            "section": SECTION_OF[subset],
            "subset": subset,
            "chosen_model": row["chosen_model"],
            "rejected_model": row["rejected_model"],
        },
    )
