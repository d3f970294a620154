"""Drafts: a task with a good and a flawed answer, none of them nearly a copy of an earlier one."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from sources._demo.answers import good, versus
from sources._demo.home import HOME
from sources._demo.pictures import Fact, Picture
from sources._demo.sums import CODE, ask_sum
from sources._demo.tasks import Domain, Task, about, ask
from sources._demo.words import ARGUMENTS, SAFETY, ask_on_text
from sources._demo.world import WORLD

DOMAINS = (*HOME, *WORLD, CODE)
ALIKE = 0.68  # share of common words above which two pairs about one subject would pass for near-duplicates
_PLACES = (
    "Ghent", "Utrecht", "Kraków", "Malmö", "Turin", "Leeds", "Bern", "Porto", "Graz", "Tampere", "Bilbao",
)  # fmt: skip


@dataclass(frozen=True)
class Draft:
    """A pair as it was meant: `chosen` is the better answer, and `flaw` names what the other one fails in."""

    task: Task
    chosen: str
    rejected: str
    flaw: str

    @property
    def prompt(self) -> str:
        return f"{self.task.prompt}\n\n{self.task.context}" if self.task.context else self.task.prompt

    @property
    def text(self) -> str:
        return f"{self.prompt}\n{self.chosen}\n{self.rejected}"


def words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower()))


def alike(one: frozenset[str], two: frozenset[str]) -> float:
    """Jaccard similarity of two sets of words, 0 to 1."""
    return len(one & two) / max(1, len(one | two))


class Writer:
    """Makes drafts and remembers them, so that the only near-copies in the demo are the planted ones."""

    def __init__(self) -> None:
        self._prompts: set[str] = set()
        self._seen: defaultdict[str, list[frozenset[str]]] = defaultdict(list)

    def fresh(self, make: Callable[[], Draft], *, same_prompt: bool = False) -> Draft:
        """The first draft of `make` that is unlike all earlier ones about its subject; the 60th if none is."""
        for _ in range(60):
            draft = make()
            found = words(draft.text)
            earlier = self._seen[f"{draft.task.domain} {draft.task.subject}"]
            if not same_prompt and draft.prompt in self._prompts:
                continue
            if all(alike(found, other) < ALIKE for other in earlier):
                break
        earlier.append(found)
        self._prompts.add(draft.prompt)
        return draft

    def draft(
        self, rng: random.Random, asked: Callable[[random.Random], Task], *, longer_wins: float = 0.52
    ) -> Draft:
        """A fresh task with its two answers."""

        def make() -> Draft:
            task = asked(rng)
            return Draft(task, *versus(task, asked(rng), rng, longer_wins=longer_wins))

        return self.fresh(make)


def anything(rng: random.Random) -> Task:
    """A task of any everyday domain."""
    kind = rng.random()
    if kind < 0.14:
        return ask_sum(rng)
    if kind < 0.26:
        return ask_on_text(rng)
    return ask(rng.choice(DOMAINS), rng)


def risky(rng: random.Random) -> Task:
    """A request that deserves a friendly no."""
    return ask(SAFETY, rng)


def exam(rng: random.Random) -> Task:
    """A task of the benchmark, about what no training row asks."""
    kind = rng.random()
    if kind < 0.12:
        return ask_sum(rng, benchmark=True)
    if kind < 0.25:
        return ask_on_text(rng, benchmark=True)
    return ask(rng.choice(DOMAINS), rng, benchmark=True)


def argument(row: dict[str, str], rng: random.Random) -> Task:
    """An argument for one side of a debate; its prompt stands in the file's name."""
    place = rng.choice(_PLACES)
    domain = Domain(
        "argument",
        (row,),
        (f"{row['topic']} {row['stance']}",),
        *(_placed(part, place) for part in (ARGUMENTS.opens, ARGUMENTS.points, ARGUMENTS.closes)),
    )
    task = about(domain, {**row, "subject": row["gain"]}, rng)
    return replace(task, prompt=f"{row['topic']} {row['stance']}")


def _placed(texts: tuple, place: str) -> tuple:  # type: ignore[type-arg]
    return tuple(_placed(t, place) if isinstance(t, tuple) else t.replace("{place}", place) for t in texts)


_LOOKS = (
    "", "", "Look at the picture. ", "A question about the image: ", "Please help me with this photo. ",
)  # fmt: skip
_DESCRIBE = (
    "Describe the picture.", "What do you see here?", "Give a short caption and two details.",
    "Tell somebody who cannot see it what is on the picture.", "Write an alt text for this image.",
)  # fmt: skip
_INVENTED = (
    "A dog sleeps in the corner.", "Two people walk in the background.",
    "There is also a sign with large letters.", "A bird sits on top of it.",
    "In the distance one sees a red car.", "A vase with flowers stands beside it.", "Some birds fly above.",
    "A person seems to wave at us.", "Somebody has left an umbrella there.",
)  # fmt: skip


def look(picture: Picture, rng: random.Random) -> tuple[Task, Task]:
    """A question about a picture with what is true of it, and the same with false facts."""
    facts = rng.sample(picture.facts, len(picture.facts))
    asked = rng.choice(_DESCRIBE) if rng.random() < 0.3 else facts[0].ask
    false_facts = [replace(fact, true=rng.choice(fact.false)) for fact in facts]
    result = "" if asked in _DESCRIBE else facts[0].true
    wrong = "" if asked in _DESCRIBE else false_facts[0].true
    prompt = rng.choice(_LOOKS) + asked
    return _seen(prompt, picture, facts, result), _seen(prompt, picture, false_facts, wrong)


def _seen(prompt: str, picture: Picture, facts: list[Fact], result: str) -> Task:
    caption = picture.caption
    opens = (f"The picture shows {caption}.", f"One sees {caption}.", f"This is {caption}.")
    points = tuple(
        (fact.true, f"From what is visible: {fact.true}", f"{fact.true[:-1]}, as one sees at a glance.")
        for fact in facts
        if fact.true != result
    )
    closes = ("Nothing else is in the picture.", "Shall I look at another detail?", "The edges are plain.")
    return Task("picture", caption, prompt, "", opens, points, closes, result)


def _seen_wrongly(picture: Picture, other: Picture, rng: random.Random) -> Draft:
    task, lie = look(picture, rng)
    better, worse, name = versus(task, look(other, rng)[0], rng)
    kind = rng.random()
    if kind < 0.62:
        name = "misnamed"
        worse = good(lie, rng, max(6, len(worse.split())))
    if kind < 0.3:
        name = "invented"
        worse = f"{worse} {' '.join(rng.sample(_INVENTED, rng.randint(1, 2)))}"
    return Draft(task, better, worse, name)


def picture_draft(writer: Writer, picture: Picture, other: Picture, rng: random.Random) -> Draft:
    """A question about a picture; the worse answer misnames, invents, describes another picture or is just bad."""

    def make() -> Draft:
        wanted = rng.random() < 0.53
        for _ in range(8):
            draft = _seen_wrongly(picture, other, rng)
            if (len(draft.chosen) > len(draft.rejected)) == wanted:
                break
        return draft

    return writer.fresh(make, same_prompt=True)


def corrected(writer: Writer, picture: Picture, rng: random.Random) -> Draft:
    """A description, and the same one before a person corrected some spans of it."""

    def make() -> Draft:
        facts = rng.sample(picture.facts, rng.randint(2, len(picture.facts)))
        prompt = rng.choice(_LOOKS) + rng.choice(_DESCRIBE)
        sentences = [f"The picture shows {picture.caption}.", *(fact.true for fact in facts)]
        spoilt = list(sentences)
        for i in rng.sample(range(len(facts)), rng.randint(1, 2)):
            spoilt[i + 1] = rng.choice(facts[i].false)
        if rng.random() < 0.35:
            spoilt.insert(rng.randint(1, len(spoilt)), rng.choice(_INVENTED))
        elif rng.random() < 0.75 and len(spoilt) > 2:
            spoilt.pop()
        task = Task("picture", picture.caption, prompt, "", (), (), ())
        return Draft(task, " ".join(sentences), " ".join(spoilt), "uncorrected")

    return writer.fresh(make, same_prompt=True)


def gallery(scenes: tuple[Callable[[np.random.Generator], Picture], ...], count: int, seed: int) -> list[Picture]:
    """Pictures of all kinds in turn, each with a generator of its own."""
    return [scenes[i % len(scenes)](np.random.default_rng([seed, i])) for i in range(count)]
