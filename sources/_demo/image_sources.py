"""The native rows of the four sources with pictures, and the files that lie beside them."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np

from pairs.media import encode_image
from sources._demo import shapes
from sources._demo.pictures import Picture, soften
from sources._demo.plants import Native, broken
from sources._demo.scenes import SCENES
from sources._demo.tasks import seeded
from sources._demo.text_sources import FLIPPED, Rows
from sources._demo.texts import Draft, Writer, corrected, gallery, look, picture_draft

_RLAIF, _PER_PICTURE, _RLHF, _VL, _MJ, _SHARED, _BROKEN = 128, 4, 150, 110, 36, 12, 4
_FORMATS = (("JPEG", "jpg"), ("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"))
_ASPECTS = ("Helpfulness", "Ethical Considerations", "Visual Faithfulness")
_Shown = tuple[bytes, str]  # a picture's file and its name


def image_sources(seed: int, writer: Writer) -> dict[str, Rows]:
    """All rows of the sources with pictures, shuffled within their files."""
    rngs = {name: seeded(seed, name) for name in ("rlaif_v", "rlhf_v", "vlfeedback", "mj_bench")}
    rlaif, shared = _rlaif(rngs["rlaif_v"], writer, seed)
    sources = {
        "rlaif_v": {"RLAIF-V-Dataset_000.parquet": rlaif},
        "rlhf_v": {"RLHF-V-Dataset.parquet": _rlhf(rngs["rlhf_v"], writer, seed) + shared},
        "vlfeedback": {"vlfeedback_80k.jsonl": _vlfeedback(rngs["vlfeedback"], writer, seed)},
        "mj_bench": _mj_bench(rngs["mj_bench"], seed),
    }
    for name, files in sources.items():
        for path, rows in files.items():
            seeded(seed, name, path).shuffle(rows)
    return sources


def _encoded(picture: Picture, stem: str, turn: int) -> _Shown:
    format_, suffix = _FORMATS[turn % len(_FORMATS)]
    return encode_image(picture.pixels, format_), f"{stem}_{turn:04d}.{suffix}"


def _rlaif_row(draft: Draft, shown: _Shown, number: int) -> dict[str, Any]:
    origin = {
        "model": "alder-v-7b",
        "feedback_model": "oak-v-34b",
        "type": ("question_answer", "detail")[number % 2],
    }
    return {
        "ds_name": "RLAIF-V",
        "image": {"bytes": shown[0], "path": shown[1]},
        "question": draft.prompt,
        "chosen": draft.chosen,
        "rejected": draft.rejected,
        "origin_dataset": "drawings",
        # Both spellings occur in the wild: JSON, and how Python prints a mapping.
        "origin_split": json.dumps(origin) if number % 3 else str(origin),
        "idx": str(number),
        "image_path": shown[1],
    }


def _rlhf_row(draft: Draft, shown: _Shown, number: int) -> dict[str, Any]:
    texts = {"question": draft.prompt, "chosen": draft.chosen, "rejected": draft.rejected}
    return {
        "ds_name": "RLHF-V",
        "image": {"bytes": shown[0], "path": None},
        "text": json.dumps(texts, ensure_ascii=False),
        "origin_dataset": "drawings",
        "origin_split": "detailed_description",
        "idx": number,
        "image_path": shown[1],
    }


def _rlaif(rng: random.Random, writer: Writer, seed: int) -> tuple[list[Native], list[Native]]:
    """The rows of rlaif_v, and those among them that come a second time in rlhf_v."""
    pictures = gallery(SCENES, _RLAIF, seed)
    rows: list[Native] = []
    shared: list[Native] = []
    for i, picture in enumerate(pictures):
        shown = _encoded(picture, "drawing", i)
        for k in range(_PER_PICTURE):
            draft = picture_draft(writer, picture, rng.choice(pictures), rng)
            rows.append(Native(_rlaif_row(draft, shown, i * _PER_PICTURE + k), detail=draft.flaw))
            if k == 0 and i % 10 == 0 and len(shared) < _SHARED:
                cluster = f"exact_duplicate_picture_{i:03d}"
                rows[-1] = Native(rows[-1].row, "exact_duplicate", cluster, "original")
                shared.append(Native(_rlhf_row(draft, shown, 5_000 + i), "exact_duplicate", cluster, "as is"))
    free = [native for native in rows if not native.kind]
    touched = rng.sample(free, round(FLIPPED * len(rows)) + _BROKEN)
    for number, native in enumerate(touched[_BROKEN:]):
        native.row["chosen"], native.row["rejected"] = native.row["rejected"], native.row["chosen"]
        native.kind, native.cluster = "flipped_label", f"flipped_label_rlaif_{number:03d}"
    for number, native in enumerate(touched[:_BROKEN]):
        data, how = broken(native.row["image"]["bytes"], number)
        native.row["image"] = {"bytes": data, "path": native.row["image"]["path"]}
        native.kind, native.cluster, native.detail = "broken_image", f"broken_image_rlaif_{number}", how
    return rows, shared


def _rlhf(rng: random.Random, writer: Writer, seed: int) -> list[Native]:
    rows = []
    for i, picture in enumerate(gallery(SCENES, _RLHF, seed + 1_000)):
        shown = _encoded(picture, "corrected", i)
        rows += [Native(_rlhf_row(corrected(writer, picture, rng), shown, i)) for _ in range(1 + i % 2)]
    return rows


def _vlfeedback(rng: random.Random, writer: Writer, seed: int) -> list[Native]:
    pictures = gallery(SCENES, _VL + _BROKEN, seed + 2_000)
    rows = []
    for i, picture in enumerate(pictures):
        data, name = _encoded(picture, "scene", i)
        native = Native({}, files={f"merged_images/{name}": data})
        if i >= _VL:
            spoilt, how = broken(data, i)
            native = Native({}, "broken_image", f"broken_image_vl_{i}", how, {f"merged_images/{name}": spoilt})
        native.row = _vl_row(writer, picture, rng.choice(pictures), rng, name)
        rows.append(native)
    rows[0].row["completions"][0]["annotations"]["Visual Faithfulness"]["Rating"] = "N/A"
    return rows


def _vl_row(writer: Writer, picture: Picture, other: Picture, rng: random.Random, name: str) -> dict[str, Any]:
    draft = picture_draft(writer, picture, other, rng)
    answers = shapes.rated(draft.task, look(other, rng)[0], rng, longest=48)
    models = rng.sample(("alder-v", "beech-v", "cedar-v", "oak-v", "pine-v"), len(answers))
    completions = []
    for model, (text, score, level) in zip(models, answers, strict=True):
        faithful = score / 2 + rng.uniform(-0.5, 0.5)
        stars = (score / 2 + rng.uniform(-0.5, 0.5), 4.6 if level != "flawed" else 3.6, faithful)
        ratings = {
            aspect: {"Rating": str(min(5, max(1, round(value)))), "Rationale": f"The answer is {level}."}
            for aspect, value in zip(_ASPECTS, stars, strict=True)
        }
        completions.append({"model": model, "response": text, "annotations": ratings})
    return {
        "id": name.partition(".")[0],
        "prompt": draft.prompt,
        "models": models,
        "img_path": name,
        "completions": completions,
    }


def _mj_bench(rng: random.Random, seed: int) -> Rows:
    """A picture against the same one spoilt: blurred as a whole, or smeared where its object is."""
    files: Rows = {}
    for offset, (folder, captions) in enumerate((("blur", "blur"), ("objects_indoor", "objects"))):
        rows = files[f"quality/{folder}/captions_{captions}.json"] = []
        for i, picture in enumerate(gallery(SCENES, _MJ, seed + 3_000 + offset)):
            worse = (
                soften(picture.pixels, rng.randint(3, 7)) if folder == "blur" else _smeared(picture.pixels, rng)
            )
            names = (f"{captions}_{i}.jpg", f"{captions}_{i}_edited_{captions}.jpg")
            data = [encode_image(pixels, "JPEG") for pixels in (picture.pixels, worse)]
            native = Native({"caption": f"A picture of {picture.caption}.", "label_0": 1})
            if i < _BROKEN // 2:
                data[1], native.detail = broken(data[1], i)
                native.kind, native.cluster = "broken_image", f"broken_image_mj_{folder}_{i}"
            native.files = {f"quality/{folder}/examples_{folder}/{name}": part
                            for name, part in zip(names, data, strict=True)}  # fmt: skip
            native.row |= {"image_1": names[1], "image_0": names[0]}
            rows.append(native)
    return files


def _smeared(pixels: np.ndarray, rng: random.Random) -> np.ndarray:
    """Each of three bands through the middle moved sideways and mixed with noise."""
    spoilt = pixels.copy()
    height = len(pixels)
    for _ in range(3):
        top = rng.randint(height // 4, height // 2)
        band = slice(top, top + height // 6)
        spoilt[band] = np.roll(spoilt[band], rng.randint(12, 40), axis=1)
    noise = np.random.default_rng(rng.randint(0, 10**6)).integers(0, 90, pixels.shape[:2])
    third = slice(height // 3, height // 2)
    spoilt[third] = np.clip(spoilt[third].astype(np.int16) + noise[third, :, None] - 45, 0, 255).astype(np.uint8)
    return spoilt
