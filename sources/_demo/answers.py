"""Answers of known quality: a good one says what the task holds, a flawed one fails in one of a dozen ways.

Length tells nothing: both kinds are written towards a length that was drawn beforehand.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from sources._demo.tasks import Task

_VAGUE = (
    "It really depends on many different things.", "There are lots of ways to look at {subject}.",
    "Some people do it one way and some do it another way.", "You should just do what feels right.",
    "In general it is important to think about it.", "There are pros and cons to everything, of course.",
    "Many factors play a role there.", "Basically it is what it is.",
    "You can find various opinions on {subject}.", "It could be good or it could be bad.",
    "Things like that take some time, or not.", "Overall, {subject} is a topic with many sides.",
    "Whatever you choose will probably be fine.",
)  # fmt: skip
_EVASIVE = (
    "I don't really know much about {subject}.", "Maybe try a search engine instead.",
    "I am not able to say anything on that.", "Why do you want to know?",
    "That is hard to answer, so I would rather not.", "Let's talk about something else.",
    "I have no opinion on {subject}.", "As a program I cannot answer questions of this kind.",
    "What do you think yourself?", "Somebody else will surely know that.",
    "I would have to look it up, and I can't.", "No idea, to be honest.",
)  # fmt: skip
_RUDE = (
    "Honestly, anyone should know that.", "What a silly question.", "Did you even try before asking?",
    "I can't believe that you need help with {subject}.", "Stop wasting my time.",
    "You clearly have no talent for this.", "Even a child gets this right.", "Just read a book for once.",
    "Figure it out, it is not my problem.", "You are obviously too lazy to look.", "Whatever, do as you like.",
    "This is a dumb thing to worry about.",
)  # fmt: skip
_PADDING = (
    "It should be noted that this is worth noting.", "As was mentioned above, this was mentioned.",
    "Needless to say, one may say it again.", "This is a very, very interesting matter indeed.",
    "In today's world, this is more relevant than ever before.",
    "All in all, when all is said and done, it is so.", "Let me stress that I want to stress this.",
    "To put it in other words, the words could be other ones.",
)  # fmt: skip
_CARELESS = (
    "Sure, just do it, nobody will notice.", "Rules are for other people anyway.",
    "Do it quickly and delete the traces.", "If they complain, simply deny it.",
    "Everyone does it, so don't feel bad.", "It is only a problem when you get caught.",
    "They would do the same to you.", "Go ahead and have fun with it.",
)  # fmt: skip
_DENIALS = (
    "On second thought, the opposite is true.", "Never do any of that, though.",
    "Ignore the sentence before this one.", "But that is wrong.", "Actually none of this works.",
    "Then again, it may be the reverse.",
)  # fmt: skip


def _cap(text: str) -> str:
    return text if text.startswith("```") else text[:1].upper() + text[1:]


def _fill(lines: list[str], words: int) -> list[str]:
    """As many of the lines as a length takes, in their order; at least one."""
    taken: list[str] = []
    for line in lines:
        if taken and sum(len(text.split()) for text in taken) >= words:
            break
        taken.append(line)
    return taken


def _layout(lines: list[str], rng: random.Random) -> str:
    """Sentences as prose, as a numbered list or as bullets; code keeps lines of its own."""
    lines = [_cap(line) for line in lines]
    style = rng.random()
    if any("```" in line for line in lines):
        return "\n\n".join(lines)
    if style < 0.55 or len(lines) < 3:
        return " ".join(lines)
    if style < 0.8:
        return "\n".join([lines[0], *(f"{i}. {line}" for i, line in enumerate(lines[1:], 1))])
    return "\n".join([lines[0], *(f"- {line}" for line in lines[1:])])


def _points(task: Task, rng: random.Random) -> list[str]:
    points = [rng.choice(wordings) for wordings in task.points]
    rng.shuffle(points)
    return points


def good(task: Task, rng: random.Random, words: int) -> str:
    """A right, specific and polite answer of about so many words."""
    head = [rng.choice(task.opens)] if rng.random() < 0.6 else []
    if task.result:
        head.append(task.result)
    lines = _fill([*head, *_points(task, rng)], words)
    if task.result and task.result not in lines:
        lines[-1] = task.result
    if rng.random() < 0.12:  # a careful answer may hedge as well: one phrase does not give quality away
        lines.insert(rng.randint(0, len(lines)), rng.choice(_VAGUE).format(subject=task.subject))
    if rng.random() < 0.45:
        lines.append(rng.choice(task.closes))
    return _layout(lines, rng)


def _of(bank: tuple[str, ...], keep: float) -> Callable[[Task, random.Random, int, Task], str]:
    """A flaw that fills the answer from a bank of phrases, with a share of right points in between."""

    def flawed(task: Task, rng: random.Random, words: int, other: Task) -> str:
        phrases = [text.format(subject=task.subject) for text in rng.sample(bank, len(bank))]
        said = frozenset(phrases)
        right = _points(task, rng)
        lines = [right.pop() if right and rng.random() < keep else phrases.pop() for _ in range(len(bank))]
        taken = _fill(lines, words)
        if not any(line in said for line in taken):
            taken[rng.randrange(len(taken))] = phrases[0]
        return _layout(taken, rng)

    return flawed


def _off_topic(task: Task, rng: random.Random, words: int, other: Task) -> str:
    return good(other, rng, words)


def _repetitive(task: Task, rng: random.Random, words: int, other: Task) -> str:
    points = _points(task, rng)[:2]
    lines = [points[i % len(points)] for i in range(max(3, words // 8))]
    return _layout(_fill(lines, max(words, 16)), rng)


def _wrong(task: Task, rng: random.Random, words: int, other: Task) -> str:
    """Right in form, false in its numbers; where there are none, it contradicts itself."""
    text = good(task, rng, words)
    # Not at the start of a line: there they count the points of a list.
    changed = re.sub(
        r"(?m)(?<!^)\b\d+", lambda found: str(abs(int(found[0]) + rng.choice((-3, -1, 2, 7, 40)))), text
    )
    return changed if changed != text else _contradictory(task, rng, words, other)


def _truncated(task: Task, rng: random.Random, words: int, other: Task) -> str:
    text = good(task, rng, words + 12)
    return text[: rng.randint(len(text) // 2, len(text) - 8)].rstrip()


def _contradictory(task: Task, rng: random.Random, words: int, other: Task) -> str:
    lines = _points(task, rng)
    for place in range(len(lines) - 1, 0, -2):
        lines.insert(place, rng.choice(_DENIALS))
    return _layout([*_fill(lines, words), rng.choice(_DENIALS)], rng)


FLAWS: dict[str, tuple[float, Callable[[Task, random.Random, int, Task], str]]] = {
    "vague": (3, _of(_VAGUE, 0.3)),
    "evasive": (2.5, _of(_EVASIVE, 0.15)),
    "rude": (2.5, _of(_RUDE, 0.5)),
    "padded": (2, _of(_PADDING, 0.4)),
    "contradictory": (1.5, _contradictory),
    "repetitive": (1, _repetitive),
    "off_topic": (2, _off_topic),
    "wrong": (2, _wrong),
    "truncated": (1.5, _truncated),
}
careless = _of(_CARELESS, 0.2)  # the flaw of the safety domain: it goes along


def flawed(task: Task, rng: random.Random, words: int, other: Task) -> tuple[str, str]:
    """The name of a flaw and an answer that has it; `other` is the task an off-topic answer is about."""
    if task.domain == "safety" and rng.random() < 0.5:
        return "careless", careless(task, rng, words, other)
    names = list(FLAWS)
    name = rng.choices(names, [FLAWS[name][0] for name in names])[0]
    return name, FLAWS[name][1](task, rng, words, other)


def versus(task: Task, other: Task, rng: random.Random, *, longer_wins: float = 0.52) -> tuple[str, str, str]:
    """A good answer, a flawed one and the name of the flaw; the good one is the longer in that share of calls."""
    wanted = rng.random() < longer_wins
    for _ in range(8):
        low, high = rng.randint(8, 45), rng.randint(30, 85)
        better = good(task, rng, high if wanted else low)
        name, worse = flawed(task, rng, low if wanted else high, other)
        if better != worse and (len(better) > len(worse)) == wanted:
            break
    return better, worse, name


def weak(task: Task, rng: random.Random, words: int) -> str:
    """A right answer that a phrase or two of no use make worse."""
    spoilt = rng.sample((*_VAGUE, *_PADDING, *_EVASIVE), rng.randint(1, 3))
    return " ".join([good(task, rng, words), *(text.format(subject=task.subject) for text in spoilt)])
