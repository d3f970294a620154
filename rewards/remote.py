"""Reward models behind a server, one number per completion: how completions are sent and what comes back.

Each way of asking is a file of its own: vllm_classify, vllm_pooling, sglang_classify.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pairs.errors import PrefmillError, shown
from pairs.media import image_type
from pairs.schema import IMAGE_MARK
from rewards.interface import Item
from rewards.served import Refused, Server

# What servers say of an item that is too long, or that has more pictures than they take.
_TOO_LARGE = re.compile(
    r"(context|model)[\s_-]*(length|len)\b|longer than the|too many tokens|at most \d+ (image|video)",
    re.IGNORECASE,
)
# What they say of one that they will not look at, whatever the model: OpenAI, Azure, Anthropic, DashScope.
_FILTERED = re.compile(
    r"content[\s_-]*(filter|management policy|policy)|data[\s_-]*inspection|inappropriate content|safety system",
    re.IGNORECASE,
)
_LARGEST = float(np.finfo(np.float32).max)
Ask = Callable[[Item], float | str]  # the reward, or why the item cannot be judged whole


class RemoteModel:
    """A `RewardModel` whose rewards come from a server.

    Only the server knows how long an item is, so `fits` already asks for the rewards; `rewards` hands them out.
    An item that the server finds too long, or that its content filter holds back, does not fit; any other refusal
    ends the run. Errors about an item name its completion.
    """

    def __init__(self, server: Server, fingerprint: str, ask: Ask) -> None:
        self.fingerprint = fingerprint
        self._server = server
        self._ask = ask
        self._answers: dict[str, float | str] = {}  # of the items asked for last

    def fits(self, items: Sequence[Item]) -> np.ndarray:
        return np.array([not isinstance(answer, str) for answer in self._all(items)], bool)

    def refusals(self, items: Sequence[Item]) -> list[str]:
        return [answer if isinstance(answer, str) else "" for answer in self._all(items)]

    def rewards(self, items: Sequence[Item]) -> np.ndarray:
        return np.array([np.nan if isinstance(answer, str) else answer for answer in self._all(items)], np.float32)

    def answered(self, items: Sequence[Item]) -> list[Item]:
        return [item for item in items if isinstance(self._answers.get(item.completion_id), float)]

    def _all(self, items: Sequence[Item]) -> list[float | str]:
        missing = [item for item in items if item.completion_id not in self._answers]
        if missing:
            self._answers = {
                item.completion_id: self._answers[item.completion_id]
                for item in items
                if item.completion_id in self._answers
            }
            for item, answer in self._server.each(self._one, missing):
                self._answers[item.completion_id] = answer
        return [self._answers[item.completion_id] for item in items]

    def _one(self, item: Item) -> float | str:
        try:
            answer = self._ask(item)
        except PrefmillError as error:
            if isinstance(error, Refused) and (reason := about_item(error)):
                return reason
            error.args = (f"completion {item.completion_id}: {error}",)
            raise
        if isinstance(answer, float) and not abs(answer) <= _LARGEST:
            raise PrefmillError(
                f"completion {item.completion_id}: {self._server.url} gave the reward {answer}, expected a finite "
                "number; check the model's weights and precision"
            )
        return answer


def about_item(refused: Refused) -> str:
    """Why a server refused one item, where it says that it is the item; empty where it may be all of them."""
    if refused.status == 413 or (refused.status in (400, 422) and _TOO_LARGE.search(refused.said)):
        return "longer, or with more pictures, than the server takes"
    if refused.status in (400, 403, 422) and _FILTERED.search(refused.said):
        return "held back by the server's content filter"
    return ""


def chat(item: Item) -> list[dict[str, Any]]:
    """The messages of prompt and completion in OpenAI's form, pictures at their marks as data addresses."""
    return [*parts_of(item.prompt, item.images), *parts_of(item.completion, item.completion_images)]


def parts_of(messages: Sequence[dict[str, str]], images: Sequence[bytes]) -> list[dict[str, Any]]:
    """Messages with pictures at their marks; without marks, before the first user turn (else the first)."""
    if not images:
        return [dict(message) for message in messages]
    marks = sum(message["content"].count(IMAGE_MARK) for message in messages)
    if marks not in (0, len(images)):
        raise PrefmillError(f"{marks} {IMAGE_MARK} marks for {len(images)} pictures; read the source again")
    left = [picture(data) for data in images]
    first = next((place for place, message in enumerate(messages) if message["role"] == "user"), 0)
    out: list[dict[str, Any]] = []
    for place, message in enumerate(messages):
        parts: list[dict[str, Any]] = []
        if not marks and place == first:
            parts, left = left, []
        for index, text in enumerate(message["content"].split(IMAGE_MARK)):
            if index:
                parts, text = [*parts, left.pop(0)], text.removeprefix("\n")
            parts = [*parts, *([{"type": "text", "text": text}] if text else [])]
        out.append({"role": message["role"], "content": parts})
    return out


def picture(data: bytes) -> dict[str, Any]:
    """One picture as a content part."""
    address = f"data:{image_type(data)};base64,{base64.b64encode(data).decode()}"
    return {"type": "image_url", "image_url": {"url": address}}


def field_of(where: str, answer: Any, *path: str | int) -> Any:
    """What lies at a path in a JSON answer; `PrefmillError` when it is not there."""
    at = answer
    for key in path:
        try:
            at = at[key]
        except (KeyError, IndexError, TypeError):
            place = ".".join(map(str, path))
            raise PrefmillError(f"{where}: answered {shown(answer)}, expected {place} in it") from None
    return at


def number(where: str, value: Any) -> float:
    """A number of an answer as float; a text, a list or null is an error, NaN and infinities are seen later."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PrefmillError(f"{where}: gave the reward {shown(value)}, expected a number")
    return float(value)


def named(kind: str, *facts: object) -> str:
    """A fingerprint: the kind of judge and a hash of all that its rewards depend on."""
    digest = hashlib.sha256("\0".join(map(str, facts)).encode()).hexdigest()
    return f"{kind}-{digest[:16]}"
