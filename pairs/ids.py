"""Ids: 128-bit hashes of canonical content, as 32 hex digits. To change what is hashed is to change every id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b

Known = dict[tuple[str, ...], str]


def prompt_id(prompt: Sequence[Mapping[str, str]], media_ids: Sequence[str]) -> str:
    return content_id("prompt", [*_flat(prompt), "|", *media_ids])


def completion_id(prompt: str, completion: Sequence[Mapping[str, str]], media_ids: Sequence[str]) -> str:
    """Hash of a prompt's id and one completion: the key under which its reward is kept."""
    return content_id("completion", [prompt, *_flat(completion), "|", *media_ids])


def pair_id(prompt: str, chosen: str, rejected: str, criterion: str) -> str:
    return content_id("pair", [prompt, chosen, rejected, criterion])


def content_id(kind: str, parts: Sequence[str], known: Known | None = None) -> str:
    """The id of parts that are in canonical form; `known` remembers it for the next call with the same parts."""
    if known is None:
        return _digest(kind, parts)
    key = (kind, *parts)
    found = known.get(key)
    if found is None:
        found = known[key] = _digest(kind, parts)
    return found


def _digest(kind: str, parts: Sequence[str]) -> str:
    """128 bits over length-prefixed parts, so that no two lists of parts read alike."""
    text = "".join([f"{len(part)}:{part}" for part in parts])
    if not text.isascii():  # lengths count bytes
        text = "".join([f"{len(part.encode())}:{part}" for part in parts])
    return blake2b((kind + text).encode(), digest_size=16).hexdigest()


def _flat(messages: Sequence[Mapping[str, str]]) -> list[str]:
    return [part for message in messages for part in (message["role"], message["content"])]
