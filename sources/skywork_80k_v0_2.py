"""Skywork's reward preferences 80K v0.2: a mixture of four public sets, chosen for reward models.

77,016 rows. https://huggingface.co/datasets/Skywork/Skywork-Reward-Preference-80K-v0.2; the card names no
licence, the parts have their own. Parts of HelpSteer2, OffsetBias, WildGuard and several Magpie sets, so most
pairs stand in another source as well. Version 0.1 held 4,957 more pairs that overlap RewardBench. Labels come
from people in the HelpSteer2 part and from models or construction elsewhere; how `source` spells the parts is
not verified beyond "magpie_ultra", nor is the name of the file.
"""

from collections.abc import Iterator

from pairs.schema import Pair
from sources._source import Row, Source
from sources._turns import replies

source = Source(
    repo="Skywork/Skywork-Reward-Preference-80K-v0.2",
    revision=None,
    files={"train": ("data/train-*.parquet",)},
    licence="not stated",
    label_source="model",
    citation="Liu et al. 2024, arXiv:2410.18451",
    example={
        "chosen": [
            {"content": "What is 15 % of 80?", "role": "user"},
            {"content": "0.15 times 80 is 12.", "role": "assistant"},
        ],
        "rejected": [
            {"content": "What is 15 % of 80?", "role": "user"},
            {"content": "15 % of 80 is 15.", "role": "assistant"},
        ],
        "source": "magpie_ultra",
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    prompt, chosen, rejected = replies(row["chosen"], row["rejected"])
    yield Pair(
        prompt=prompt,
        chosen=chosen,
        rejected=rejected,
        label_source="human" if "helpsteer" in row["source"].lower() else None,
        category=row["source"],
    )
