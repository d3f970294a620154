"""LLaVA-Critic: GPT-4o compares two answers about a picture and says why. The pairwise part.

40,154 rows in five Parquet files with embedded pictures; the 72,782 rows of the pointwise part are not read.
https://huggingface.co/datasets/lmms-lab/llava-critic-113k, Apache-2.0. Question and responses stand in brackets
inside a judge prompt, the verdict in the reply to it; ties are common. The arena layout with verdicts such as
[[A>B]], said to occur in the pointwise part, is read too. Layouts were taken from a public loader, not from rows:
a prompt or verdict of another form makes a bad row. Many questions come from sets that are sources here as well.
"""

import re
from collections.abc import Iterator

from pairs.errors import BadRow, SetAside, shown
from pairs.schema import Pair
from sources._shapes import PIXELS_PNG, image_bytes
from sources._source import Row, Source
from sources._turns import unmarked

source = Source(
    repo="lmms-lab/llava-critic-113k",
    revision="7aa893ac47197c8300d7399d921836e12ceb5499",
    files={"train": ("pairwise/train-*.parquet",)},
    licence="Apache-2.0",
    label_source="model",
    modality="image",
    citation="Xiong et al. 2024, arXiv:2410.02712",
    example={
        "id": "vlfeedback_1",
        "source": "vlfeedback",
        "image": {"bytes": PIXELS_PNG, "path": None},
        "conversations": [
            {
                "from": "human",
                "value": "<image>\nBe a fair judge of two answers.\nQuestion: [What is the cat doing?]\n"
                "The first response: [It sleeps on a chair.]\nThe second response: [It hunts.]\nASSISTANT:\n",
            },
            {"from": "gpt", "value": "The cat's eyes are closed, so it sleeps. The better response: [first]"},
        ],
    },
)

_LAYOUTS = (
    re.compile(
        r"Question: \[(.*?)\]\s*\n\s*(?:The first response|Response [1A]): \[(.*?)\]\s*\n\s*"
        r"(?:The second response|Response [2B]): \[(.*)\]",
        re.DOTALL,
    ),
    re.compile(
        r"<\|User Prompt\|>(.*?)<\|The Start of Assistant A's Answer\|>(.*?)<\|The End of Assistant A's Answer\|>"
        r"\s*<\|The Start of Assistant B's Answer\|>(.*?)<\|The End of Assistant B's Answer\|>",
        re.DOTALL,
    ),
)
_VERDICT = re.compile(r"The better response: \[(\w+)\]|\[\[([AB][<>=]{1,2}[AB])\]\]")
_FIRST = {"first": True, "1": True, "a": True, "second": False, "2": False, "b": False}
_CODES = {"A>>B": 2, "A>B": 1, "A=B": 0, "B>A": -1, "B>>A": -2}


def pairs(row: Row) -> Iterator[Pair]:
    asked, judged = (turn["value"] for turn in row["conversations"])
    found = next(filter(None, (layout.search(asked) for layout in _LAYOUTS)), None)
    if found is None:
        raise BadRow("judge_prompt_not_known", f"{shown(asked)}, expected a question and two responses")
    question, *responses = (part.strip() for part in found.groups())
    first, margin = _verdict(judged)
    yield Pair(
        prompt=unmarked(question),
        chosen=responses[0 if first else 1],
        rejected=responses[1 if first else 0],
        images=[image_bytes(row["image"])],
        source_margin=margin,
        rationale=judged,
        category=row["source"],
        extra={"id": row["id"]},
    )


def _verdict(judged: str) -> tuple[bool, float | None]:
    """Whether the first response is better, and by how much where the judge says so."""
    verdicts = _VERDICT.findall(judged)
    word, code = verdicts[-1] if verdicts else ("", "")
    if word.lower() in _FIRST:
        return _FIRST[word.lower()], None
    if _CODES.get(code):
        return _CODES[code] > 0, float(abs(_CODES[code]))
    if code == "A=B" or (not verdicts and "equally good" in judged[-300:]):
        raise SetAside("tie", f"the verdict is {shown(code or 'equally good')}")
    raise BadRow("verdict_not_known", f"{shown(judged[-80:])}, expected which response is better")
