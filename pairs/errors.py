"""The errors of prefmill: one type for each thing that a person or the machine has to do next.

Every message says where (source, row, column), what was seen, what was expected and what to do.
"""

from __future__ import annotations


class PrefmillError(Exception):
    """Base of all errors raised on purpose. Its text is written for the user: one line, no traceback needed."""


class BadRow(PrefmillError):
    """One native row is broken. Count it under `reason`, keep its place, go on.

    `reason` is a short snake_case name that groups alike rows, e.g. "chosen_not_text".
    `kind` is "broken" here: too many of these mean that the source has changed.
    """

    kind = "broken"

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class SetAside(BadRow):
    """One native row is sound but holds no preference: a tie, two equal completions, an empty answer."""

    kind = "set_aside"


class SourceChanged(PrefmillError):
    """A source is not what its file describes. Stop; a person must look; do not retry."""


class Unavailable(PrefmillError):
    """Something outside did not answer. Retry with backoff."""


class PublishConflict(PrefmillError):
    """Another run took the version number. Read again and publish again."""


class RecipeError(PrefmillError):
    """A mixture's TOML cannot be used as written."""


def shown(value: object, limit: int = 80) -> str:
    """`repr` of a value from a row, cut: safe to put in a message or a log line."""
    text = repr(value[: 2 * limit]) if isinstance(value, str | bytes) else repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
