"""Native files for the ingestion benchmark: layouts of HH-RLHF, UltraFeedback and RLAIF-V, made from a seed."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageFilter

_FOLDERS = ("harmless-base", "helpful-base", "helpful-online", "helpful-rejection-sampled")
_MODELS = ("alpaca-7b", "gpt-4", "llama-2-13b-chat", "wizardlm-7b")
_ASPECTS = ("helpfulness", "honesty", "instruction_following", "truthfulness")
_POOL_WORDS = 200_000
_PICTURES = 200  # pictures encoded in full; the others differ from one of these in their quantisation table


class _Words:
    """Random prose: slices of one long text of ten thousand made-up words, about as compressible as English."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        letters = self.rng.choice(list("etaoinshrdlucmfwypvbgkjqxz"), (10_000, 12), p=_frequencies(26))
        words = [
            "".join(row[: 2 + length]) for row, length in zip(letters, self.rng.poisson(3, 10_000), strict=True)
        ]
        self._pool = " ".join(
            words[index] for index in self.rng.choice(10_000, _POOL_WORDS, p=_frequencies(10_000))
        )

    def text(self, mean: int) -> str:
        """A text of `mean` characters on average, log-normal as real replies are."""
        length = min(int(self.rng.lognormal(np.log(mean) - 0.32, 0.8)) + 2, 20 * mean)
        start = int(self.rng.integers(0, len(self._pool) - 20 * mean))
        return self._pool[start : start + length].strip().capitalize() + "."

    def texts(self, mean: int, count: int) -> list[str]:
        """`count` of them, drawn together."""
        lengths = np.minimum(self.rng.lognormal(np.log(mean) - 0.32, 0.8, count).astype(int) + 2, 20 * mean)
        starts = self.rng.integers(0, len(self._pool) - 20 * mean, count)
        return [self._pool[start : start + length] for start, length in zip(starts, lengths, strict=True)]


def _frequencies(count: int) -> np.ndarray:
    weights = 1 / np.arange(2, count + 2)
    return weights / weights.sum()


def hh_rlhf(folder: Path, rows: int) -> None:
    """Two whole dialogues per row, gzipped JSON lines in four folders; some 1.9 KB a row."""
    words = _Words(1)
    for index, name in enumerate(_FOLDERS):
        path = folder / name / "train.jsonl.gz"
        path.parent.mkdir(parents=True)
        with gzip.open(path, "wb", compresslevel=1) as file:
            for number in range(index, rows, len(_FOLDERS)):
                turns = int(words.rng.integers(0, 4))
                shared = "".join(
                    f"\n\nHuman: {words.text(90)}\n\nAssistant: {words.text(240)}" for _ in range(turns)
                )
                shared += f"\n\nHuman: {words.text(90)} ({number})\n\nAssistant: "
                row = {"chosen": shared + words.text(240), "rejected": shared + words.text(240)}
                file.write(orjson.dumps(row) + b"\n")


def ultrafeedback(folder: Path, rows: int) -> None:
    """Four completions per row with ratings as texts, JSON lines; some 10 KB a row."""
    words = _Words(2)
    folder.mkdir(parents=True)
    for part in range(4):
        with (folder / f"part_{part}.jsonl").open("wb") as file:
            for number in range(part, rows, 4):
                completions = [_rated(words, model) for model in _MODELS]
                file.write(
                    orjson.dumps(
                        {
                            "source": "evol_instruct", "instruction": f"{words.text(400)} ({number})",
                            "models": list(_MODELS), "completions": completions,
                            "correct_answers": ["None"], "incorrect_answers": ["None"],
                        }
                    )
                    + b"\n"
                )  # fmt: skip


def _rated(words: _Words, model: str) -> dict[str, Any]:
    ratings = words.rng.integers(1, 6, 5).tolist()
    return {
        "model": model,
        "principle": "helpfulness",
        "custom_system_prompt": words.text(150),
        "response": words.text(1_100),
        "annotations": {
            aspect: {"Rating": str(rating), "Rationale": words.text(150)}
            for aspect, rating in zip(_ASPECTS, ratings, strict=False)
        },
        "critique": words.text(400),
        "overall_score": float(ratings[4] * 2),
        "fine-grained_score": sum(ratings[:4]) / 4,
    }


def rlaif_v(folder: Path, rows: int) -> None:
    """One embedded JPEG of 400 to 640 pixels, some 45 KB, a question and two answers per row; Parquet."""
    words = _Words(3)
    pictures = [_picture(words.rng) for _ in range(min(_PICTURES, rows))]
    folder.mkdir(parents=True)
    schema = pa.Table.from_pylist([_pictured(words, pictures[0], 0)]).schema
    files = 4
    for part in range(files):
        with pq.ParquetWriter(folder / f"RLAIF-V-Dataset_{part:03d}.parquet", schema) as writer:
            numbers = range(part * rows // files, (part + 1) * rows // files)
            for group in _chunks(numbers, 250):
                batch = [_pictured(words, _varied(pictures[n % len(pictures)], n), n) for n in group]
                writer.write_table(pa.Table.from_pylist(batch, schema=schema))


def _chunks(numbers: range, size: int) -> Iterator[range]:
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


def _pictured(words: _Words, data: bytes, number: int) -> dict[str, Any]:
    return {
        "ds_name": "RLAIF-V",
        "image": {"bytes": data, "path": f"{number}.jpg"},
        "question": f"{words.text(70)} ({number})",
        "chosen": words.text(350),
        "rejected": words.text(350),
        "origin_dataset": "VQAv2",
        "origin_split": '{"model": "llava15-7b", "feedback_model": "llava-next-34b", "type": "detailed"}',
        "idx": str(number),
        "image_path": f"{number}.jpg",
    }


def _picture(rng: np.random.Generator) -> bytes:
    """A JPEG with large shapes and fine grain, as a photograph has."""
    width, height = (int(side) for side in rng.integers(400, 641, 2))
    coarse = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).resize((width, height), 3)
    grain = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    mixed = Image.blend(coarse, grain.filter(ImageFilter.GaussianBlur(1)), 0.35)
    out = io.BytesIO()
    mixed.save(out, "JPEG", quality=82)
    return out.getvalue()


def _varied(data: bytes, number: int) -> bytes:
    """The picture with other fine steps in its first quantisation table: other bytes and pixels, equal work."""
    start = data.index(b"\xff\xdb") + 5 + 48  # the finest of 64 steps
    changed = bytearray(data)
    for bit in range(16):
        changed[start + bit] = max(1, changed[start + bit] ^ (number >> bit & 1))
    return bytes(changed)
