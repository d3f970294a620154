"""What the demo's people ask: domains of hand-written facts, and tasks drawn from them with all slots filled."""

from __future__ import annotations

import random
from dataclasses import dataclass

HELD_OUT = 2  # subjects at the end of each table that only the benchmark asks about


class Count(int):
    """A number in a template: `{n}` writes it, `{n:75}` writes 75 times it."""

    def __format__(self, spec: str) -> str:
        return str(int(self) * int(spec or 1))


@dataclass(frozen=True)
class Domain:
    """Facts about some subjects and the sentences made of them; `points` holds several wordings of each point."""

    name: str
    rows: tuple[dict[str, str], ...]
    asks: tuple[str, ...]
    opens: tuple[str, ...]
    points: tuple[tuple[str, ...], ...]
    closes: tuple[str, ...]
    exams: tuple[str, ...] = ()  # what only the benchmark asks


@dataclass(frozen=True)
class Task:
    """One question and what a right answer can say about it. `result` must stand in every right answer."""

    domain: str
    subject: str
    prompt: str
    context: str
    opens: tuple[str, ...]
    points: tuple[tuple[str, ...], ...]
    closes: tuple[str, ...]
    result: str = ""


def table(columns: str, text: str) -> tuple[dict[str, str], ...]:
    """Rows of a table written as lines with `|` between the cells."""
    names = columns.split()
    rows = []
    for line in text.strip().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        rows.append(dict(zip(names, cells, strict=True)))
    return tuple(rows)


_HELLOS = (
    "", "", "", "", "Hi! ", "Hello, ", "Quick question: ", "Hey there. ", "Good morning! ",
    "Sorry to bother you. ",
)  # fmt: skip
_TAILS = (
    "", "", "", "", "Please keep it practical.", "I have never done this before.", "My sister {who} is asking.",
    "Short reasons would help.", "I have to decide by {day}.", "A friend called {who} told me to ask.",
    "Use plain words, please.", "I want to do it on {day}.", "We tried once in {month} and it went badly.",
    "Explain it as you would to {who}, who is new to it.", "I would like to start in {month}.",
    "Please mention the usual mistake as well.", "It is for my neighbour {who}.", "Thanks in advance!",
    "Two or three clear points are enough.", "I need this for {day} evening.",
)  # fmt: skip
_EXAM_TAILS = (
    "Answer in at most {n} sentences.", "Number your {n} arguments.", "Address {who} by name.",
    "End with a question.", "Do not use bullet points.", "", "Mention {month} at least once.",
    "Use the word \"therefore\" somewhere.",
)  # fmt: skip
_WHO = (
    "Ana", "Bram", "Chloé", "Dario", "Elif", "Femi", "Hugo", "Inés", "José", "Kofi", "Lena", "Mateo", "Nadia",
    "Noël", "Renée", "Rosa", "Søren", "Tariq",
)  # fmt: skip
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
)  # fmt: skip


def ask(domain: Domain, rng: random.Random, *, benchmark: bool = False) -> Task:
    """One task of a domain with its slots drawn; the benchmark asks about subjects of its own."""
    rows = domain.rows[-HELD_OUT:] if benchmark else domain.rows[:-HELD_OUT]
    return about(domain, rng.choice(rows), rng, benchmark=benchmark)


def about(domain: Domain, row: dict[str, str], rng: random.Random, *, benchmark: bool = False) -> Task:
    """One task about one subject; its prompt may start with a greeting and end with a wish."""
    slots = {**row, "n": Count(rng.randint(2, 9)), "who": rng.choice(_WHO), "day": rng.choice(_DAYS)}
    slots["month"] = rng.choice(_MONTHS)
    question = rng.choice(domain.exams if benchmark else domain.asks).format(**slots)
    tail = rng.choice(_EXAM_TAILS if benchmark else _TAILS).format(**slots)
    hello = "" if benchmark else rng.choice(_HELLOS)
    return Task(
        domain.name,
        row["subject"],
        f"{hello}{question} {tail}".strip(),
        "",
        tuple(text.format(**slots) for text in domain.opens),
        tuple(tuple(text.format(**slots) for text in wordings) for wordings in domain.points),
        tuple(text.format(**slots) for text in domain.closes),
    )


def seeded(*parts: object) -> random.Random:
    """A generator for one use: the order in which the sources are made decides none of them."""
    return random.Random(" ".join(map(str, parts)))  # noqa: S311 (content, not secrets)
