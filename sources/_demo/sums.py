"""Tasks whose answer is computed: sums from daily life, and small Python functions."""

# ruff: noqa: E501 (one subject per line keeps the tables readable)

from __future__ import annotations

import random
from collections.abc import Callable

from sources._demo.tasks import Domain, Task, table

Sum = tuple[str, str, tuple[str, ...]]  # question, result sentence, the steps to it

_NAMES = ["Ana", "Bram", "Chloé", "Dario", "Elif", "Femi", "Greta", "Hugo", "Inés", "Kofi", "Lena", "Mateo"]
_GOODS = [
    "lamp",
    "coat",
    "tent",
    "bicycle",
    "kettle",
    "guitar",
    "rucksack",
    "sofa",
    "camera",
    "stroller",
    "desk",
    "drill",
    "radio",
    "blender",
]


def _discount(rng: random.Random) -> Sum:
    price, share, thing = rng.randrange(20, 900, 10), rng.randrange(5, 70, 5), rng.choice(_GOODS)
    off = price * share / 100
    question = f"A {thing} costs {price} euros and is reduced by {share} percent. What do I pay?"
    steps = (f"{share} percent of {price} is {off:g}.", f"Subtract that: {price} - {off:g} = {price - off:g}.")
    return question, f"You pay {price - off:g} euros for the {thing}.", steps


def _trip(rng: random.Random) -> Sum:
    speed, hours, who = rng.randrange(40, 130, 5), rng.randint(2, 9), rng.choice(_NAMES)
    question = f"{who} drives {hours} hours at {speed} km/h. How far is that, and what if it took one hour more?"
    steps = (f"Distance is speed times time: {speed} * {hours} = {speed * hours}.",
             f"One more hour adds {speed} km, which makes {speed * hours + speed}.")  # fmt: skip
    return question, f"{who} covers {speed * hours} km.", steps


def _area(rng: random.Random) -> Sum:
    long, wide, tile = rng.randint(3, 19), rng.randint(2, 9), rng.choice((4, 9, 16, 25))
    question = (
        f"My room is {long} m long and {wide} m wide. How many tiles do I need at {tile} tiles per square metre?"
    )
    steps = (f"The floor has {long} * {wide} = {long * wide} square metres.",
             f"{long * wide} * {tile} = {long * wide * tile} tiles.")  # fmt: skip
    return question, f"You need {long * wide * tile} tiles, plus a few spare ones.", steps


def _mean(rng: random.Random) -> Sum:
    marks = [rng.randint(1, 60) for _ in range(rng.randint(3, 5))]
    total, shown = sum(marks), ", ".join(map(str, marks))
    question = f"What is the mean of {shown}, rounded to two digits?"
    steps = (f"Add them: the sum is {total}.", f"Divide by {len(marks)}: {total} / {len(marks)}.")
    return question, f"The mean of {shown} is {total / len(marks):.2f}.", steps


def _share(rng: random.Random) -> Sum:
    people, each, rest = rng.randint(3, 9), rng.randint(7, 40), rng.randint(1, 2)
    total = people * each + rest
    who = rng.choice(_NAMES)
    question = f"{who} wants to divide {total} sweets fairly among {people} children. How many are left over?"
    steps = (f"{total} divided by {people} is {each}, remainder {rest}.",
             f"Check: {people} * {each} + {rest} = {total}.")  # fmt: skip
    return question, f"Each child gets {each} sweets, and {rest} stay with {who}.", steps


def _interest(rng: random.Random) -> Sum:
    money, rate, years = rng.randrange(200, 5000, 100), rng.randint(2, 6), rng.randint(2, 5)
    end = money * (1 + rate / 100) ** years
    question = f"I put {money} euros in the bank at {rate} percent a year. What do I have after {years} years?"
    steps = (f"Each year multiplies the sum by {1 + rate / 100:g}.",
             f"{money} * {1 + rate / 100:g}^{years} = {end:.2f}.")  # fmt: skip
    return question, f"After {years} years there are {end:.2f} euros.", steps


def _convert(rng: random.Random) -> Sum:
    value, (one, other, factor) = rng.randint(3, 95), rng.choice(
        (("miles", "kilometres", 1.609), ("pounds", "kilograms", 0.4536), ("inches", "centimetres", 2.54),
         ("gallons", "litres", 3.785), ("hours", "seconds", 3600), ("weeks", "hours", 168)))  # fmt: skip
    question = f"Convert {value} {one} to {other} and show me how you got there."
    steps = (f"One of the {one} is {factor:g} {other}.", f"{value} * {factor:g} = {value * factor:g}.")
    return question, f"{value} {one} are {value * factor:g} {other}.", steps


def _clock(rng: random.Random) -> Sum:
    start, hours, minutes = rng.randint(6, 18), rng.randint(1, 5), rng.randrange(5, 60, 5)
    question = f"A film starts at {start}:10 and lasts {hours} hours and {minutes} minutes. When is it over?"
    end = start * 60 + 10 + hours * 60 + minutes
    steps = (f"Add the hours: {start + hours}:10.", f"Add the {minutes} minutes.")
    return question, f"It ends at {end // 60 % 24}:{end % 60:02d}.", steps


Kinds = dict[str, Callable[[random.Random], Sum]]  # by what a reader would call them
SUMS: Kinds = {
    "discounts": _discount,
    "distances": _trip,
    "floor tiles": _area,
    "mean values": _mean,
    "fair shares": _share,
    "bank interest": _interest,
}
BENCHMARK_SUMS: Kinds = {"units of measure": _convert, "clock times": _clock}


def ask_sum(rng: random.Random, *, benchmark: bool = False) -> Task:
    """A sum with its result; the benchmark has kinds of its own."""
    kinds = BENCHMARK_SUMS if benchmark else SUMS
    subject = rng.choice(sorted(kinds))
    question, result, steps = kinds[subject](rng)
    lead = rng.choice(("", "", "Maths homework: ", "Please check this for me. ", "No calculator at hand: "))
    return Task(
        "maths",
        subject,
        lead + question,
        "",
        ("Let us work it out.", "Sure, step by step.", "This takes two steps.", "Here is the calculation."),
        (
            *((step, f"First the sum itself. {step}", f"On paper: {step}") for step in steps),
            ("Rounding only at the end keeps it exact.", "A rough estimate gives about the same."),
            ("Write the unit beside each number.", "You can check it by going backwards."),
            ("The same way works with other numbers.", "A small sketch of the task helps too."),
        ),
        ("Does that make sense?", "Try the next one alone and I will check it.", "Ask if a step is unclear."),
        result,
    )


CODE = Domain(
    "code",
    table(
        "subject name arg body edge cost",
        """
        reverses the words of a sentence | reverse_words | text | " ".join(reversed(text.split())) | an empty text gives an empty text | linear time
        counts the vowels in a text | count_vowels | text | sum(c in "aeiou" for c in text.lower()) | accents are not counted | linear time
        removes duplicates but keeps the order | unique | items | list(dict.fromkeys(items)) | items must be hashable | linear time
        flattens a list of lists | flatten | rows | [x for row in rows for x in row] | it goes one level deep | linear time
        checks for a palindrome | is_palindrome | text | text == text[::-1] | blanks count as well | linear time
        finds the most frequent word | top_word | text | Counter(text.split()).most_common(1)[0][0] | an empty text raises IndexError | linear time
        sums the digits of a number | digit_sum | number | sum(map(int, str(abs(number)))) | the sign is dropped | one pass
        splits a list into halves | halves | items | (items[: len(items) // 2], items[len(items) // 2 :]) | an odd one goes right | a copy of the list
        turns seconds into minutes | to_minutes | seconds | divmod(seconds, 60) | negative numbers surprise | constant time
        merges two dictionaries | merged | one, two | {{**one, **two}} | the second one wins | linear time
        reads a file line by line | lines | path | [line.rstrip() for line in open(path)] | large files fill memory | one pass
        gives the median of a list | median | items | sorted(items)[len(items) // 2] | an even length needs a mean | n log n
        counts lines in a text | count_lines | text | len(text.splitlines()) | no text means 0 | linear time
        rotates a list by k | rotated | items, k | items[k % len(items) :] + items[: k % len(items)] | an empty list divides by zero | linear time
        """.replace("{{", "{").replace("}}", "}"),
    ),
    (
        "Write a Python function that {subject}.",
        "How would you test Python code that {subject}? Give {n} cases.",
        "Is there a short way in Python for something that {subject}?",
        "My function `{name}` should do this: it {subject}. Can you show me a clean version?",
        "Explain to {who} how code works that {subject}.",
        "What are the edge cases of a function that {subject}?",
    ),
    (
        "Sure, this is a small function.",
        "Python has everything needed for that.",
        "Here is a version with a clear name.",
        "`{name}` fits in two lines.",
    ),
    (
        ("```python\ndef {name}({arg}):\n    return {body}\n```",),
        ("```python\ndef {name}({arg}):\n    result = {body}\n    return result\n```",),
        ("Mind the edge case: {edge}.", "One thing to know: {edge}.", "For the tests, remember that {edge}."),
        ("It runs in {cost}.", "The cost: {cost}.", "As for speed, that is {cost}."),
        ("The name `{name}` tells the reader what comes back.", "`{arg}` is not changed by the call."),
        ("A test for `{name}` should cover a normal, an empty and a large case.",
         "Write one assertion for each of the {n} cases."),
    ),
    ("Tell me your Python version if it does not run.", "I can add type hints as well.", "Happy coding!"),
    ("Review a pull request in which code {subject}; which two remarks would you leave, and in what tone?",
     "Port an old shell script that {subject} to modern Python and comment on what gets simpler.",
     "Document for beginners, in docstring style, a routine that {subject} and its complexity."),
)  # fmt: skip
