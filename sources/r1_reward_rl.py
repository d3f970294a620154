"""R1-Reward's reinforcement learning set: the hard pairs of several multimodal sets, written as judge prompts.

17,261 rows in six Parquet files. https://huggingface.co/datasets/yifanzhang114/R1-Reward-RL; the licence has not
been seen. `message` is a chat in JSON whose user turn holds question and both responses under headings, from
which they are cut; `answer` is the tagged number of the better one. Not verified: that the picture is base64 (a
relative path and a data: prefix are taken as well), the exact headings, and the plain `question`. Labels are those
of RLAIF-V and VLFeedback (models, most rows), MM-RLHF and WildVision-Battle (people) and POVID (constructed); rows
do not say which. All five are sources here too, so expect repeats.
"""

import base64
import binascii
import re
from collections.abc import Iterator

import orjson

from pairs.errors import BadRow, shown
from pairs.schema import Pair
from sources._shapes import PIXELS_PNG
from sources._source import Row, Source
from sources._turns import unmarked

source = Source(
    repo="yifanzhang114/R1-Reward-RL",
    revision="c3243abfad994265c38923a15fc0b2749c9df3c0",
    files={"train": ("**/*.parquet",)},
    licence="not stated",
    label_source="model",
    modality="image",
    citation="Zhang et al. 2025, arXiv:2505.02835",
    example={
        "question": "How many swans are on the lake?",
        "message": '[{"role": "user", "content": "Compare two responses. ###### **Input:**\\n###### [Question]:\\n'
        "How many swans are on the lake?  \\n\\n###### [Response 1]:\\nFive swans and a boat.  \\n\\n"
        "###### [Response 2]:\\nTwo swans.  \\n\\n###### **Output Format (strictly follow):**\\n"
        '<think>...</think><answer>1/2</answer>"}]',
        "answer": ["<answer>2</answer>"],
        "image": base64.b64encode(PIXELS_PNG).decode(),
    },
)

_HEADING = re.compile(r"#+ *\[(Question|Response 1|Response 2)\]:|(?:#+ *)?\*\*Output Format")
_ANSWER = re.compile(r"\s*(?:<answer>)?\s*([12])\s*(?:</answer>)?\s*")
_PATH = re.compile(r"[^\n]{1,500}\.(?:jpe?g|png|webp|gif|bmp)", re.IGNORECASE)


def pairs(row: Row) -> Iterator[Pair]:
    question, *responses = _parts(row["message"])
    answers = row["answer"] if isinstance(row["answer"], list) else [row["answer"]]
    answer = _ANSWER.fullmatch(answers[0]) if len(answers) == 1 else None
    if answer is None:
        raise BadRow("answer_not_known", f"answer is {shown(row['answer'])}, expected a tagged 1 or 2")
    better = int(answer.group(1)) - 1
    yield Pair(
        prompt=unmarked(question),
        chosen=responses[better],
        rejected=responses[1 - better],
        images=[_picture(row["image"])],
        extra={"question": row["question"]},
    )


def _parts(message: str) -> list[str]:
    """Question, first and second response of a judge prompt."""
    users = [turn["content"] for turn in orjson.loads(message) if turn["role"] == "user"]
    text = users[-1] if users else ""
    if isinstance(text, list):
        text = "".join(part.get("text") or "" for part in text)
    headings = list(_HEADING.finditer(text))
    if [heading.group(1) for heading in headings] not in (
        ["Question", "Response 1", "Response 2"],
        ["Question", "Response 1", "Response 2", None],
    ):
        raise BadRow("headings_not_known", f"{shown(text)}, expected [Question], [Response 1], [Response 2]")
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    return [text[heading.end() : end].strip() for heading, end in zip(headings[:3], ends, strict=False)]


def _picture(value: str) -> bytes | str:
    if _PATH.fullmatch(value):
        return value
    try:
        return base64.b64decode(value.rpartition("base64,")[2], validate=True)
    except binascii.Error as error:
        raise BadRow("image_not_base64", f"image is {shown(value)}: {error}") from None
