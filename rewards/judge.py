"""A generative judge behind an OpenAI-style server: which of two completions is better, asked in both orders.

Judges favour a place (R1-Reward and others do so measurably), so half of the votes see the completions swapped:
one that always names the first comes out undecided.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pairs.errors import PrefmillError, shown
from rewards.interface import Item
from rewards.remote import about_item, field_of, named, parts_of
from rewards.served import Refused, Server, served_name
from rewards.winner import READING, winner

# Part of the fingerprint: another wording is another judge.
_TASK = "Two answers to the conversation below are to be compared. Decide which one helps the user better."
_ORDER = (
    "Weigh correctness (of what is seen in the pictures, too), completeness, harmlessness and clarity. Neither "
    "the order of the answers nor their length says anything about their quality. Think as long as you need, "
    "then end with <answer>1</answer> if Answer 1 is better, or with <answer>2</answer> if Answer 2 is better."
)
_ENOUGH = 20  # answers without a vote that say more than bad luck


@dataclass(frozen=True)
class Verdict:
    """`first_votes` of `votes` readable ones went to the first completion; no votes: it could not be judged, for
    this `reason`."""

    first_votes: float
    votes: int
    reason: str = ""


@dataclass(frozen=True)
class _NoVote:
    """`said`: what the judge, or the server that `refused`, said instead."""

    reason: str
    said: str
    refused: bool


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
        self.fingerprint = named("judge", name, revision, _TASK, _ORDER, votes, max_tokens, READING)

    def verdicts(
        self, pairs: Sequence[tuple[Item, Item]], *, proven: bool = False
    ) -> Iterator[tuple[int, Verdict]]:
        """The place of each pair with its verdict, in the order in which they come; also those that came before
        an error.

        Raises `PrefmillError` when of many questions not one brought a vote: then it is no such judge. One that is
        `proven`, by votes on other pairs, may be asked for those alone that it cannot judge.
        """
        votes: list[dict[int, int | _NoVote]] = [{} for _ in pairs]
        asked = [(place, pair, vote) for place, pair in enumerate(pairs) for vote in range(self._votes)]
        for (place, _, vote), answer in self._server.each(self._vote, asked):
            votes[place][vote] = answer
            if len(votes[place]) == self._votes:
                yield place, _verdict([votes[place][vote] for vote in range(self._votes)])
        lost = [answer for of_pair in votes for answer in of_pair.values() if isinstance(answer, _NoVote)]
        if not proven and len(lost) == len(asked) >= _ENOUGH:
            raise self._useless(lost)

    def _useless(self, lost: Sequence[_NoVote]) -> PrefmillError:
        said = next((one.said for one in lost if not one.refused), None)
        if said is None:
            return PrefmillError(
                f"{self._server.url}: refused all {len(lost)} questions to {self._model}, e.g.: {lost[0].said}; "
                "max_tokens and the prompt have to fit into what the server takes"
            )
        return PrefmillError(
            f"{self._server.url}: none of {len(lost)} answers of {self._model} names a winner, e.g. "
            f"{shown(said[-60:])}; expected <answer>1</answer> or 2, is max_tokens too small?"
        )

    def _vote(self, asked: tuple[int, tuple[Item, Item], int]) -> int | _NoVote:
        """1 or 2 for the pair's first or second completion."""
        _, (first, second), vote = asked
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
            choice = field_of(self._server.url, answer, "choices", 0)
            text = field_of(self._server.url, choice, "message", "content")
        except PrefmillError as error:
            if isinstance(error, Refused) and (reason := about_item(error)):
                return _NoVote(reason, error.said, refused=True)
            error.args = (f"completions {first.completion_id} and {second.completion_id}: {error}",)
            raise
        cut = choice.get("finish_reason") == "length"
        found = winner(text, cut=cut) if isinstance(text, str) else None
        if found is None:
            return _NoVote("no answer that names a winner", str(text), refused=False)
        return 3 - found if swapped else found


def _verdict(answers: Sequence[int | _NoVote]) -> Verdict:
    read = [answer for answer in answers if not isinstance(answer, _NoVote)]
    reasons = [answer.reason for answer in answers if isinstance(answer, _NoVote)]
    return Verdict(float(read.count(1)), len(read), "" if read else reasons[0])


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
