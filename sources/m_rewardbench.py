"""M-RewardBench: RewardBench translated into 23 languages.

2,869 pairs per language. https://huggingface.co/datasets/CohereLabsCommunity/multilingual-reward-bench, ODC-BY
as far as known. The official score is RewardBench's per language (four sections, subsets weighted by their
sizes, math-prm counted as 983), then the mean over languages. `language` is a FLORES code such as deu_Latn. The
part on translation has another task and is not read. One folder per language with Parquet files is the hub's
habit, not verified. English text search does not find these prompts: compare by `id`.
"""

from collections.abc import Iterator

from pairs.errors import BadRow, shown
from pairs.schema import Pair
from sources._source import Row, Source
from sources.rewardbench import SECTION_OF

source = Source(
    repo="CohereLabsCommunity/multilingual-reward-bench",
    revision=None,
    files={"test": ("???_????/test-*.parquet",)},
    licence="ODC-BY",
    label_source="human",
    role="benchmark",
    citation="Gureja et al. 2024, arXiv:2410.15522",
    example={
        "id": 4711,
        "language": "deu_Latn",
        "prompt": "Nenne eine Frucht, die nicht rot ist.",
        "chosen": "Banane.",
        "rejected": "Eine reife Erdbeere.",
        "chosen_model": "model-a",
        "rejected_model": "model-b",
        "source": "llmbar-natural",
        "category": "Chat Hard",
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    subset = row["source"]
    if subset not in SECTION_OF:  # the official score would pass over it
        raise BadRow("subset_not_known", f"source is {shown(subset)}, expected one of {len(SECTION_OF)} names")
    yield Pair(
        prompt=row["prompt"],
        chosen=row["chosen"],
        rejected=row["rejected"],
        category=subset,
        language=row["language"],
        extra={
            "id": row["id"],
            "section": row["category"],
            "subset": subset,
            "chosen_model": row["chosen_model"],
            "rejected_model": row["rejected_model"],
        },
    )
