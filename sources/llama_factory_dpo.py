"""The DPO samples of LLaMA-Factory: multi-turn English and Chinese instructions, a better and a worse reply.

600 rows in two files, of which 16 are exact repeats. https://github.com/hiyouga/LLaMA-Factory (data/), Apache-2.0.
A sample of larger sets whose labels come from models. Turns are ShareGPT mappings of `from` and `value`; chosen
and rejected are one such turn, or a bare text in files of the same family.
"""

from collections.abc import Iterator

from pairs.errors import BadRow, shown
from pairs.schema import Message, Pair
from sources._source import Row, Source

source = Source(
    repo="github:hiyouga/LLaMA-Factory",
    revision=None,
    folder="data",
    files={"train": ("dpo_en_demo.json", "dpo_zh_demo.json")},
    licence="Apache-2.0",
    label_source="model",
    example={
        "conversations": [
            {"from": "system", "value": "You are a patient teacher."},
            {"from": "human", "value": "Why is the sky blue?"},
        ],
        "chosen": {"from": "gpt", "value": "Air scatters blue light more than red light."},
        "rejected": {"from": "gpt", "value": "Because the sea is blue."},
        "_file": "dpo_en_demo.json",
    },
)

_ROLES = {
    "system": "system",
    "human": "user",
    "gpt": "assistant",
    "observation": "tool",
    "function_call": "assistant",
}


def pairs(row: Row) -> Iterator[Pair]:
    yield Pair(
        prompt=[_message(turn) for turn in row["conversations"]],
        chosen=_completion(row["chosen"]),
        rejected=_completion(row["rejected"]),
        language="zh" if "_zh_" in row["_file"] else "en",
    )


def _completion(value: str | Row) -> str | list[Message]:
    return value if isinstance(value, str) else [_message(value)]


def _message(turn: Row) -> Message:
    if turn["from"] not in _ROLES:
        raise BadRow("speaker_not_known", f"from is {shown(turn['from'])}, expected {', '.join(_ROLES)}")
    return {"role": _ROLES[turn["from"]], "content": turn["value"]}
