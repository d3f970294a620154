"""Errors of ours as Dagster failures: their one line, and a retry only where waiting can help."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from pairs.errors import PrefmillError, PublishConflict, Unavailable


@contextmanager
def one_line_failures() -> Iterator[None]:
    """Turn a `PrefmillError` into a step failure that says what it says."""
    try:
        yield
    except PrefmillError as error:
        raise failure(error) from None


def failure(*errors: PrefmillError) -> dg.Failure:
    """One failure for one or more errors; retried when each of them may pass by itself."""
    passing = all(isinstance(error, Unavailable | PublishConflict) for error in errors)
    return dg.Failure(" | ".join(str(error) for error in errors), allow_retries=passing)
