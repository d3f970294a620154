"""Stanford Human Preferences: two comments on one post in an advice forum, the one with more votes is preferred.

348,718 train, 18,436 validation and 18,409 test rows from 18 forums.
https://huggingface.co/datasets/stanfordnlp/SHP; the card gives no licence but the terms of Reddit's API. Votes,
not raters, decide: `labels` is 1 when A is preferred and 0 when B is. The margin is `score_ratio`, winner over
loser, at least 1; many users keep pairs from 2 up and at most five per post. One post makes many pairs: its id
is the group, and the dataset splits by post. Files are JSON lines named .json.
"""

from collections.abc import Iterator

from pairs.errors import BadRow, shown
from pairs.schema import Pair
from sources._source import Row, Source

source = Source(
    repo="stanfordnlp/SHP",
    revision="ff19d325b725bce35d7b78b8c6a588c13a75befc",
    files={"train": ("*/train.json",), "validation": ("*/validation.json",), "test": ("*/test.json",)},
    licence="Reddit API terms",
    label_source="implicit",
    citation="Ethayarajh et al. 2022, ICML",
    example={
        "post_id": "p7",
        "domain": "askculinary_train",
        "upvote_ratio": 0.97,
        "history": "My soup is too salty. Can I save it?",
        "c_root_id_A": "c1",
        "c_root_id_B": "c2",
        "created_at_utc_A": 1600000000,
        "created_at_utc_B": 1600000900,
        "score_A": 4,
        "score_B": 20,
        "human_ref_A": "No.",
        "human_ref_B": "Add unsalted stock and a potato, then taste again.",
        "labels": 0,
        "seconds_difference": 900.0,
        "score_ratio": 5.0,
    },
)

_FACTS = (
    "upvote_ratio",
    "c_root_id_A",
    "c_root_id_B",
    "created_at_utc_A",
    "created_at_utc_B",
    "seconds_difference",
)


def pairs(row: Row) -> Iterator[Pair]:
    label = row["labels"]
    if type(label) is not int or label not in (0, 1):
        raise BadRow("label_not_known", f"labels is {shown(label)}, expected 0 or 1")
    chosen, rejected = ("A", "B") if label == 1 else ("B", "A")
    yield Pair(
        prompt=row["history"],
        chosen=row[f"human_ref_{chosen}"],
        rejected=row[f"human_ref_{rejected}"],
        criterion="helpfulness",
        source_margin=row["score_ratio"],
        chosen_ratings={"votes": row[f"score_{chosen}"]},
        rejected_ratings={"votes": row[f"score_{rejected}"]},
        category=row["domain"].rpartition("_")[0],
        language="en",
        extra={"group": row["post_id"], "chosen": chosen, **{fact: row[fact] for fact in _FACTS}},
    )
