"""A generative judge behind an OpenAI-style server: which of two completions is better, asked in both orders.

Judges favour a place (R1-Reward and others do so measurably), so half of the votes see the completions swapped:
one that always names the first comes out undecided.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pairs.errors import PrefmillError, shown
from rewards.interface import Item
from rewards.remote import field_of, named, parts_of, too_large
from rewards.served import Refused, Server, served_name

# Part of the fingerprint: another wording is another judge.
_TASK = "Two answers to the conversation below are to be compared. Decide which one helps the user better."
_ORDER = (
    "Weigh correctness (of what is seen in the pictures, too), completeness, harmlessness and clarity. Neither "
    "the order of the answers nor their length says anything about their quality. Think as long as you need, "
    "then end with <answer>1</answer> if Answer 1 is better, or with <answer>2</answer> if Answer 2 is better."
)
_VERDICT = re.compile(r"<answer>\s*(?:answer\s*)?([12])\s*</answer>|answer\s+([12])\s+is\s+better", re.IGNORECASE)

_ENOUGH = 20  # unreadable answers that say more than bad luck


@dataclass(frozen=True)
class Verdict:
    """`first_votes` of `votes` readable ones went to the first completion; no votes: it could not be judged."""

    first_votes: float
    votes: int


class Judge:
    """Compares pairs of completions of one prompt. `votes` is even: half in each order; with two the judge answers
    at temperature 0, with more each vote is a sample of its own. `max_tokens` bounds one answer."""

    def __init__(
        self, server: Server, model: str, *, revision: str | None = None, votes: int = 2, max_tokens: int = 2048
    ) -> None:
        if votes < 2 or votes % 2:
            raise PrefmillError(f"{model}: votes = {votes}, expected an even number: half are asked in each order")
        self._server, self._model, self._votes, self._max_tokens = server, model, votes, max_tokens
        name = served_name(server, model)
        self.fingerprint = named("judge", name, revision, _TASK, _ORDER, votes, max_tokens)

    def verdicts(self, pairs: Sequence[tuple[Item, Item]]) -> Iterator[Verdict]:
        """One verdict per pair, in order.

        Raises `PrefmillError` when of many answers not one could be read: then it is no such judge.
        """
        asked = [(pair, vote) for pair in pairs for vote in range(self._votes)]
        answers = list(self._server.each(self._vote, asked))
        readable = [answer for answer in answers if answer in (1, 2)]
        texts = [answer for answer in answers if isinstance(answer, str)]
        if len(texts) >= _ENOUGH and not readable:
            raise PrefmillError(
                f"{self._server.url}: none of {len(answers)} answers of {self._model} names a winner, e.g. "
                f"{shown(texts[0][-60:])}; expected <answer>1</answer> or 2, is max_tokens too small?"
            )
        for start in range(0, len(answers), self._votes):
            read = [answer for answer in answers[start : start + self._votes] if answer in (1, 2)]
            yield Verdict(float(read.count(1)), len(read))

    def _vote(self, asked: tuple[tuple[Item, Item], int]) -> int | str | None:
        """1 or 2 for the pair's first or second completion, the end of an unreadable answer, None for too long."""
        (first, second), vote = asked
        swapped = vote % 2 == 1
        body = {
            "model": self._model,
            "messages": _question(second, first) if swapped else _question(first, second),
            "max_tokens": self._max_tokens,
            "temperature": 0.0 if self._votes == 2 else 1.0,
            "seed": vote // 2,
        }
        try:
            answer = self._server.post("/v1/chat/completions", body)
        except Refused as refused:
            if too_large(refused):
                return None
            raise
        text = field_of(self._server.url, answer, "choices", 0, "message", "content")
        found = _VERDICT.findall(text) if isinstance(text, str) else []
        if not found:
            return str(text)
        winner = int(found[-1][0] or found[-1][1])
        return 3 - winner if swapped else winner


def _question(first: Item, second: Item) -> list[dict[str, Any]]:
    """One user message: the task, the conversation and both answers, pictures where they stand."""
    turns = parts_of(first.prompt, first.images)
    parts = [_text(f"{_TASK}\n\n# Conversation")]
    for turn in turns:
        parts += [_text(f"\n\n## {turn['role']}\n"), *_parts(turn)]
    for number, item in enumerate((first, second), 1):
        parts.append(_text(f"\n\n# Answer {number}\n"))
        for turn in parts_of(item.completion, item.completion_images):
            parts += _parts(turn)
    parts.append(_text(f"\n\n# Your task\n{_ORDER}"))
    if all(part["type"] == "text" for part in parts):
        return [{"role": "user", "content": "".join(part["text"] for part in parts)}]
    return [{"role": "user", "content": parts}]


def _parts(turn: dict[str, Any]) -> list[dict[str, Any]]:
    content = turn["content"]
    return [_text(content)] if isinstance(content, str) else content


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
