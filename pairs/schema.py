"""The unified schema: what a pair is, its ids and its canonical form. The only definition of both.

Identity is content: two pairs with the same canonical prompt, media, completions and criterion have the
same `pair_id` wherever they came from, so a completion is scored once and a re-run changes no byte.
"""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson
import pyarrow as pa

from pairs.errors import BadRow, SetAside, shown

Message = Mapping[str, str]

MAX_CHARS = 1_000_000  # of one message
MAX_TURNS = 1_000  # of one conversation
MAX_MEDIA = 256  # of one pair
ROLES = ("system", "user", "assistant", "tool")
MODALITIES = ("text", "image", "multi_image", "video", "audio", "to_image", "to_video")
LABEL_SOURCES = ("human", "model", "rule", "implicit", "constructed")
IMAGE_MARK = "<image>"
_OPTIONAL = ("rationale", "reference", "category", "language")

_string = pa.string()
MESSAGES = pa.list_(pa.struct([("role", _string), ("content", _string)]))
# The layout of an Arrow map, spelled out: `datasets` and Polars know no map type.
RATINGS = pa.list_(pa.struct([("key", _string), ("value", pa.float64())]))
IDS = pa.list_(_string)

PAIRS = pa.schema(
    [
        pa.field("pair_id", _string, nullable=False),
        pa.field("prompt_id", _string, nullable=False),
        pa.field("chosen_id", _string, nullable=False),
        pa.field("rejected_id", _string, nullable=False),
        pa.field("source", _string, nullable=False),
        pa.field("source_revision", _string, nullable=False),
        pa.field("source_split", _string, nullable=False),
        pa.field("source_row", _string, nullable=False),
        pa.field("prompt", MESSAGES, nullable=False),
        pa.field("chosen", MESSAGES, nullable=False),
        pa.field("rejected", MESSAGES, nullable=False),
        pa.field("media_ids", IDS, nullable=False),
        pa.field("chosen_media_ids", IDS, nullable=False),
        pa.field("rejected_media_ids", IDS, nullable=False),
        pa.field("modality", _string, nullable=False),
        pa.field("criterion", _string, nullable=False),
        pa.field("label_source", _string, nullable=False),
        pa.field("source_margin", pa.float64()),
        pa.field("chosen_ratings", RATINGS, nullable=False),
        pa.field("rejected_ratings", RATINGS, nullable=False),
        pa.field("rationale", _string),
        pa.field("reference", _string),
        pa.field("category", _string),
        pa.field("language", _string),
        pa.field("licence", _string, nullable=False),
        pa.field("role", _string, nullable=False),
        pa.field("extra", _string),
    ]
)

BAD_ROWS = pa.schema(
    [
        pa.field("source", _string, nullable=False),
        pa.field("source_split", _string, nullable=False),
        pa.field("source_row", _string, nullable=False),
        pa.field("kind", _string, nullable=False),  # "broken" or "set_aside"
        pa.field("reason", _string, nullable=False),
        pa.field("detail", _string, nullable=False),
        # False: other completions of the same native row did become pairs.
        pa.field("whole_row", pa.bool_(), nullable=False),
    ]
)


@dataclass(slots=True)
class Medium:
    """One checked picture. `data` is what is stored and hashed; `phash` is null for a flat picture."""

    media_id: str
    kind: str  # "image"
    format: str  # "JPEG", "PNG", "WEBP", "GIF"
    width: int  # pixels
    height: int
    phash: str | None  # 64-bit perceptual hash, 16 hex digits
    data: bytes


@dataclass(slots=True)
class Pair:
    """What a source makes of a native row.

    `prompt` is a text (one user turn) or messages; `chosen` and `rejected` are a text (one assistant turn)
    or messages. Pictures are bytes, or a path relative to the source's own folder or archive. `<image>` in a
    text marks where a picture stands; without marks the pictures stand before the last user turn.
    `label_source` and `licence` default to the source's own.
    """

    prompt: str | Sequence[Message]
    chosen: str | Sequence[Message]
    rejected: str | Sequence[Message]
    images: Sequence[bytes | str] = ()
    chosen_images: Sequence[bytes | str] = ()
    rejected_images: Sequence[bytes | str] = ()
    criterion: str = "overall"
    label_source: str | None = None
    source_margin: float | None = None
    chosen_ratings: Mapping[str, float | None] = field(default_factory=dict)
    rejected_ratings: Mapping[str, float | None] = field(default_factory=dict)
    rationale: str | None = None
    reference: str | None = None
    category: str | None = None
    language: str | None = None
    licence: str | None = None
    extra: Mapping[str, Any] | None = None


def canonical_text(value: object, column: str) -> str:
    """The one spelling of a text: NFC, "\\n" line ends, no blank lines before, no white space after.

    Raises `BadRow` for what is no text, has no UTF-8 form or holds a NUL.
    """
    if type(value) is not str:
        raise BadRow(f"{column}_not_text", f"{column} is {shown(value)}, expected a text")
    if len(value) > MAX_CHARS:
        raise BadRow(f"{column}_too_long", f"{column} has {len(value)} characters, at most {MAX_CHARS}")
    if "\r" in value:
        value = value.replace("\r\n", "\n").replace("\r", "\n")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise BadRow(f"{column}_not_unicode", f"lone surrogate at character {error.start}") from None
        value = unicodedata.normalize("NFC", value)
    if "\0" in value:
        raise BadRow(f"{column}_has_nul", f"NUL at character {value.index(chr(0))}")
    return value.rstrip().lstrip("\n")


_attribute = lru_cache(maxsize=1_000)(canonical_text)  # names of ratings: a handful, in every row


def canonical_messages(value: object, column: str, role: str) -> list[dict[str, str]]:
    """Messages in canonical form; a bare text becomes one message of `role`."""
    if type(value) is str:
        return [{"role": role, "content": canonical_text(value, column)}]
    if type(value) is not list and (not isinstance(value, Sequence) or isinstance(value, bytes | str)):
        raise BadRow(f"{column}_not_text", f"{column} is {shown(value)}, expected a text or messages")
    if not value:
        raise BadRow(f"{column}_empty", f"{column} has no message")
    if len(value) > MAX_TURNS:
        raise BadRow(f"{column}_too_many_turns", f"{len(value)} turns, at most {MAX_TURNS}")
    messages = []
    for message in value:
        if not isinstance(message, dict | Mapping) or message.get("role") not in ROLES:
            raise BadRow(
                f"{column}_not_messages",
                f"{shown(message)}, expected a role of {', '.join(ROLES)} and content",
            )
        messages.append({"role": message["role"], "content": canonical_text(message.get("content"), column)})
    return messages


def _digest(kind: bytes, parts: Sequence[str]) -> str:
    """128 bits over length-prefixed parts, so that no two lists of parts read alike."""
    text = "".join([f"{len(part)}:{part}" for part in parts])
    if not text.isascii():  # lengths count bytes
        text = "".join([f"{len(part.encode())}:{part}" for part in parts])
    return hashlib.blake2b(kind + text.encode(), digest_size=16).hexdigest()


def _flat(messages: Sequence[Message]) -> list[str]:
    return [part for message in messages for part in (message["role"], message["content"])]


def prompt_id(prompt: Sequence[Message], media_ids: Sequence[str]) -> str:
    return _digest(b"prompt", [*_flat(prompt), "|", *media_ids])


def completion_id(prompt: str, completion: Sequence[Message], media_ids: Sequence[str]) -> str:
    """Hash of a prompt's id and one completion: the key under which its reward is kept."""
    return _digest(b"completion", [prompt, *_flat(completion), "|", *media_ids])


def pair_id(prompt: str, chosen: str, rejected: str, criterion: str) -> str:
    return _digest(b"pair", [prompt, chosen, rejected, criterion])


def _ratings(value: Mapping[str, float | None], column: str) -> list[dict[str, object]]:
    known = {_attribute(key, column): finite(number, column) for key, number in value.items()}
    return [{"key": key, "value": number} for key, number in sorted(known.items()) if number is not None]


def finite(value: object, column: str) -> float | None:
    """A finite float or None. Engines disagree on whether NaN passes a threshold: none gets in."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRow(f"{column}_not_a_number", f"{column} is {shown(value)}, expected a number or null")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise BadRow(f"{column}_not_finite", f"{column} is {shown(value)}, expected a finite number or null")
    return number


def _modality(pair: Pair) -> str:
    if pair.chosen_images or pair.rejected_images:
        return "to_image"
    return ("text", "image", "multi_image")[min(len(pair.images), 2)]


def _text_or_none(value: str | None, column: str) -> str | None:
    return None if value is None else (canonical_text(value, column) or None)


def _place_marks(messages: list[dict[str, str]], images: int) -> None:
    """Make the `<image>` marks agree with the pictures: none means before the last user turn."""
    marks = sum(message["content"].count(IMAGE_MARK) for message in messages)
    if marks == images:
        return
    if marks:
        raise BadRow("image_marks_differ", f"{marks} {IMAGE_MARK} marks in the prompt, {images} pictures")
    target = ([message for message in messages if message["role"] == "user"] or messages)[-1]
    target["content"] = f"{IMAGE_MARK}\n" * images + target["content"]


def _check_completions(*sides: tuple[list[dict[str, str]], Sequence[str]]) -> None:
    """Both completions say or show something, and not the same."""
    for column, (messages, media_ids) in zip(("chosen", "rejected"), sides, strict=True):
        if not media_ids and not any(message["content"] for message in messages):
            raise SetAside("empty_completion", f"{column} is empty")
    if sides[0] == sides[1]:
        raise SetAside("identical_completions", "chosen and rejected are the same")


def canonical_pair(
    pair: Pair,
    *,
    media_ids: Sequence[str],
    chosen_media_ids: Sequence[str],
    rejected_media_ids: Sequence[str],
) -> dict[str, Any]:
    """The columns of `PAIRS` that the content decides; where it came from is added by the reader.

    Raises `BadRow` for broken content and `SetAside` for equal or empty completions.
    """
    if len(media_ids) + len(chosen_media_ids) + len(rejected_media_ids) > MAX_MEDIA:
        raise BadRow("too_many_media", f"{len(media_ids)} pictures in the prompt, at most {MAX_MEDIA} in all")
    prompt = canonical_messages(pair.prompt, "prompt", "user")
    chosen = canonical_messages(pair.chosen, "chosen", "assistant")
    rejected = canonical_messages(pair.rejected, "rejected", "assistant")
    _place_marks(prompt, len(media_ids))
    _check_completions((chosen, chosen_media_ids), (rejected, rejected_media_ids))
    if not media_ids and not any(message["content"] for message in prompt):
        raise BadRow("prompt_empty", "the prompt has neither text nor picture")
    criterion = canonical_text(pair.criterion, "criterion")
    of_prompt = prompt_id(prompt, media_ids)
    of_chosen = completion_id(of_prompt, chosen, chosen_media_ids)
    of_rejected = completion_id(of_prompt, rejected, rejected_media_ids)
    return {
        "pair_id": pair_id(of_prompt, of_chosen, of_rejected, criterion),
        "prompt_id": of_prompt,
        "chosen_id": of_chosen,
        "rejected_id": of_rejected,
        "prompt": prompt,
        "chosen": chosen,
        "rejected": rejected,
        "media_ids": list(media_ids),
        "chosen_media_ids": list(chosen_media_ids),
        "rejected_media_ids": list(rejected_media_ids),
        "modality": _modality(pair),
        "criterion": criterion,
        "source_margin": finite(pair.source_margin, "source_margin"),
        "chosen_ratings": _ratings(pair.chosen_ratings, "chosen_ratings"),
        "rejected_ratings": _ratings(pair.rejected_ratings, "rejected_ratings"),
        **{name: _text_or_none(getattr(pair, name), name) for name in _OPTIONAL},
        "extra": _json(pair.extra),
    }


def _json(extra: Mapping[str, Any] | None) -> str | None:
    if not extra:
        return None
    try:
        text = orjson.dumps(extra, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str)
    except (TypeError, ValueError) as error:
        raise BadRow("extra_not_json", f"{error}") from None
    return text.decode()
