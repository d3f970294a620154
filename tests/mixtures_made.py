"""A small store with text and picture pairs, recipes and plans on it: what the tests of `mixtures` start from."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
from pydantic import BaseModel

from mixtures._plan import plan
from mixtures._publish import publish
from mixtures._recipe import load_recipe
from pairs.media import check_image, encode_image
from pairs.schema import Pair, canonical_pair
from pairs.shards import MediaWriter
from pairs.store import Store
from pairs.tables import PAIRS


class NoRule(BaseModel, extra="forbid"):
    """A rule without parameters."""


class Train(BaseModel, extra="forbid"):
    """Settings of a trainer."""

    backbone: str = "embedded"


def row(source, number, pair, media=(), completion_media=((), ()), licence="MIT", role="train"):
    content = canonical_pair(
        pair, media_ids=media, chosen_media_ids=completion_media[0], rejected_media_ids=completion_media[1]
    )
    where = {"source": source, "source_revision": "r1", "source_split": "train", "source_row": f"a.jsonl:{number}"}
    return {**content, **where, "label_source": "human", "licence": licence, "role": role}


def text_rows(source, count, first=0, **facts):
    return [
        row(source, n, Pair(prompt=f"Question {n} of {source}?", chosen=f"A full answer, {n}.", rejected="No.",
                            source_margin=1.5, chosen_ratings={"tone": 4.0}, extra={"n": n}), **facts)
        for n in range(first, first + count)
    ]  # fmt: skip


def picture(seed):
    pixels = np.random.default_rng(seed).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    return check_image(encode_image(pixels, ("PNG", "JPEG", "WEBP")[seed % 3]))


def image_rows(store, source, count):
    """Pairs with one or two pictures, some marked inside the text; writes their media."""
    writer = MediaWriter(store, source)
    rows = []
    for n in range(count):
        media = [writer.add(picture(n * 2 + k)) for k in range(1 + n % 2)]
        prompt = f"Compare{' <image>' * len(media)} number {n}." if n % 3 == 0 else f"What is in picture {n}?"
        pair = Pair(prompt=prompt, chosen=f"Noise {n}", rejected="A cat", images=["x"] * len(media))
        rows.append(row(source, n, pair, media))
    store.replace("media", source, writer.close(), {})
    return rows


def drawn_rows(store, source, count):
    """Pairs whose completions are pictures; writes their media."""
    writer = MediaWriter(store, source)
    rows = []
    for n in range(count):
        sides = [writer.add(picture(1000 + 2 * n + k)) for k in range(2)]
        pair = Pair(prompt=f"Draw {n}.", chosen="", rejected="", chosen_images=["a"], rejected_images=["b"])
        rows.append(row(source, n, pair, completion_media=([sides[0]], [sides[1]])))
    store.replace("media", source, writer.close(), {})
    return rows


def write(store, source, rows):
    store.replace("pairs", source, pa.Table.from_pylist(rows, schema=PAIRS), {})


def small_store(root, texts=60, images=20):
    """Sources `talk` (text) and `look` (pictures)."""
    store = Store(root)
    write(store, "talk", text_rows("talk", texts))
    write(store, "look", image_rows(store, "look", images))
    return store


def recipe_of(tmp_path, text, name="mix"):
    """The recipe `text`; rules named in it take no parameters."""
    tmp_path.mkdir(parents=True, exist_ok=True)
    path = tmp_path / f"{name}.toml"
    path.write_text(text)
    rules = dict.fromkeys(("one", "two", "duplicates", "length_bias"), NoRule)
    return load_recipe(path, rules=rules, sources=["talk", "look", "drawn", "late"], train=Train)


TEXT_AND_IMAGES = "splits = { validation = 0.1, test = 0.2 }\n[sources.talk]\n[sources.look]\n"


def groups(store):
    return store.scan("pairs").select("pair_id", group_id="prompt_id")


def candidates(store, recipe):
    order = {name: place for place, name in enumerate(recipe.sources)}
    return (
        store.scan("pairs", list(recipe.sources))
        .select(
            "source", "pair_id", "prompt_id", "chosen_id", "rejected_id", "modality", "criterion", "label_source",
            "licence", "role",
            source_order=pl.col("source").replace_strict(order, return_dtype=pl.Int32),
            group_id="prompt_id",
        )
        .collect()
    )  # fmt: skip


def planned(store, recipe, *steps):
    return plan(recipe, candidates(store, recipe), list(steps))


def put(store, recipe, *steps, facts=None, **more):
    """Plan and publish."""
    made = planned(store, recipe, *steps)
    return publish(store, recipe.name, recipe, made, groups=groups(store), facts=facts or {"code": "c1"}, **more)


def decisions(rows, action, reason="because", value=None, by=None):
    """A rule's decisions: the same one for all rows."""
    return rows.select(
        "source", "pair_id", action=pl.lit(action), reason=pl.lit(reason), value=pl.lit(value, pl.Float64),
        by=pl.lit(by, pl.String),
    )  # fmt: skip
