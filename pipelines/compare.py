"""Trained mixtures side by side: held-out accuracy and every benchmark, beside BaseReward's printed figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mixtures._recipe import Recipe
from pairs.errors import RecipeError
from pairs.store import Store
from pipelines import benchmarks, notes, plots

Figure = tuple[float, float, float]  # value, and the ends of its 95 % interval

# BaseReward (arXiv 2509.16127), by the backbone trained: what its tables print, as shares. Its MM-RLHF-RewardBench
# includes 25 pairs about videos; which revision of VL-RewardBench it used is not said, nor whether table 7 has its
# micro or its macro average, so that column is not here. The final ensemble is the mean of the two final models,
# table 7's that of this backbone and InternVL3-8B, both on the seven sets.
_ENSEMBLE = {
    "vl_rewardbench: micro": 0.8441, "vl_rewardbench: macro": 0.8291, "mm_rlhf_rewardbench: acc": 0.9294,
    "mm_rlhf_rewardbench: acc+": 0.8043, "multimodal_rewardbench: micro": 0.736,
}  # fmt: skip
PRINTED = {
    "Qwen/Qwen2.5-VL-7B-Instruct": {
        "Qwen2.5-VL-7B-Instruct": {
            "vl_rewardbench: micro": 0.8216, "vl_rewardbench: macro": 0.8085, "mm_rlhf_rewardbench: acc": 0.9176,
            "mm_rlhf_rewardbench: acc+": 0.8043, "multimodal_rewardbench: micro": 0.728,
        },
        "table 7, seven sets": {
            "mm_rlhf_rewardbench: acc": 0.906, "multimodal_rewardbench: micro": 0.726,
            "rewardbench: macro": 0.809, "rm_bench: macro": 0.687,
        },
        "final ensemble": _ENSEMBLE,
        "table 7, mean of two": {
            "mm_rlhf_rewardbench: acc": 0.929, "multimodal_rewardbench: micro": 0.715,
            "rewardbench: macro": 0.858, "rm_bench: macro": 0.757,
        },
        "table 7, mean of two, Qwen3-8B for text": {"rewardbench: macro": 0.883, "rm_bench: macro": 0.771},
    },
    "Qwen/Qwen2-VL-7B-Instruct": {
        "Qwen2-VL-7B-Instruct": {
            "vl_rewardbench: micro": 0.7853, "vl_rewardbench: macro": 0.7653, "mm_rlhf_rewardbench: acc": 0.9059,
            "mm_rlhf_rewardbench: acc+": 0.7826, "multimodal_rewardbench: micro": 0.687,
        },
        "final ensemble": _ENSEMBLE,
    },
}  # fmt: skip
# Of the held-out split. The last two are better the nearer they are to 0, so they are in the table and not drawn.
_HELD_OUT = {
    "balanced accuracy": "balanced_accuracy",
    'accuracy of "longer is better"': "length_accuracy",
    "correlation of margin and length": "length_correlation",
    "calibration error": "calibration_error",
}
_NOT_DRAWN = tuple(f"held out: {title}" for title in list(_HELD_OUT)[2:])
_PART = ", in part"
_SHOWN = ("acc+", "macro", "micro", "hard", "normal", "easy")  # figures worth a row beside the headline


def figures(store: Store, recipe: Recipe) -> dict[str, Figure]:
    """Held-out accuracy and the main figures of each benchmark of one trained mixture, by name."""
    found = notes.read(store, "evaluated", recipe.name)
    if not found:
        raise RecipeError(f"{recipe.name}: not evaluated yet; run the job `train` first")
    out: dict[str, Figure] = {"held out: accuracy": (found["accuracy"], *found["interval"])}
    for title, name in _HELD_OUT.items():
        if found[name] is not None:
            out[f"held out: {title}"] = (found[name],) * 3
    for one in found["benchmarks"]:
        # Over a part of a benchmark a figure is another one than over the whole.
        title = one["benchmark"] + (_PART if one["missing"] else "")
        shown = {name: figure for name, figure in one["figures"].items() if name in (one["headline"], *_SHOWN)}
        parts = {f"{one['headline']}, {name}": one[name][1] for name in ("clean", "contaminated") if one[name]}
        for name, figure in {**shown, **parts}.items():
            if benchmarks.known(figure)[0] is not None:
                out[f"{title}: {name}"] = tuple(figure)
    return out


def table(store: Store, recipes: Sequence[Recipe]) -> list[dict[str, Any]]:
    """A row per figure, a column per mixture; and BaseReward's, for a mixture whose backbone the paper used. Rows
    of one benchmark lie together, measured in part or whole."""
    by_mixture: dict[str, dict[str, Figure]] = {recipe.name: figures(store, recipe) for recipe in recipes}
    for recipe in recipes:
        backbone = getattr(recipe.train, "backbone", "")
        for title, values in PRINTED.get(backbone, {}).items():
            printed = {name: (value, value, value) for name, value in values.items()}
            by_mixture[f"printed in BaseReward's paper, {title}"] = printed
    rows: dict[str, dict[str, None]] = {}
    for name in (name for column in by_mixture.values() for name in column):
        rows.setdefault(name.partition(":")[0].removesuffix(_PART), {})[name] = None
    return [
        {"figure": name, **{title: column.get(name) for title, column in by_mixture.items()}}
        for names in rows.values()
        for name in names
    ]


def text(rows: Sequence[dict[str, Any]]) -> str:
    """The table as Markdown, which is easy to read as it is; a dash where a mixture has no such figure."""
    titles = list(rows[0])
    lines = [[*titles], [":--" for _ in titles]]
    lines += [[row["figure"], *(_cell(row[title]) for title in titles[1:])] for row in rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(titles))]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return "-"
    value, low, high = figure
    return f"{value:.3f}" if low == high else f"{value:.3f} ({low:.3f} to {high:.3f})"


def plot(store: Store, rows: Sequence[dict[str, Any]]) -> Path:
    """Draw the table into the store's reports; returns the picture's path."""
    path = store.path("reports", "comparison.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = [row for row in rows if row["figure"] not in _NOT_DRAWN]
    path.write_bytes(plots.compared(drawn))
    return path
