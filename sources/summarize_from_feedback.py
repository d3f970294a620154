"""Summaries of Reddit posts and news articles, two at a time, compared by people.

Some 92,900 train and 86,100 validation rows. https://huggingface.co/datasets/openai/summarize_from_feedback; no
licence is stated for the labels, the posts of TL;DR are CC BY 4.0. The repository holds a loading script, so
this reads the hub's own conversion to Parquet, whose commit lies beside the main branch. `choice` is the index
of the better summary, from zero. The data holds no instruction: the prompt is worded here. News rows have an
article instead of a post. The rater's confidence is kept in `extra` and is no margin: on a scale from one summary
to the other, which it may be, the lowest number is as sure as the highest.
One post has many rows: its id is the group. The part `axis` has no pairs and is not read.
"""

from collections.abc import Iterator

from pairs.errors import BadRow, shown
from pairs.schema import Pair
from sources._source import Row, Source

source = Source(
    repo="openai/summarize_from_feedback",
    revision="195fc27ff714b2aff32ab8aba9bbee1d35663700",
    files={"train": ("comparisons/train/*.parquet",), "validation": ("comparisons/validation/*.parquet",)},
    licence="not stated",
    label_source="human",
    citation="Stiennon et al. 2020, arXiv:2009.01325",
    example={
        "info": {
            "id": "t3_1",
            "post": "My neighbour's rooster crows at four. I asked him twice to keep it inside and he laughed.",
            "title": "What can I do about a rooster?",
            "subreddit": "relationships",
            "site": None,
            "article": None,
        },
        "summaries": [
            {"text": "Rooster.", "policy": "sup2", "note": None},
            {"text": "Neighbour's rooster wakes me at four and he will not help.", "policy": "ref", "note": None},
        ],
        "choice": 1,
        "worker": "w1",
        "batch": "batch3",
        "split": "train",
        "extra": {"confidence": 7},
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    choice, summaries, info = row["choice"], row["summaries"], row["info"]
    if type(choice) is not int or choice not in (0, 1) or len(summaries) != 2:
        raise BadRow("choice_not_known", f"choice is {shown(choice)} of {len(summaries)}, expected 0 or 1 of 2")
    chosen, rejected = summaries[choice], summaries[1 - choice]
    yield Pair(
        prompt=_prompt(info),
        chosen=chosen["text"],
        rejected=rejected["text"],
        criterion="summary_quality",
        category=info["subreddit"] or info["site"],
        extra={
            "group": info["id"],
            "confidence": (row["extra"] or {}).get("confidence"),
            "site": info["site"],
            "chosen": {"policy": chosen["policy"], "note": chosen["note"]},
            "rejected": {"policy": rejected["policy"], "note": rejected["note"]},
            "worker": row["worker"],
            "batch": row["batch"],
            "split": row["split"],
        },
    )


def _prompt(info: Row) -> str:
    text = info["post"] or info["article"]
    if not isinstance(text, str) or not text.strip():
        raise BadRow("prompt_empty", f"post is {shown(info['post'])} and article {shown(info['article'])}")
    kind = "post" if info["post"] else "news article"
    title = "Title: " + info["title"] + "\n\n" if info["title"] else ""
    return f"Summarize this {kind} in a few sentences.\n\n" + title + text
