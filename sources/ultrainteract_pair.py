"""UltraInteract: a right and a wrong next action in a tree of attempts at maths, code and logic problems.

219,522 rows on some 86,000 instructions. https://huggingface.co/datasets/openbmb/UltraInteract_pair, MIT. The
trajectory starts with the instruction and can hold earlier attempts, with the environment's feedback as user
turns. Checks of the final answer or test cases decide. Many rows share one root: `parent_id` is the group to
split by.
"""

from collections.abc import Iterator

from pairs.errors import BadRow, shown
from pairs.schema import Message, Pair
from sources._source import Row, Source

source = Source(
    repo="openbmb/UltraInteract_pair",
    revision="3692843c72c3a297c7914cdf76c0ffce5e38a234",
    files={"train": ("0000_pair.parquet",)},
    licence="MIT",
    label_source="rule",
    citation="Yuan et al. 2024, arXiv:2404.02078",
    example={
        "task": "Math_CoT",
        "dataset": "invented",
        "trajectory": [
            {"from": "user", "value": "A box holds 6 eggs. How many eggs are in 7 boxes?"},
            {"from": "assistant", "value": "6 + 7 = 13"},
            {"from": "user", "value": "Your answer is wrong."},
        ],
        "chosen": "6 times 7 is 42.",
        "rejected": "6 plus 6 is 12.",
        "id": "0a1b_1_0",
        "parent_id": "0a1b",
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    yield Pair(
        prompt=_messages(row["trajectory"]),
        chosen=row["chosen"],
        rejected=row["rejected"],
        criterion="correctness",
        category=row["task"],
        extra={"group": row["parent_id"], "id": row["id"], "dataset": row["dataset"]},
    )


def _messages(trajectory: list[Row]) -> list[Message]:
    speakers = [turn["from"] for turn in trajectory]
    if not speakers or set(speakers) - {"user", "assistant"} or speakers[-1] != "user":
        raise BadRow(
            "speaker_not_known", f"speakers are {shown(speakers)}, expected user and assistant, user last"
        )
    return [{"role": turn["from"], "content": turn["value"]} for turn in trajectory]
