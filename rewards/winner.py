"""Which of two answers a judge's text names as the better one: what it says last, and only what it says plainly.

A vote that is misread counts as much as one that is read, so whatever is doubtful is no vote.
"""

from __future__ import annotations

import re

READING = 2  # part of a judge's fingerprint: other readings of the same texts are other verdicts
_THOUGHT = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_UNFINISHED = re.compile(r"<think(?:ing)?>.*", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<answer>(.*?)</answer>", re.IGNORECASE | re.DOTALL)
# All that a tag may hold beside the number: "Answer 2", "[2]", "\\boxed{2}", "**Answer 2** is better."
_IN_TAG = re.compile(
    r"\W*(?:boxed\W*)?(?:(?:the\s+)?(?:answer|response)\W*)?([12])\W*(?:is\s+(?:the\s+)?better(?:\s+one)?\W*)?",
    re.IGNORECASE,
)
_BETTER = r"\banswer\W{0,3}([12])\W{0,3}\s+is\s+(?:\w+ly\s+|much\s+|the\s+)?better\b"
_STATEMENT = re.compile(
    rf"\\boxed\{{\s*(?:\\text\{{)?\s*(?:answer\s*)?([12])\s*\}}|{_BETTER}"
    r"|\b(?:ties?|tied|a\s+draw|neither|equal(?:ly)?|no\s+winner|both\s+answers)\b",
    re.IGNORECASE,
)
_DOUBT = re.compile(
    r"\b(?:not|never|nor|neither|whether|if|unless|hardly|doubt|no)\b|n['\u2019]t\b", re.IGNORECASE
)
# After "is better": the end of the sentence, the other answer, or a reason. "At style" is half a verdict.
_FOLLOWS = re.compile(
    r"\W*(?:$|\n)|[*_]*[.!;:]|[*_]*,(?!\s*(?:but|though|although|however|only|except)\b)"
    r"|\s*(?:one|answer|overall|than\s+(?:the\s+other|\W*answer)|because|since|as\s+it|due\s+to)\b",
    re.IGNORECASE,
)


def winner(text: str, *, cut: bool) -> int | None:
    """1 or 2; None where the text names neither. `cut`: it ends where the server's limit was, not where the judge
    had said all, so that only a whole <answer> counts.

    Thoughts are left out. The last <answer> rules over all that stands around it, and one that holds no number (a
    tie) is no vote; without one the last statement on the answers counts: "Answer 2 is better" or a boxed number,
    unless it is doubted, halved ("at style") or followed by a tie.
    """
    said = _UNFINISHED.sub("", _THOUGHT.split(text)[-1])
    tags = _TAG.findall(said)
    if tags:
        found = _IN_TAG.fullmatch(tags[-1])
        return int(found[1]) if found else None
    statements = [] if cut else list(_STATEMENT.finditer(said))
    if not statements:
        return None
    last = statements[-1]
    if last[1]:
        return int(last[1])
    sentence = re.split(r"[.!?\n]", said[: last.start()])[-1]
    plain = last[2] and _FOLLOWS.match(said, last.end()) and not _DOUBT.search(sentence)
    return int(last[2]) if plain else None
