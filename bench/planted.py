"""Planted contradictions, near ones too, cycles and leaks found, and what real sources share with real benchmarks.

`python -m bench.planted`. Real files: PREFMILL_REAL_DATA, by default a folder beside the checkout.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bench import _measure
from filters import _apply
from filters.contamination import overlap
from pairs import tables
from pairs.schema import Pair, canonical_pair
from pairs.store import Store
from pairs.tables import PAIRS
from sources._read import ingest

REAL = Path(os.environ.get("PREFMILL_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
PROMPTS, PLANTED = 4000, 400
SOURCES = {
    "hh_rlhf": ("hh-rlhf", ["test"]),
    "themis_tara": ("themis-tara", ["train", "test"]),
    "pandalm": ("pandalm", None),
    "llama_factory_dpo": ("llama-factory", None),
    "auto_j": ("prometheus-eval", None),
    "rasbt_dpo": ("rasbt-llms-from-scratch", None),
    "ukp_convarg": ("ukp-convarg1-strict", None),
    "judgebench": ("judgebench", ["gpt"]),
    "llmbar": ("llmbar", None),
    "rm_bench": ("rm-bench", None),
    "evalbiasbench": ("evalbiasbench", None),
}
_LETTERS = str.maketrans("0123456789", "aeioubcdfg")
_Row = tuple[str, str, str, str]  # source, prompt, chosen, rejected
_MEDIA: dict[str, Any] = {"media": pl.from_arrow(tables.MEDIA.empty_table()).lazy(), "read_media": dict}  # type: ignore[union-attr]


def main() -> None:
    labels, found = _labels()
    turned, near = _turned()
    leaks, leaked = _leaks()
    real, shared = _real()
    last = (
        f"RESULT contradictions={found['contradiction']} of {2 * PLANTED} near_contradictions={near[0]} of "
        f"{2 * PLANTED} cycles={found['preference_cycle']} of "
        f"{found['on a cycle']} leaks={leaked[0]} of {PLANTED} invented={found['invented'] + near[1] + leaked[1]} "
        f"themis_in_hh_rlhf={shared[0]} of {shared[1]}"
    )
    _measure.keep("planted", [*labels, *turned, *leaks, *real, last])


def _labels() -> tuple[list[str], dict[str, int]]:
    """Rankings of 3 to 7 completions in two sources; some prompts have one label turned round in another source,
    some have a ring of labels instead of a ranking."""
    rng = np.random.default_rng(8)
    rows: list[_Row] = []
    expected: dict[str, set[tuple[str, ...]]] = {"contradiction": set(), "preference_cycle": set()}
    for number in range(PROMPTS):
        names = [f"answer {number} {letter}" for letter in "ABCDEFG"[: int(rng.integers(3, 8))]]
        ranked = [(one, two) for place, one in enumerate(names) for two in names[place + 1 :]]
        prompt, source = f"question {number}", "ab"[number % 2]
        if number < PLANTED:
            one, two = ranked[int(rng.integers(len(ranked)))]
            rows.append(("c", prompt, two, one))
            expected["contradiction"] |= {(source, prompt, one, two), ("c", prompt, two, one)}
        elif number < 2 * PLANTED:
            ranked = list(zip(names, [*names[1:], names[0]], strict=True))
            expected["preference_cycle"] |= {(source, prompt, *pair) for pair in ranked}
        rows += [(source, prompt, *pair) for pair in ranked]
    table = _table(rows)
    signal = pl.from_arrow(_apply.run_signal("contradictions", {"pairs": table.lazy()}))
    assert isinstance(signal, pl.DataFrame)
    order = pl.col("source").replace_strict(["a", "b", "c"], range(3), return_dtype=pl.Int64)
    survivors = table.with_columns(source_order=order)
    made = _apply.decide("contradictions", survivors, signal, _apply.rules()["contradictions"]())
    said = dict(zip(zip(table["source"], table["pair_id"], strict=True), rows, strict=True))
    got = {reason: {said[source, pair] for source, pair in of.select("source", "pair_id").iter_rows()}
           for (reason,), of in made.group_by("reason")}  # fmt: skip
    found = {reason: len(got.get(reason, set()) & those) for reason, those in expected.items()}
    found["on a cycle"] = len(expected["preference_cycle"])
    found["invented"] = made.height - found["contradiction"] - found["preference_cycle"]
    lines = [
        f"{table.height} labels on {PROMPTS} prompts in three sources",
        f"  opposed labels planted at {PLANTED} prompts, both sides: {found['contradiction']} of {2 * PLANTED}",
        f"  rings of 3 to 7 planted at {PLANTED} prompts, labels found: {found['preference_cycle']} of "
        f"{found['on a cycle']}",
        f"  others dropped: {found['invented']}",
        "",
    ]
    return lines, found


def _turned() -> tuple[list[str], tuple[int, int]]:
    """Pairs and their near copies with the label turned, each word changed with a chance of 3%; and, twice on
    each prompt, pairs alike by design as RLHF-V's: a tenth of the words of one text edited on each side."""
    rng = np.random.default_rng(10)
    planted, alike = [], []
    for number in range(PLANTED):
        prompt, chosen, rejected = (_spoken(rng, int(rng.integers(25, 100))) for _ in range(3))
        if number % 2:  # half of the words are those of chosen
            rejected = " ".join([*chosen.split()[::2], *rejected.split()[::2]])
        planted.append(("a", prompt, chosen, rejected))
        planted.append(("b", *(_edited(rng, text, 0.03) for text in (prompt, rejected, chosen))))
        said, asked = _spoken(rng, int(rng.integers(40, 100))), _spoken(rng, 25)
        alike += [(source, asked, _edited(rng, said, 0.1), _edited(rng, said, 0.1)) for source in "ab"]
    table = _table([*planted, *alike])
    signal = pl.from_arrow(_apply.run_signal("near_duplicates", {"pairs": table.lazy(), **_MEDIA}))
    assert isinstance(signal, pl.DataFrame)
    survivors = table.with_columns(source_order=(pl.col("source") == "b").cast(pl.Int64))
    made = _apply.decide("near_duplicates", survivors, signal, _apply.rules()["near_duplicates"]())
    gone = set(made.filter(pl.col("reason") == "near_contradiction")["pair_id"])
    right = set(table["pair_id"].head(len(planted)))
    lines = [
        f"{PLANTED} pairs with a near copy of the label turned, {PLANTED} prompts with two pairs alike by design",
        f"  near copies with the label turned, both sides: {len(gone & right)} of {len(planted)}",
        f"  others dropped as contradictions: {len(gone - right)} of {len(alike)}",
        "",
    ]
    return lines, (len(gone & right), len(gone - right))


def _spoken(rng: np.random.Generator, words: int) -> str:
    """Words without digits: a number says what is asked."""
    return " ".join(f"w{word}".translate(_LETTERS) for word in rng.integers(0, 4000, words))


def _edited(rng: np.random.Generator, text: str, share: float) -> str:
    return " ".join(_spoken(rng, 1) if rng.random() < share else word for word in text.split())


def _leaks() -> tuple[list[str], tuple[int, int]]:
    """A benchmark of made-up words, as many strangers as training pairs, and pairs that share one part with it."""
    rng = np.random.default_rng(9)
    exams = [("exam", *_made_up(rng)) for _ in range(PLANTED)]
    strangers = [("clean", *_made_up(rng)) for _ in range(10 * PLANTED)]
    ways = ("the prompt, respelt", "the prompt, a word changed", "the prompt, quoted", "chosen", "rejected")
    planted, how = [], []
    for number, (_, prompt, chosen, rejected) in enumerate(exams):
        own, right, wrong = _made_up(rng)
        way = number % len(ways)
        changed = prompt.split()
        changed[len(changed) // 2] = "otherwise"
        asked = (prompt.upper() + "?!", " ".join(changed), f"{own} {prompt} {wrong}", own, own)[way]
        planted.append(("dirty", asked, chosen if way == 3 else right, rejected if way == 4 else wrong))
        how.append(ways[way])
    table = _table([*exams, *strangers, *planted], benchmark="exam")
    signal = pl.from_arrow(_apply.run_signal("contamination", {"pairs": table.lazy(), **_MEDIA}))
    assert isinstance(signal, pl.DataFrame)
    hit = set(signal.filter(pl.col("hits").list.len() > 0)["pair_id"])
    dirty = table.filter(pl.col("source") == "dirty")["pair_id"].to_list()
    lines = [f"a benchmark of {len(exams)} pairs against {len(strangers)} strangers; planted pairs that share"]
    for way in ways:
        those = [pair for pair, known in zip(dirty, how, strict=True) if known == way]
        lines.append(f"  {way:<28} found {len(hit.intersection(those)):4} of {len(those)}")
    invented = len(hit - set(dirty))
    return [*lines, f"  strangers held to be leaks         {invented:4}", ""], (len(hit & set(dirty)), invented)


def _made_up(rng: np.random.Generator) -> tuple[str, str, str]:
    prompt, chosen, rejected = (
        " ".join(f"w{word}" for word in rng.integers(0, 4000, int(rng.integers(low, high))))
        for low, high in ((12, 40), (20, 150), (20, 150))
    )
    return prompt, chosen, rejected


def _real() -> tuple[list[str], tuple[int, int]]:
    """The table of overlap of real sources and benchmarks, and of Themis' questions that HH-RLHF holds those
    found, and all."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        for name, (path, splits) in SOURCES.items():
            ingest(store, name, path=str(REAL / path), splits=splits)
        pairs = store.scan("pairs").collect()
    found = overlap(_signal(pairs), pairs)
    lines = ["what real sources share with real benchmarks: pairs with a hit, and by part"]
    for row in found.select(pl.all().exclude("picture")).iter_rows():
        lines.append(
            "  {:<20}{:<16}{:>5} pairs, hit {:>4}: prompt {:>4}, chosen {:>4}, rejected {:>4}".format(*row)
        )
    asked = pl.col("prompt").list.first().struct.field("content")
    themis = pl.col("source") == "themis_tara"
    two = pairs.filter(themis & (pl.col("category") == "hh_rlhf") | (pl.col("source") == "hh_rlhf"))
    two = two.with_columns(role=pl.when(themis).then(pl.lit("benchmark")).otherwise(pl.lit("train")))
    questions = [two.filter(side).select(asked).to_series().unique() for side in (themis, ~themis)]
    shared = set(questions[0]) & set(questions[1])
    hit = _signal(two).filter(pl.col("hits").list.len() > 0).join(two, on="pair_id").select(asked).to_series()
    lines += [
        f"  Themis took {len(shared)} questions of its pairs from these dialogues, {len(shared & set(hit))} "
        f"found; not: {', '.join(map(repr, sorted(shared - set(hit))))}",
    ]
    return lines, (len(shared & set(hit)), len(shared))


def _signal(pairs: pl.DataFrame) -> pl.DataFrame:
    signal = pl.from_arrow(_apply.run_signal("contamination", {"pairs": pairs.lazy(), **_MEDIA}))
    assert isinstance(signal, pl.DataFrame)
    return signal


def _table(rows: Iterable[_Row], benchmark: str = "") -> pl.DataFrame:
    made = []
    for number, (source, prompt, chosen, rejected) in enumerate(rows):
        content = canonical_pair(
            Pair(prompt, chosen, rejected), media_ids=(), chosen_media_ids=(), rejected_media_ids=()
        )
        role = "benchmark" if source == benchmark else "train"
        place = {"source_revision": "0", "source_split": "train", "source_row": str(number), "source": source}
        made.append({**content, **place, "label_source": "constructed", "licence": "MIT", "role": role})
    schema = pl.from_arrow(PAIRS.empty_table()).schema  # type: ignore[union-attr]
    return pl.DataFrame([{name: row.get(name) for name in PAIRS.names} for row in made], schema=schema)


if __name__ == "__main__":
    main()
