"""Helpful and harmless dialogues with an assistant, compared by crowd workers. Holds offensive text.

160,800 train and 8,552 test rows in four folders. https://huggingface.co/datasets/Anthropic/hh-rlhf, MIT. A row
is two whole dialogues as strings that should differ in the last reply only. Of the 5,803 test rows at hand 14
differ before it, 2 end with the human and 10 have one side speak twice in a row. The word "Human:" also occurs
inside turns; only the marker after a blank line starts one. Train counts come from the literature. The folder
`red-team-attempts` has no preferences and is not read.
"""

import re
from collections.abc import Iterator

from pairs.errors import BadRow, SetAside, shown
from pairs.schema import Pair
from sources._source import Row, Source

source = Source(
    repo="Anthropic/hh-rlhf",
    revision=None,
    files={"train": ("*/train.jsonl.gz",), "test": ("*/test.jsonl.gz",)},
    licence="MIT",
    label_source="human",
    citation="Bai et al. 2022, arXiv:2204.05862",
    example={
        "chosen": "\n\nHuman: My bread never rises.\n\nAssistant: Is your yeast fresh?\n\nHuman: A year old."
        "\n\nAssistant: Then that is the likely reason: try a new packet.",
        "rejected": "\n\nHuman: My bread never rises.\n\nAssistant: Is your yeast fresh?\n\nHuman: A year old."
        "\n\nAssistant: Bread is a staple food in many countries.",
        "_file": "helpful-base/train.jsonl.gz",
    },
)

_MARKERS = "\n\nHuman:", "\n\nAssistant:"
_MARKER = re.compile(r"\n\n(Human|Assistant):(?: |\Z)")
_ROLES = {"Human": "user", "Assistant": "assistant"}


def pairs(row: Row) -> Iterator[Pair]:
    chosen = _parts(row["chosen"])
    rejected = _other_reply(row, chosen)
    if rejected is None:
        rejected = _same_prompt(chosen, _parts(row["rejected"]))
    if chosen[-2] != "Assistant":
        raise SetAside("last_turn_not_the_assistants", "the dialogue ends with the human")
    if chosen[::2] != ["Human", "Assistant"] * (len(chosen) // 4):
        raise SetAside("turns_do_not_alternate", "one side speaks twice in a row")
    folder = row["_file"].partition("/")[0]
    yield Pair(
        prompt=[
            {"role": _ROLES[speaker], "content": text}
            for speaker, text in zip(chosen[:-2:2], chosen[1:-2:2], strict=True)
        ],
        chosen=chosen[-1],
        rejected=rejected,
        criterion="harmlessness" if folder.startswith("harmless") else "helpfulness",
        category=folder,
    )


def _other_reply(row: Row, chosen: list[str]) -> str | None:
    """The reply of `rejected` if the dialogues differ in the last reply only, as in nearly all rows; else None."""
    rejected, reply = row["rejected"], chosen[-1]
    shared = row["chosen"][: -len(reply)]
    if not shared or not isinstance(rejected, str) or not rejected.startswith(shared):
        return None
    other = rejected[len(shared) :]
    return None if _MARKERS[0] in other or _MARKERS[1] in other else other


def _same_prompt(chosen: list[str], rejected: list[str]) -> str:
    if chosen[-2] != "Assistant" or rejected[-2] != "Assistant":
        raise SetAside("last_turn_not_the_assistants", "the dialogue ends with the human")
    if chosen[:-2] != rejected[:-2]:
        turns = len(chosen) // 2, len(rejected) // 2
        raise SetAside("prompts_differ", f"{turns[0]} and {turns[1]} turns that differ before the last")
    return rejected[-1]


def _parts(dialogue: str) -> list[str]:
    """A dialogue of two turns or more as speaker, text, speaker, text, ..."""
    before, *parts = _MARKER.split(dialogue)
    if before.strip() or len(parts) < 4:
        raise BadRow("dialogue_not_marked", f"{shown(dialogue)}, expected turns after Human: and Assistant:")
    return parts
