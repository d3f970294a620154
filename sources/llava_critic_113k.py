"""LLaVA-Critic: GPT-4o compares two answers about a picture and says why. The pairwise part.

40,154 rows in five Parquet files with embedded pictures; the 72,782 rows of the pointwise part are not read.
https://huggingface.co/datasets/lmms-lab/llava-critic-113k, Apache-2.0. Question and responses stand in brackets
inside a judge prompt that ends with "ASSISTANT:" or with the second response, the verdict in the reply to it: a
code such as [[A>B]], words in brackets, or a sentence that names the better response; ties are common. Layouts
were taken from public code, not from rows: a prompt that goes on after the responses, an answer whose end its
brackets leave open, and a verdict that names both or none make a bad row. Many questions come from sets that are
sources here as well.
"""

import re
from collections.abc import Iterator, Sequence

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

# What stands before the question, between it and the responses, and after them.
_ARENA = (
    re.compile(r"<\|User Prompt\|>"),
    re.compile(r"<\|The Start of Assistant A's Answer\|>"),
    re.compile(r"<\|The End of Assistant A's Answer\|>\s*<\|The Start of Assistant B's Answer\|>"),
    re.compile(r"<\|The End of Assistant B's Answer\|>"),
)
_BRACKETS = (
    re.compile(r"Question: \["),
    re.compile(r"\][^\S\n]*\n\s*(?:The first response|Response [1A]): \["),
    re.compile(r"\][^\S\n]*\n\s*(?:The second response|Response [2B]): \["),
    re.compile(r"\]\s*(?:ASSISTANT:\s*)?\Z"),
)
_CODES = {"A>>B": 2, "A>B": 1, "A=B": 0, "B>A": -1, "B>>A": -2}
_CODE = re.compile(r"\[\[([AB][<>=]{1,2}[AB])\]\]")
_STATED = re.compile(r"better response: \[(?:the )?(?:response )?(\w+)(?: response| good)?\]", re.IGNORECASE)
_TIE = re.compile(r"\[(?:equal|equally good|tie)\]|(?<!not )equally good", re.IGNORECASE)
_WHICH = r"(?:(first|second) (?:response|answer)|(?:response|answer|assistant) ([12ab]))"
_ADVERBS = "also|clearly|definitely|even|far|generally|indeed|much|overall|significantly|slightly|therefore|thus"
_NAMED = (
    re.compile(rf"\b{_WHICH} is (?:(?:{_ADVERBS}),? )*(?:the )?better\b(?! (?:at|for|if|in|on|when|with) )", re.I),
    re.compile(rf"\bbetter (?:response|answer|one) is (?:the )?{_WHICH}\b", re.I),
    re.compile(rf"(?:^|:)[^\w\n]{{0,9}}\[(?:the )?{_WHICH}\][^\w\n:]*$", re.I | re.M),
)
# What speaks for a response in one respect: no verdict, but against one for the other response.
_IN_PART = re.compile(rf"\b{_WHICH} is (?:(?:{_ADVERBS}),? )*better\b", re.I)
_SIDES = {"first": 0, "1": 0, "a": 0, "second": 1, "2": 1, "b": 1}


def pairs(row: Row) -> Iterator[Pair]:
    asked, judged = (turn["value"] for turn in row["conversations"])
    arena = _ARENA[0].search(asked) is not None
    question, *responses = _between(asked, _ARENA if arena else _BRACKETS)
    if not arena and not _whole(responses[1]):
        raise BadRow("response_end_not_clear", f"{shown(asked[-80:])}, expected brackets that close at its end")
    better, margin = _verdict(judged)
    yield Pair(
        prompt=unmarked(question),
        chosen=responses[better],
        rejected=responses[1 - better],
        images=[image_bytes(row["image"])],
        source_margin=margin,
        rationale=judged,
        category=row["source"],
        extra={"id": row["id"]},
    )


def _between(asked: str, marks: Sequence[re.Pattern[str]]) -> list[str]:
    """The texts between marks that follow each other."""
    texts, at = [], 0
    for mark in marks:
        found = mark.search(asked, at)
        if found is None:
            raise BadRow("judge_prompt_not_known", f"{shown(asked[-80:])}, expected a question and two responses")
        texts.append(asked[at : found.start()].strip())
        at = found.end()
    return texts[1:]


def _whole(response: str) -> bool:
    """Whether a text between "[" and the last "]" of a prompt is one response, and not also what follows it."""
    depth = 1
    for bracket in re.findall(r"[\[\]]", response):
        depth += 1 if bracket == "[" else -1
        if not depth:
            return False
    return depth == 1 or not re.search(r"\]\s*\n", response)


def _verdict(judged: str) -> tuple[int, float | None]:
    """The index of the better response, and by how much it is better where the judge says so.

    The last code counts; without codes what follows "The better response:", without that a sentence.
    """
    codes = _CODE.findall(judged)
    if codes and codes[-1] in _CODES:
        strength = _CODES[codes[-1]]
        if not strength:
            raise SetAside("tie", f"the verdict is {codes[-1]}")
        return int(strength < 0), float(abs(strength))
    stated = {word.lower() for word in _STATED.findall(judged)}
    if stated <= {"equal", "equally", "tie"} and _TIE.search(judged):
        raise SetAside("tie", f"the verdict is {shown(_TIE.findall(judged)[-1])}")
    sides = {_SIDES.get(word) for word in stated} or _named(judged)
    side = sides.pop() if len(sides) == 1 else None
    if side is None:
        raise BadRow("verdict_not_known", f"{shown(judged[-80:])}, expected which one response is better")
    return side, None


def _named(judged: str) -> set[int | None]:
    """The responses that sentences call better; both when each is so in some respect."""

    def called(*forms: re.Pattern[str]) -> set[int | None]:
        return {_SIDES["".join(found).lower()] for form in forms for found in form.findall(judged)}

    decided = called(*_NAMED)
    return decided | called(_IN_PART) if decided else decided
