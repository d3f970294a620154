"""Features of the embedded reward model: a completion with its prompt and pictures to numbers, on one core.

Hashed words and word pairs of the completion (signed hashing, sublinear counts, one length), hashed crosses of
picture colours with words, and dense measures of style, overlap and pictures.
Nothing is fitted and nothing is downloaded: equal content gives equal bytes everywhere.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from rewards.interface import Item, Messages
from rewards.pictures import COLOURS, PICTURE_WIDTH, colour_words, dominant, picture_measures

VERSION = "features-1"  # part of every fingerprint: raise it when any number below changes
BUCKETS = 1 << 14
MAX_CHARS = 20_000  # of a completion or prompt whose words are read; its whole length is a feature
_WORDS = 0.2  # length of a row's words: at 1 the head learns single words by heart before it learns style
_CROSSED = 64  # distinct words that are crossed with the colours of a picture
_MEMO = 1 << 18

# Han, kana and hangul are written without spaces: there each sign is a word.
_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+|[^\w\s]"
)
_ASCII_WORD = re.compile(r"[a-z0-9_]+|[^a-z0-9_\s]")  # the same words of plain English, found twice as fast
_NUMBERED = re.compile(r"^\s*\d+[.)]\s", re.M)
_ENDS = (". ", "! ", "? ", ".\n", "!\n", "?\n", "。", "！", "？")
_BULLETS = ("\n- ", "\n* ", "\n• ")
_REFUSALS = (
    "i'm sorry", "i am sorry", "i can't", "i cannot", "i won't", "i'm unable", "i am unable", "i'm not able",
    "i am not able", "as an ai", "i don't know", "i do not know", "i'm not sure", "抱歉", "对不起", "无法",
)  # fmt: skip
TEXT_WIDTH = 36
DENSE_WIDTH = TEXT_WIDTH + 2 * PICTURE_WIDTH + 4

_ODD = np.uint64(0x9E3779B97F4A7C15)
_PAIR = np.uint64(0xC2B2AE3D27D4EB4F)
_CROSS = np.uint64(0x165667B19E3779F9)


@dataclass(frozen=True, slots=True)
class Features:
    """Rows of hashed features, one after another, and of dense measures.

    `starts` int64 [rows + 1]: where a row's entries begin in `buckets` int32 [entries] (below `BUCKETS`) and
    `values` float32 [entries]. `dense` float32 [rows, DENSE_WIDTH], each measure of the order of one.
    """

    starts: np.ndarray
    buckets: np.ndarray
    values: np.ndarray
    dense: np.ndarray

    def __len__(self) -> int:
        return len(self.dense)

    def take(self, rows: np.ndarray) -> Features:
        """The named rows, in that order."""
        lengths = self.starts[rows + 1] - self.starts[rows]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        places = np.repeat(self.starts[rows] - starts[:-1], lengths) + np.arange(starts[-1])
        return Features(starts, self.buckets[places], self.values[places], self.dense[rows])

    @staticmethod
    def joined(parts: Sequence[Features]) -> Features:
        lengths = np.concatenate([np.diff(part.starts) for part in parts])
        return Features(
            np.concatenate([[0], np.cumsum(lengths)]),
            np.concatenate([part.buckets for part in parts]),
            np.concatenate([part.values for part in parts]),
            np.concatenate([part.dense for part in parts]),
        )


class _Words(dict[str, int]):
    """Word -> 32-bit hash, remembered: a word returns thousands of times."""

    def __missing__(self, word: str) -> int:
        if len(self) >= _MEMO:
            self.clear()
        self[word] = number = zlib.crc32(word.encode())
        return number


_words = _Words()
_HEDGES, _SELF, _YOU, _THANKS = (
    {zlib.crc32(word.encode()) for word in words.split()}
    for words in (
        "maybe perhaps might could possibly probably seems seem likely",
        "i me my",
        "you your",
        "please thanks thank happy glad hope",
    )
)


def _split(text: str) -> list[int]:
    """The words of a lower-case text, hashed."""
    return [_words[word] for word in (_ASCII_WORD if text.isascii() else _WORD).findall(text)]


def features(items: Sequence[Item]) -> Features:
    """The features of some items. Memory grows with their number: call it on batches."""
    prompts: dict[str, list[int]] = {}
    seen: dict[bytes, np.ndarray] = {}
    grams, crosses = [], []
    dense = np.zeros((len(items), DENSE_WIDTH), np.float32)
    for row, item in enumerate(items):
        text, prompt = _text(item.completion), _last_turn(item.prompt)
        lower = text[:MAX_CHARS].lower()
        words = _split(lower)
        asked = prompts.get(prompt)
        if asked is None:
            asked = prompts[prompt] = _split(prompt[:MAX_CHARS].lower())
        told, shown = _measures(item.images, seen), _measures(item.completion_images, seen)
        dense[row, :TEXT_WIDTH] = _style(text, lower, words, prompt, asked, len(item.completion))
        dense[row, TEXT_WIDTH:] = _pictures(lower, told, prompt, shown)
        grams.append(np.array(words, np.uint64))
        crosses.append(_crosses(words, asked, told, shown))
    parts = [_hashed(*_grams(grams), _WORDS), _hashed(*_rows(crosses), 1.0)]
    row, bucket, value = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(row, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(items)))])
    return Features(starts, bucket[order].astype(np.int32), value[order].astype(np.float32), dense)


def _text(messages: Messages) -> str:
    return messages[0]["content"] if len(messages) == 1 else "\n".join(turn["content"] for turn in messages)


def _last_turn(messages: Messages) -> str:
    return messages[-1]["content"].replace("<image>", " ").strip() if messages else ""


def _measures(images: tuple[bytes, ...], seen: dict[bytes, np.ndarray]) -> np.ndarray | None:
    """Mean measures of some pictures; None without pictures."""
    if not images:
        return None
    for data in images:
        if data not in seen:
            seen[data] = picture_measures(data)
    return np.mean([seen[data] for data in images], axis=0)


def _rows(parts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat(np.arange(len(parts)), [len(part) for part in parts]), np.concatenate(parts)


def _grams(words: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Words and neighbouring word pairs of all rows: (row, 64-bit key)."""
    row, word = _rows(words)
    near = row[1:] == row[:-1]
    pairs = ((word[:-1] * _PAIR) ^ (word[1:] * _ODD))[near]
    return np.concatenate([row, row[1:][near]]), np.concatenate([word, pairs])


def _crosses(words: list[int], asked: list[int], told: np.ndarray | None, shown: np.ndarray | None) -> np.ndarray:
    """Keys of picture colour x word: the prompt's pictures with the completion's words, the completion's
    pictures with the prompt's words. (Crosses of words with words were tried: they cost accuracy.)"""
    keys = [np.zeros(0, np.uint64)]
    for measures, beside in ((told, words), (shown, asked)):
        if measures is not None:
            names = [_words[f"<picture {COLOURS[index]}>"] for index in dominant(measures)]
            distinct = np.array(list(dict.fromkeys(beside))[:_CROSSED], np.uint64)
            keys.append(((np.array(names, np.uint64) * _CROSS)[:, None] ^ (distinct * _PAIR)[None, :]).ravel())
    return np.concatenate(keys)


def _hashed(row: np.ndarray, key: np.ndarray, length: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Signed hashing (Weinberger et al. 2009): (row, bucket, value) with rows of one Euclidean length."""
    mixed = (key ^ (key >> np.uint64(29))) * _ODD
    bucket = (mixed >> np.uint64(64 - 14)).astype(np.int64)
    sign = ((mixed >> np.uint64(20)) & np.uint64(1)).astype(np.float64) * 2 - 1
    place, where = np.unique(row * BUCKETS + bucket, return_inverse=True)
    count = np.bincount(where, sign, minlength=len(place))
    value = np.sign(count) * np.log1p(np.abs(count))
    row = place // BUCKETS
    norm = np.sqrt(np.bincount(row, value * value, minlength=int(row[-1]) + 1 if len(row) else 0))
    return row, place % BUCKETS, value * length / np.maximum(norm, 1e-12)[row]


def _style(text: str, lower: str, words: list[int], prompt: str, asked: list[int], turns: int) -> list[float]:
    """The dense measures of the text, `TEXT_WIDTH` of them, scaled to the order of one."""
    log, count = np.log1p, max(1, len(words))
    chars, own, of_prompt = max(1, len(lower)), set(words), set(asked)
    lined = "\n" + lower + "\n"
    sentences = sum(map(lined.count, _ENDS))
    refusals = sum(map(lower.count, _REFUSALS))
    pairs = set(pairwise(words))
    triples = set(zip(words, words[1:], words[2:], strict=False))
    shared = own & of_prompt
    size = log(len(text))
    return [
        size / 4, (size / 4) ** 2, log(len(words)) / 4, log(sentences) / 2, chars / count / 8,
        log(count / max(1, sentences)) / 3, log(lower.count("\n")) / 2, log(lower.count("\n\n")) / 2,
        log(sum(map(lined.count, _BULLETS))) / 2, log(len(_NUMBERED.findall(lower)) if "\n" in lower else 0) / 2,
        log(lined.count("\n#")), float("```" in lower), log(lower.count("**")) / 2,
        sum(map(lower.count, "0123456789")) / chars * 10, sum(map(lower.count, ",;:")) / count * 5,
        log(lower.count("?")), log(lower.count("!")), float(lower.endswith("?")),
        float(lower.endswith((".", "!", "?", '"', ")", "`", "。", "！", "？"))),
        refusals / (1 + sentences) * 2, float(any(map(lower[:120].count, _REFUSALS))),
        sum(map(_HEDGES.__contains__, words)) / count * 20, float(not own.isdisjoint(_THANKS)),
        sum(map(_SELF.__contains__, words)) / count * 10, sum(map(_YOU.__contains__, words)) / count * 10,
        len(own) / count, 1 - len(pairs) / max(1, len(words) - 1), 1 - len(triples) / max(1, len(words) - 2),
        len(shared) / max(1, len(own)), len(shared) / max(1, len(of_prompt)),
        len(pairs & set(pairwise(asked))) / max(1, len(pairs)) * 2,
        (size - log(len(prompt))) / 4, float(lower.startswith(prompt[:40].lower()) and bool(prompt)),
        float("http" in lower), float(lower.isascii()), turns / 4,
    ]  # fmt: skip


def _pictures(text: str, told: np.ndarray | None, prompt: str, shown: np.ndarray | None) -> np.ndarray:
    """Measures of the prompt's and of the completion's pictures, and how far the words name their colours."""
    out = np.zeros(2 * PICTURE_WIDTH + 4, np.float32)
    for place, (measures, words) in enumerate(((told, text), (shown, prompt.lower()))):
        if measures is not None:
            out[place * PICTURE_WIDTH : (place + 1) * PICTURE_WIDTH] = measures
            named = colour_words(words)
            present = set(dominant(measures))
            out[2 * PICTURE_WIDTH + 2 * place :][:2] = len(named & present), len(named - present)
    return out
