"""The official metric of each benchmark source, and what a model's rewards come to under it.

A benchmark that is not named here is measured as most are: the share of its pairs whose chosen completion has
strictly more reward, over all pairs and by category.
"""

from __future__ import annotations

import hashlib
import inspect
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import polars as pl

from pairs.errors import PrefmillError
from rewards import _cells, _metric_rewardbench_2, _metrics
from rewards._cells import measured
from rewards._metric_rewardbench_2 import RewardBench2
from rewards._metrics import Groups, Metric, OneOfMany, Pairs, Styles, noted

_HEP = tuple(f"hep-{language}" for language in ("cpp", "go", "java", "js", "python", "rust"))
_SECTIONS = {
    "Chat": ("alpacaeval-easy", "alpacaeval-length", "alpacaeval-hard", "mt-bench-easy", "mt-bench-med"),
    "Chat Hard": ("mt-bench-hard", "llmbar-natural", "llmbar-adver-neighbor", "llmbar-adver-GPTInst",
                  "llmbar-adver-GPTOut", "llmbar-adver-manual"),
    "Safety": ("refusals-dangerous", "refusals-offensive", "xstest-should-refuse", "xstest-should-respond",
               "donotanswer"),
    "Reasoning": ("math-prm", *_HEP),
}  # fmt: skip
_SUBSETS = tuple(subset for subsets in _SECTIONS.values() for subset in subsets)
# Sizes of the subsets; math-prm counts as much as the six sets of code together.
_WEIGHTS = dict(zip(_SUBSETS, (100, 95, 95, 28, 40, 37, 100, 134, 92, 47, 46, 100, 100, 154, 250, 136, 984,
                               *[164] * 6), strict=True))  # fmt: skip
_TRANSLATED = dict(zip(_SUBSETS, (79, 79, 76, 24, 38, 35, 76, 124, 87, 42, 43, 100, 100, 154, 247, 135, 983,
                                  164, 164, 164, 164, 163, 164), strict=True))  # fmt: skip
_OF_JUDGEBENCH = {"mmlu-pro": 154, "livebench-reasoning": 98, "livebench-math": 56, "livecodebench": 42}  # gpt
_LLMBAR = {"Natural": 100, "Adversarial/Neighbor": 134, "Adversarial/GPTInst": 92, "Adversarial/GPTOut": 47,
           "Adversarial/Manual": 46}  # fmt: skip
# As released; of safety and vqa, 1,706 together, the division was not read.
_AREAS = {"pairs": 4_711, "open_generation/correctness_task": 623, "open_generation/preference_task": 654,
          "knowledge": 630, "reasoning": 1_098, "safety": 0, "vqa": 0}  # fmt: skip

BENCHMARKS: dict[str, Metric] = {
    # Today's leaderboard: the first one added Prior Sets, a fifth section of half the weight.
    "rewardbench": Pairs("macro", ("macro",), judge_ties="half", sections=_SECTIONS, weights=_WEIGHTS,
                         sizes={**_WEIGHTS, "math-prm": 447}),
    "m_rewardbench": Pairs("macro", ("macro",), sections=_SECTIONS, weights=_TRANSLATED, per="language",
                           per_size=2_869, sizes={"languages": 23}),
    "rewardbench_2": RewardBench2({"Factuality": 475, "Precise IF": 160, "Math": 183, "Safety": 450, "Focus": 495,
                                   "Ties": 102}),
    "rm_bench": Styles({"chat": 129, "math": 529, "code": 228, "safety": 441}),
    "vl_rewardbench": Pairs(
        averages=("micro", "macro"),
        judge_ties="out",
        sections={name: (name,) for name in ("hallucination", "reasoning", "general")},
        # The smaller of its two revisions; which three rows it has lost, and so of which group, was not read.
        sizes={"pairs": 1_247, "hallucination": 0, "reasoning": 0, "general": 0},
    ),
    # Its code draws a letter for an answer of a judge that names none: half a win, on average.
    "multimodal_rewardbench": Pairs(judge_ties="half", parts=noted("part"), sizes=_AREAS),
    "mm_rlhf_rewardbench": Groups({"mcq": 42, "long": 37, "short": 34, "safety": 32, "video": 25}),
    # A scalar model answers B when both rewards are equal. The headline is over the answers of gpt-4o.
    "judgebench": Pairs(
        "gpt",
        ties="label",
        tie_is_right=noted("label") == "B>A",
        by=pl.col("source_split") + "/" + pl.col("category"),
        sections={split: tuple(f"{split}/{name}" for name in _OF_JUDGEBENCH) for split in ("gpt", "claude")},
        sizes={f"gpt/{name}": size for name, size in _OF_JUDGEBENCH.items()},
    ),
    # The parts are LLMBar's own, their average is ours; the older sets that it comes with are shown beside.
    "llmbar": Pairs(
        "macro", ("macro",), judge_ties="half", weights=dict.fromkeys(_LLMBAR, 1.0), sizes=_LLMBAR,
        sections={"Natural": ("Natural",), "Adversarial": tuple(name for name in _LLMBAR if name != "Natural")},
    ),
    # Sizes on the hub; the repository holds some 300 pairs of quality.
    "mj_bench": Pairs(without_ties=True, sizes={"pairs": 1_121}),
    "mj_bench_alignment": Pairs(without_ties=True, sizes={"pairs": 724}),
    "rewardmath": OneOfMany({"problems": 483}),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    """What a model scores on one benchmark. A figure is (value, low, high), the ends of its 95 % interval.

    `pairs` were judged, those that the rule leaves out as tied among them; `unjudged` have a completion that the
    model cannot judge whole, and count nowhere. `tied` pairs have equal rewards. `missing` names the parts of the
    headline of which rows are not there or not judged, "safety 284 of 441": it is over the rest then, and NaN when
    nothing is left. `clean` and `contaminated` are (pairs, headline) of the pairs that share nothing with the
    training pairs and of those that do.
    """

    benchmark: str
    headline: str
    figures: dict[str, tuple[float, float, float]]
    pairs: int
    unjudged: int
    tied: int
    missing: list[str]
    clean: tuple[int, tuple[float, float, float]] | None
    contaminated: tuple[int, tuple[float, float, float]] | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


def rule_key(benchmark: str) -> str:
    """Hash of all that a benchmark's figures follow from beside the rewards, hex: the fields of its definition and
    the code of the metrics. Figures with another key are to be measured again."""
    metric = BENCHMARKS.get(benchmark, Pairs())
    definition = [f"{field.name} = {getattr(metric, field.name)}" for field in fields(metric)]  # type: ignore[arg-type]
    code = [inspect.getsource(part) for part in (_cells, _metrics, _metric_rewardbench_2, measure, _part, _short)]
    text = "\n".join([type(metric).__name__, *definition, *code])
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def measure(benchmark: str, pairs: pl.DataFrame, *, seed: int = 17, judge: bool = False) -> BenchmarkResult:
    """The official figures of one benchmark; by the rules for judges of pairs where the rewards are a judge's.

    `pairs` has source_split, prompt_id, chosen_id, rejected_id, category, language, extra as in the pairs table,
    `chosen` and `rejected` (rewards, float64, null where the model could not judge) and `contaminated` (bool). All
    pairs of a prompt and of a native row are left out when one is not judged: over a part of the answers it is
    another metric. Raises `PrefmillError` when no pair is left.
    """
    metric = BENCHMARKS.get(benchmark, Pairs())
    if judge and isinstance(metric, Pairs):
        metric = replace(metric, ties=metric.judge_ties)
    lacking = pl.any_horizontal(pl.col("chosen", "rejected").is_null())
    judged = pairs.filter(~_whole(metric, pairs, lacking))
    if judged.is_empty():
        raise PrefmillError(f"{benchmark}: no pair that the model can judge, of {pairs.height}")
    entries = metric.entries(judged)
    if not len(entries.value):
        kind = "pair that the judge decides" if judge else "row that its rule counts"
        raise PrefmillError(f"{benchmark}: no {kind}, of {judged.height} pairs")
    figures = measured(entries, metric.figures, seed)
    headline = next(iter(figures))
    touched = _whole(metric, judged, pl.col("contaminated"))  # half a row's answers would be another task
    parts = [_part(metric, judged.filter(mask), seed) for mask in (~touched, touched)]
    return BenchmarkResult(
        benchmark,
        headline,
        figures,
        judged.height,
        pairs.height - judged.height,
        int((judged["chosen"] == judged["rejected"]).sum()),
        _short(metric, judged, pairs),
        *(parts if touched.any() else (None, None)),
    )


def _whole(metric: Metric, pairs: pl.DataFrame, mark: pl.Expr) -> pl.Series:
    """Which pairs are of a prompt or a native row of which one has the mark, bool."""
    of_prompts = pairs.with_columns(mark.any().over("prompt_id").alias("mark"), metric.unit.alias("unit"))
    return of_prompts.select(pl.col("mark").any().over("unit")).to_series()


def _short(metric: Metric, judged: pl.DataFrame, pairs: pl.DataFrame) -> list[str]:
    """Of which parts there are fewer judged rows than the benchmark, or the store, has."""
    there, held = metric.held(pairs), metric.held(judged)
    sizes = dict(metric.sizes) or {"pairs": 0}
    if isinstance(metric, Pairs) and metric.per:
        sizes |= {name: metric.per_size for name in there if name not in sizes}
    whole = {name: max(size, there.get(name, 0)) for name, size in sizes.items()}
    return [
        f"{name} {held.get(name, 0):,} of {size:,}" if size else f"no {name}"
        for name, size in whole.items()
        if held.get(name, 0) < max(size, 1)
    ]


def _part(metric: Metric, rows: pl.DataFrame, seed: int) -> tuple[int, tuple[float, float, float]] | None:
    if rows.is_empty():
        return None
    return rows.height, next(iter(measured(metric.entries(rows), metric.figures, seed).values()))
