"""A tokenizer for several threads."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class OneAtATime:
    """A tokenizer that tokenizes for one thread at a time: it keeps its padding as a state, and two would disturb
    each other. Inside a processor it leaves the work on pictures to all threads together."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._free = threading.Lock()

    def __call__(self, *texts: Any, **options: Any) -> Any:
        with self._free:
            return self._tokenizer(*texts, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)
