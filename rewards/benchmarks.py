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
_OF_JUDGEBENCH = ("mmlu-pro", "livebench-reasoning", "livebench-math", "livecodebench")
_ADVERSARIAL = tuple(f"Adversarial/{name}" for name in ("Neighbor", "GPTInst", "GPTOut", "Manual"))

BENCHMARKS: dict[str, Metric] = {
    # Today's leaderboard: the first one added Prior Sets, a fifth section of half the weight.
    "rewardbench": Pairs("macro", ("macro",), judge_ties="half", sections=_SECTIONS, weights=_WEIGHTS),
    "m_rewardbench": Pairs("macro", ("macro",), sections=_SECTIONS, weights=_TRANSLATED, per="language"),
    "rewardbench_2": RewardBench2(),
    "rm_bench": Styles(),
    "vl_rewardbench": Pairs(
        averages=("micro", "macro"),
        judge_ties="out",
        sections={name: (name,) for name in ("hallucination", "reasoning", "general")},
    ),
    # Its code draws a letter for an answer of a judge that names none: half a win, on average.
    "multimodal_rewardbench": Pairs(judge_ties="half", parts=noted("part")),
    "mm_rlhf_rewardbench": Groups(("mcq", "long", "short", "safety", "video")),
    # A scalar model answers B when both rewards are equal. The headline is over the answers of gpt-4o.
    "judgebench": Pairs(
        "gpt",
        ties="label",
        tie_is_right=noted("label") == "B>A",
        by=pl.col("source_split") + "/" + pl.col("category"),
        sections={split: tuple(f"{split}/{name}" for name in _OF_JUDGEBENCH) for split in ("gpt", "claude")},
    ),
    # The parts are LLMBar's own, their average is ours; the older sets that it comes with are shown beside.
    "llmbar": Pairs(
        "macro", ("macro",), judge_ties="half", sections={"Natural": ("Natural",), "Adversarial": _ADVERSARIAL},
        weights=dict.fromkeys(("Natural", *_ADVERSARIAL), 1.0),
    ),
    "mj_bench": Pairs(without_ties=True),
    "mj_bench_alignment": Pairs(without_ties=True),
    "rewardmath": OneOfMany(),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    """What a model scores on one benchmark. A figure is (value, low, high), the ends of its 95 % interval.

    `pairs` were judged, those that the rule leaves out as tied among them; `unjudged` have a completion that the
    model cannot judge whole, and count nowhere. `tied` pairs have equal rewards. `missing` names parts of the
    benchmark that are not there: the headline is over the rest then. `clean` and `contaminated` are (pairs,
    headline) of the pairs that share nothing with the training pairs and of those that do.
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
    code = [inspect.getsource(part) for part in (_cells, _metrics, _metric_rewardbench_2, measure, _part)]
    text = "\n".join([type(metric).__name__, *definition, *code])
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def measure(benchmark: str, pairs: pl.DataFrame, *, seed: int = 17, judge: bool = False) -> BenchmarkResult:
    """The official figures of one benchmark; by the rules for judges of pairs where the rewards are a judge's.

    `pairs` has source_split, prompt_id, chosen_id, rejected_id, category, language, extra as in the pairs table,
    `chosen` and `rejected` (rewards, float64, null where the model could not judge) and `contaminated` (bool). All
    pairs of a prompt are left out when one is not judged: over a part of the answers it is another metric. Raises
    `PrefmillError` when no pair is left.
    """
    metric = BENCHMARKS.get(benchmark, Pairs())
    if judge and isinstance(metric, Pairs):
        metric = replace(metric, ties=metric.judge_ties)
    lacking = pairs.filter(pl.any_horizontal(pl.col("chosen", "rejected").is_null()))
    judged = pairs.join(lacking.select("prompt_id").unique(), on="prompt_id", how="anti", maintain_order="left")
    if judged.is_empty():
        raise PrefmillError(f"{benchmark}: no pair that the model can judge, of {pairs.height}")
    entries = metric.entries(judged)
    if not len(entries.value):
        raise PrefmillError(f"{benchmark}: no pair that the judge decides, of {judged.height}")
    figures = measured(entries, metric.figures, seed)
    headline = next(iter(figures))
    # By prompt, as above: half a prompt's answers would be another task.
    touched = judged.select(pl.col("contaminated").any().over("prompt_id")).to_series()
    parts = [_part(metric, judged.filter(mask), seed) for mask in (~touched, touched)]
    return BenchmarkResult(
        benchmark,
        headline,
        figures,
        judged.height,
        pairs.height - judged.height,
        int((judged["chosen"] == judged["rejected"]).sum()),
        [name for name in metric.expected if name not in entries.cells],
        *(parts if touched.any() else (None, None)),
    )


def _part(metric: Metric, rows: pl.DataFrame, seed: int) -> tuple[int, tuple[float, float, float]] | None:
    if rows.is_empty():
        return None
    return rows.height, next(iter(measured(metric.entries(rows), metric.figures, seed).values()))
