"""Ids: 128-bit hashes of canonical content, as 32 hex digits. To change what is hashed is to change every id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b

_PROMPT = blake2b(b"prompt", digest_size=16)
_COMPLETION = blake2b(b"completion32:", digest_size=16)
_PAIR = blake2b(b"pair32:", digest_size=16)


def prompt_id(prompt: Sequence[Mapping[str, str]], media_ids: Sequence[str]) -> str:
    return prompt_id_of(framed(_flat(prompt)), media_ids)


def completion_id(prompt: str, completion: Sequence[Mapping[str, str]], media_ids: Sequence[str]) -> str:
    """Hash of a prompt's id and one completion: the key under which its reward is kept."""
    return completion_id_of(prompt, framed(_flat(completion)), media_ids)


def pair_id(prompt: str, chosen: str, rejected: str, criterion: str) -> str:
    return _digest(_PAIR, f"{prompt}32:{chosen}32:{rejected}{framed_text(criterion)}")


def prompt_id_of(prompt: str, media_ids: Sequence[str]) -> str:
    """`prompt_id` of messages that are framed: role, content, role, content, ..."""
    return _digest(_PROMPT, f"{prompt}1:|{framed(media_ids) if media_ids else ''}")


def completion_id_of(prompt: str, completion: str, media_ids: Sequence[str]) -> str:
    """`completion_id` of messages that are framed."""
    return _digest(_COMPLETION, f"{prompt}{completion}1:|{framed(media_ids) if media_ids else ''}")


def framed(parts: Sequence[str]) -> str:
    """Texts in canonical form, each after its length in bytes, so that no two lists of texts read alike."""
    text = "".join([f"{len(part)}:{part}" for part in parts])
    return text if text.isascii() else "".join([f"{len(part.encode())}:{part}" for part in parts])


def framed_text(text: str) -> str:
    """`framed` of one text."""
    return f"{len(text) if text.isascii() else len(text.encode())}:{text}"


def _digest(begun: blake2b, text: str) -> str:
    """The hash of what `begun` holds and a text after it; a copy takes two thirds of the time of a new one."""
    whole = begun.copy()
    whole.update(text.encode())
    return whole.hexdigest()


def _flat(messages: Sequence[Mapping[str, str]]) -> list[str]:
    return [part for message in messages for part in (message["role"], message["content"])]
