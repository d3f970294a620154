"""The unified schema: what a pair is, and its canonical form. The only definition of both.

Identity is content: two pairs with the same canonical prompt, media, completions and criterion have the
same `pair_id` wherever they came from, so a completion is scored once and a re-run changes no byte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pairs.errors import BadRow, SetAside, shown
from pairs.ids import completion_id_of, framed, framed_text, pair_id, prompt_id_of
from pairs.values import canonical_json, canonical_ratings, canonical_text, finite, json_fragment, recurring_text

Message = Mapping[str, str]
# What the pairs of one native row share: texts as messages, ids, and what became of mappings that several hold.
Known = dict[tuple[Any, ...], Any]

MAX_TURNS = 1_000  # of one conversation
MAX_MEDIA = 256  # of one pair
MAX_BYTES = 64 << 20  # of one picture
ROLES = ("system", "user", "assistant", "tool")
_FRAMED_ROLES = {role: framed((role,)) for role in ROLES}
MODALITIES = ("text", "image", "multi_image", "video", "audio", "to_image", "to_video")
LABEL_SOURCES = ("human", "model", "rule", "implicit", "constructed")
IMAGE_MARK = "<image>"

# What the content of a pair decides, in the order of `canonical_values`.
CONTENT = (
    "pair_id", "prompt_id", "chosen_id", "rejected_id", "prompt", "chosen", "rejected",
    "media_ids", "chosen_media_ids", "rejected_media_ids", "modality", "criterion", "source_margin",
    "chosen_ratings", "rejected_ratings", "rationale", "reference", "category", "language", "extra",
)  # fmt: skip
# Lists of twos; `canonical_values` has them as flat lists, since making a dict for each takes long.
TWOS = {
    **dict.fromkeys(("prompt", "chosen", "rejected"), ("role", "content")),
    **dict.fromkeys(("chosen_ratings", "rejected_ratings"), ("key", "value")),
}


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
    text marks where a picture stands; without marks the pictures stand before the last user turn. In a source of
    modality "text" `<image>` is a word like others.
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


def _conversation(value: object, column: str, role: str, known: Known | None) -> tuple[list[str], str]:
    """Canonical messages as role, content, role, content, ..., and the same framed for their id.

    A bare text is one message of `role`.
    """
    if type(value) is not str:
        return _messages(value, column)
    found = None if known is None else known.get((role, value))
    if found is None:
        text = canonical_text(value, column)
        found = [role, text], _FRAMED_ROLES[role] + framed_text(text)
        if known is not None:
            known[role, value] = found
    return found


def _messages(value: object, column: str) -> tuple[list[str], str]:
    if type(value) is not list and (not isinstance(value, Sequence) or isinstance(value, bytes | str)):
        raise BadRow(f"{column}_not_text", f"{column} is {shown(value)}, expected a text or messages")
    if not value:
        raise BadRow(f"{column}_empty", f"{column} has no message")
    if len(value) > MAX_TURNS:
        raise BadRow(f"{column}_too_many_turns", f"{len(value)} turns, at most {MAX_TURNS}")
    parts: list[str] = []
    text = ""
    for message in value:
        mapping = type(message) is dict or isinstance(message, Mapping)
        if not mapping or (spoken := message.get("role")) not in ROLES:
            raise BadRow(
                f"{column}_not_messages",
                f"{shown(message)}, expected a role of {', '.join(ROLES)} and content",
            )
        content = canonical_text(message.get("content"), column)
        parts += spoken, content
        text += _FRAMED_ROLES[spoken] + framed_text(content)
    return parts, text


def _modality(pair: Pair) -> str:
    if pair.chosen_images or pair.rejected_images:
        return "to_image"
    if not pair.images:
        return "text"
    return "image" if len(pair.images) == 1 else "multi_image"


def _marked(prompt: list[str], images: int) -> list[str]:
    """The prompt with as many `<image>` marks as pictures: without any they go before the last user turn."""
    marks = sum([content.count(IMAGE_MARK) for content in prompt[1::2]])
    if marks == images:
        return prompt
    if marks:
        raise BadRow("image_marks_differ", f"{marks} {IMAGE_MARK} marks in the prompt, {images} pictures")
    turns = range(0, len(prompt), 2)
    content = ([turn for turn in turns if prompt[turn] == "user"] or turns)[-1] + 1
    return [*prompt[:content], f"{IMAGE_MARK}\n" * images + prompt[content], *prompt[content + 1 :]]


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
    values = canonical_values(pair, list(media_ids), list(chosen_media_ids), list(rejected_media_ids))
    record: dict[str, Any] = dict(zip(CONTENT, values, strict=True))
    for column, (first, second) in TWOS.items():
        parts = iter(record[column])
        record[column] = [{first: one, second: other} for one, other in zip(parts, parts, strict=True)]
    return record


def canonical_values(
    pair: Pair,
    media_ids: Sequence[str],
    chosen_media_ids: Sequence[str],
    rejected_media_ids: Sequence[str],
    known: Known | None = None,
    *,
    mark_is_text: bool = False,
) -> tuple[Any, ...]:
    """The record of `canonical_pair` as values in the order of `CONTENT`, the columns of `TWOS` as flat lists.

    `known` remembers ids from pair to pair: those of one native row mostly share prompts and completions.
    `mark_is_text` is for sources that have no pictures: there `<image>` is a word, an element of SVG say, where it
    would be the mark of a picture that was lost elsewhere.
    """
    if len(media_ids) + len(chosen_media_ids) + len(rejected_media_ids) > MAX_MEDIA:
        raise BadRow("too_many_media", f"{len(media_ids)} pictures in the prompt, at most {MAX_MEDIA} in all")
    prompt, prompt_text = _conversation(pair.prompt, "prompt", "user", known)
    chosen, chosen_text = _conversation(pair.chosen, "chosen", "assistant", known)
    rejected, rejected_text = _conversation(pair.rejected, "rejected", "assistant", known)
    if media_ids or (IMAGE_MARK in prompt_text and not mark_is_text):
        prompt = _marked(prompt, len(media_ids))
        prompt_text = framed(prompt)
    if not (chosen[1] or chosen_media_ids or any(chosen[3::2])):
        raise SetAside("empty_completion", "chosen is empty")
    if not (rejected[1] or rejected_media_ids or any(rejected[3::2])):
        raise SetAside("empty_completion", "rejected is empty")
    if chosen_text == rejected_text and chosen_media_ids == rejected_media_ids:
        raise SetAside("identical_completions", "chosen and rejected are the same")
    if not (prompt[1] or media_ids or any(prompt[3::2])):
        raise BadRow("prompt_empty", "the prompt has neither text nor picture")
    criterion = recurring_text(pair.criterion, "criterion")
    media = media_ids, chosen_media_ids, rejected_media_ids
    of_prompt, of_chosen, of_rejected = _ids(prompt_text, chosen_text, rejected_text, media, known)
    return (
        pair_id(of_prompt, of_chosen, of_rejected, criterion),
        of_prompt, of_chosen, of_rejected, prompt, chosen, rejected,
        *media, _modality(pair), criterion,
        None if pair.source_margin is None else finite(pair.source_margin, "source_margin"),
        _ratings(pair.chosen_ratings, "chosen_ratings", known),
        _ratings(pair.rejected_ratings, "rejected_ratings", known),
        None if pair.rationale is None else canonical_text(pair.rationale, "rationale") or None,
        None if pair.reference is None else canonical_text(pair.reference, "reference") or None,
        None if pair.category is None else recurring_text(pair.category, "category") or None,
        None if pair.language is None else recurring_text(pair.language, "language") or None,
        _extra(pair.extra, known) if pair.extra else None,
    )  # fmt: skip


def _ids(
    prompt: str, chosen: str, rejected: str, media: Sequence[Sequence[str]], known: Known | None
) -> tuple[str, str, str]:
    """The ids of the prompt and of both completions, all framed."""
    if known is None:
        of_prompt = prompt_id_of(prompt, media[0])
        return (
            of_prompt,
            completion_id_of(of_prompt, chosen, media[1]),
            completion_id_of(of_prompt, rejected, media[2]),
        )
    of_prompt = _known_id(known, prompt_id_of, prompt, tuple(media[0]))
    return (
        of_prompt,
        _known_id(known, completion_id_of, of_prompt, chosen, tuple(media[1])),
        _known_id(known, completion_id_of, of_prompt, rejected, tuple(media[2])),
    )


def _known_id(known: Known, make: Callable[..., str], *content: Any) -> str:
    """`make` of texts and ids; what another pair of the row has had is not hashed again."""
    found: str | None = known.get(content)
    if found is None:
        found = known[content] = make(*content)
    return found


def _once(known: Known | None, make: Callable[..., Any], value: object, *column: str) -> Any:
    """`make` of a mapping; pairs of one row that hold this very mapping share what it became."""
    if known is None:
        return make(value, *column)
    key = make, id(value)
    if key not in known:
        known[key] = make(value, *column), value  # which lives, and keeps its number, as long as what it became
    return known[key][0]


def _ratings(ratings: Mapping[str, float | None], column: str, known: Known | None) -> Any:
    return [] if ratings == {} else _once(known, canonical_ratings, ratings, column)


def _extra(extra: Mapping[str, Any], known: Known | None) -> str:
    if known is not None:
        extra = {
            key: _once(known, json_fragment, value) if type(value) is dict else value
            for key, value in extra.items()
        }
    return canonical_json(extra)
