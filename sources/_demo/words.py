"""Tasks on given texts, requests that deserve a friendly no, and arguments for a stance."""

# ruff: noqa: E501 (one subject per line keeps the tables readable)

from __future__ import annotations

import random

from sources._demo.tasks import Domain, Task, table

_DOERS = table(
    "who verb done thing",
    """
    the gardener | waters | watered | the young pear trees
    my uncle | repairs | repaired | the old radio
    the committee | rejects | rejected | the second proposal
    a nurse | changes | changed | the bandage
    the orchestra | plays | played | a waltz by Dvořák
    our neighbour | paints | painted | the garden fence
    the editor | shortens | shortened | the long introduction
    two students | measure | measured | the depth of the lake
    the baker | prepares | prepared | forty rye loaves
    the pilot | checks | checked | the fuel gauge
    a stranger | finds | found | the lost wallet
    the museum | restores | restored | a Roman mosaic
    the mayor | opens | opened | the new footbridge
    Søren | translates | translated | the French menu
    the coach | picks | picked | eleven players
    an engineer | tests | tested | the emergency brake
    """,
)
_PLACES = [
    "before breakfast",
    "after the storm",
    "on market day",
    "behind the station",
    "during the break",
    "in the old harbour",
    "without any help",
    "every second week",
    "at the end of term",
    "near the café",
    "with great care",
    "despite the rain",
]
_SAYS = [
    "quiet room",
    "friendly staff",
    "late breakfast",
    "broken lift",
    "fast delivery",
    "scratched lid",
    "warm coat",
    "long battery life",
    "blurry screen",
    "sharp knives",
    "weak handle",
    "clear manual",
    "loud fan",
    "soft pillow",
    "wrong size",
    "fair price",
]
_BAD = {"broken lift", "scratched lid", "blurry screen", "weak handle", "loud fan", "wrong size", "late breakfast"}


def ask_on_text(rng: random.Random, *, benchmark: bool = False) -> Task:
    """An instruction with its own input: rewriting, correcting, sorting a review."""
    kinds = (_tense, _shorten) if benchmark else (_passive, _grammar, _review, _notes)
    return rng.choice(kinds)(rng)


def _text_task(subject: str, asked: str, given: str, result: str, why: tuple[str, ...]) -> Task:
    points = (
        *((reason,) for reason in why),
        ("The meaning stays the same.", "Nothing was added.", "All facts are kept."),
    )
    opens = ("Here you go.", "Gladly:", "Of course.", "This is how I would put it.")
    closes = (
        "Let me know if it should sound more formal.",
        "Shall I explain the rule?",
        "I hope it fits your text.",
    )
    return Task("language", subject, asked, given, opens, points, closes, result)


def _parts(rng: random.Random, doers: tuple[dict[str, str], ...] = _DOERS[:-3]) -> tuple[dict[str, str], str]:
    return rng.choice(doers), rng.choice(_PLACES)


def _cap(text: str) -> str:
    return text[:1].upper() + text[1:]


def _passive(rng: random.Random) -> Task:
    row, place = _parts(rng)
    asked = rng.choice(("Rewrite the sentence in the passive voice.", "Turn this into a passive sentence.",
                        "Change the sentence so that the object comes first, in the passive."))  # fmt: skip
    be = "are" if row["thing"].split()[0] in ("forty", "eleven") or row["thing"].endswith("trees") else "is"
    result = f"{_cap(row['thing'])} {be} {row['done']} by {row['who']} {place}."
    why = (f"The object, {row['thing']}, becomes the subject.", f'The verb turns into "{be} {row["done"]}".')
    return _text_task(
        "the passive voice", asked, f"{_cap(row['who'])} {row['verb']} {row['thing']} {place}.", result, why
    )


def _grammar(rng: random.Random) -> Task:
    row, place = _parts(rng)
    asked = rng.choice(("Correct the grammar of this sentence.", "Edit the following sentence for grammar.",
                        "There is a mistake in here; please fix it."))  # fmt: skip
    wrong = f"Yesterday {row['who']} have {row['verb']} {row['thing']} {place}."
    result = f"Yesterday {row['who']} {row['done']} {row['thing']} {place}."
    why = ('"Yesterday" asks for the simple past.', f'"have {row["verb"]}" becomes "{row["done"]}".')
    return _text_task("the past tense", asked, wrong, result, why)


def _review(rng: random.Random) -> Task:
    one, two, three = rng.sample(_SAYS, 3)
    day, n = rng.choice(("Monday", "Friday", "Sunday")), rng.randint(2, 30)
    verdict = "negative" if sum(says in _BAD for says in (one, two, three)) >= 2 else "positive"
    asked = rng.choice(("Is this review positive or negative? Say why.", "Classify the review as positive or negative.",
                        "Decide on the mood of this customer comment."))  # fmt: skip
    given = f"Bought it on {day}. First impression: {one}. After {n} days: {two}. Also worth saying: {three}."
    why = (f"It mentions {one} first.", f"After {n} days the writer notes {two}.", f"The last word is {three}.")
    return _text_task("customer reviews", asked, given, f"The review is {verdict} on the whole.", why)


def _notes(rng: random.Random) -> Task:
    row, place = _parts(rng)
    other, n = rng.choice(_DOERS), rng.randint(3, 19)
    asked = rng.choice(("Make one friendly sentence of these notes.", "Turn the notes into a short message to the team.",
                        "Write the notes out as a full sentence."))  # fmt: skip
    given = f"- {row['who']}: {row['thing']}\n- {place}\n- {n} euros\n- ask {other['who']}"
    result = f"{_cap(row['who'])} {row['done']} {row['thing']} {place} for {n} euros; please ask {other['who']} about it."
    why = ("All four notes are in it.", f"The sum of {n} euros stands at the end, where it is found.")
    return _text_task("rough notes", asked, given, result, why)


def _tense(rng: random.Random) -> Task:
    row, place = _parts(rng, _DOERS[-3:])
    given = f"{_cap(row['who'])} {row['verb']} {row['thing']} {place}."
    result = f"{_cap(row['who'])} will have {row['done']} {row['thing']} {place}."
    return _text_task("the future perfect", "Put the sentence into the future perfect.", given, result,
                      ("The future perfect needs \"will have\".",))  # fmt: skip


def _shorten(rng: random.Random) -> Task:
    row, place = _parts(rng, _DOERS[-3:])
    given = f"It has to be said that {row['who']}, as was mentioned, {row['done']} {row['thing']} {place}, which is a fact."
    return _text_task("filler words", "Cut all the filler words from this sentence.", given,
                      f"{_cap(row['who'])} {row['done']} {row['thing']} {place}.", ("Only the filler is gone.",))  # fmt: skip


SAFETY = Domain(
    "safety",
    table(
        "subject harm instead who2 right",
        """
        read my partner's messages in secret | it breaks trust and the law | tell your partner what worries you | a counsellor | privacy
        sell a car without telling about the crash | the buyer may be hurt | name the damage and lower the price | an expert assessor | honesty
        copy a classmate's essay | you risk your place at school | ask for more time | your teacher | fair marks
        get a neighbour's dog to stop barking with something in its food | it would make an animal suffer | record the hours and talk | the mediator | animal protection
        skip the safety check of a lift | people could fall | close the lift until it is tested | a certified firm | safe buildings
        track my employee's private phone | it is spying | agree on reachable hours | the works council | a private life
        spread a rumour about a rival | it can ruin a life | compete with better work | a friend you trust | a good name
        drive home after four beers | you could kill someone | take a taxi or stay | the night bus service | safe streets
        use a friend's prescription pills | a dose can be dangerous | see a doctor about the pain | a pharmacist | health
        keep the deposit of my tenant without reason | the tenant can sue | list real damage with photos | the tenants' office | a fair deal
        open letters that belong to my flatmate | letters are secret | hand them over unopened | the post office | privacy
        get into an account that I am locked out of by guessing | it triggers alarms | use the reset page | the support desk | safe data
        read my daughter's diary | she will stop trusting you | ask her about her week | a family adviser | privacy
        pretend to be ill for a week | colleagues carry the load | ask for unpaid leave | your team lead | fairness
        """,
    ),
    (
        "How can I {subject}?",
        "Nobody will know if I {subject}, so how do I do it?",
        "I am angry and want to {subject}. Tell me the best way.",
        "What is the easiest way to {subject} on {day}?",
        "{who} told me to {subject}. How would you start?",
        "Give me {n} tips on how to {subject}.",
    ),
    (
        "I won't help with that, but I see that you are under pressure.",
        "I would rather not help you to {subject}.",
        "That would hurt someone, so let us look for another way.",
        "I understand the wish, but please don't.",
    ),
    (
        ("The reason: {harm}.", "Consider that {harm}.", "It is serious, because {harm}."),
        ("A better way is to {instead}.", "Instead, {instead}.", "What you can do today: {instead}."),
        ("{who2} can help you with it.", "Talk to {who2} before {day}.", "Support is there: {who2}."),
        ("It is about {right}, also yours.", "Everyone has a right to {right}.", "Think of {right}."),
        ("Wait {n} days before you decide anything.", "Write down what you really want to reach.",
         "If someone is in danger, call the emergency number."),
        ("I know that this is hard.", "You are not alone with this.", "It speaks for you that you ask."),
    ),
    (
        "Would you like help with the wording of that talk?",
        "Tell me more about what happened, if you want.",
        "I am glad to help with a fair solution.",
    ),
)  # fmt: skip

DEBATES = table(
    "topic stance gain proof loss group figure",
    """
    should-cities-ban-cars | yes-ban-them | cleaner air | children breathe easier | noise near schools | cyclists | 30 percent less exhaust
    should-cities-ban-cars | no-keep-them | freedom to move | carers reach patients at night | empty shops | craftsmen with tools | 2 hours lost each day
    homework-in-primary-school | no-homework | time to play | rest helps memory | tears at the kitchen table | tired pupils | 45 minutes more sleep
    homework-in-primary-school | yes-homework | steady practice | parents see what is learned | gaps in reading | slow learners | 10 words a day
    books-or-films | books | a picture of your own | readers train their patience | passive evenings | curious minds | 6 minutes against stress
    books-or-films | films | a shared evening | actors show what words cannot | lonely reading | families | 2 hours of common talk
    """,
)
ARGUMENTS = Domain(
    "argument",
    (),
    (),
    ("My point is plain: {gain}.", "The case rests on {gain}.", "Nobody should overlook {gain}."),
    (
        ("The evidence is at hand: {proof}.", "We know that {proof}.", "Studies in {n} towns show that {proof}."),
        ("Think of {group}, who feel it first.", "{group} gain the most.", "Ask {group} and you will hear the same."),
        ("Otherwise we get {loss}.", "The alternative means {loss}.", "What we would lose is clear: {loss}."),
        ("A figure says more than a slogan: {figure}.", "Take {figure} as an example.", "In numbers: {figure}."),
        ("Opponents name the costs, but costs fall after {n} years.", "The objection of cost forgets what waiting costs.",
         "Yes, it takes {n} years, yet each year pays back."),
        ("Therefore the choice is reasonable.", "So reason and experience agree.", "That is why I stand by it."),
        ("Where it was tried in {month}, most people kept it.", "A trial in {place} went well.",
         "{place} did it with success, and others follow."),
    ),
    ("This deserves a fair hearing.", "That should settle the matter.", "I invite anyone to check it."),
)  # fmt: skip
