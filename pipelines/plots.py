"""Plots as PNG bytes, in one style. They take small arrays and tables, never rows."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BEFORE, AFTER = "#b8b8b8", "#2f6db3"  # grey is what came in, blue what went out: also apart in greyscale


def new_figure(width: float = 7.0, height: float = 3.2) -> tuple[object, Axes]:
    """An empty figure of so many inches, and its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def as_png(figure: object) -> bytes:
    """The bytes of the picture; the same figure gives the same bytes."""
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})  # type: ignore[attr-defined]
    return out.getvalue()


def length_difference(before: np.ndarray, after: np.ndarray, weights: np.ndarray) -> bytes:
    """Histogram of chosen less rejected characters, before and after the rules: shares of pairs, those after by
    their `weights` in the mixture."""
    figure, axes = new_figure()
    reach = float(np.quantile(np.abs(before), 0.98)) if len(before) else 1.0
    bins = np.linspace(-max(reach, 1.0), max(reach, 1.0), 61)
    shown = ((before, np.ones(len(before)), BEFORE, "before"), (after, weights, AFTER, "after"))
    for values, counts, colour, label in shown:
        if not len(values):
            continue
        shares = counts / counts.sum()
        longer = float(shares[values > 0].sum() + shares[values == 0].sum() / 2)
        axes.hist(values, bins, weights=shares, histtype="stepfilled" if colour == BEFORE else "step",
                  color=colour, linewidth=1.8, label=f"{label}: longer one chosen in {longer:.0%}")  # fmt: skip
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel("characters of chosen less characters of rejected")
    axes.set_ylabel("share of pairs")
    axes.set_title("Length difference")
    axes.set_ylim(0, 1.3 * axes.get_ylim()[1])  # room for the legend
    axes.legend(frameon=False, loc="upper left")
    return as_png(figure)


def leanings(parts: Sequence[str], aucs: Sequence[tuple[float, float | None]]) -> bytes:
    """AUC of formatting alone for each part of a mixture, before and after the rules (None: nothing is left)."""
    figure, axes = new_figure(height=1.2 + 0.3 * max(len(parts), 2))
    places = np.arange(len(parts))[::-1]
    before, after = np.array(aucs, dtype=np.float64).T  # nothing left: not a number, and not drawn
    axes.hlines(places, before, after, color=BEFORE, linewidth=1.2)
    axes.plot(before, places, "o", color=BEFORE, markersize=9, label="before")
    axes.plot(after, places, "o", color=AFTER, markersize=6, label="after")
    axes.axvline(0.5, color="black", linewidth=0.8, linestyle="--")
    axes.set_yticks(places, parts)
    axes.set_ylim(-0.6, len(parts) - 0.4)
    reach = max(0.1, 1.1 * float(np.nanmax(np.abs(np.array(aucs, dtype=np.float64) - 0.5))))
    axes.set_xlim(0.5 - reach, 0.5 + reach)  # no less: a hundredth must not look like much
    axes.set_xlabel("AUC of formatting alone; 0.5: it says nothing")
    axes.set_title("Formatting")
    axes.legend(frameon=False, loc="best")
    return as_png(figure)


def reward_margins(margins: np.ndarray, kept: np.ndarray) -> bytes:
    """Histogram of the reward margins of all pairs, and of those kept with the label they are published with."""
    figure, axes = new_figure()
    reach = float(np.quantile(np.abs(margins), 0.99)) if len(margins) else 1.0
    bins = np.linspace(-reach, reach, 61)
    axes.hist(margins, bins, color=BEFORE, label=f"all {len(margins):,} pairs")
    axes.hist(kept, bins, histtype="step", color=AFTER, linewidth=1.8, label=f"kept {len(kept):,}")
    axes.axvline(0, color="black", linewidth=0.8)
    against = float(np.mean(margins < 0)) if len(margins) else 0.0
    axes.set_xlabel("reward margin in log-odds of the label, mean over models")
    axes.set_ylabel("pairs")
    axes.set_title(f"Reward margin: the model disagrees with {against:.0%} of the labels")
    axes.legend(frameon=False, loc="upper left")
    return as_png(figure)


def source_shares(sources: Sequence[str], offered: Sequence[int], published: Sequence[int]) -> bytes:
    """Pairs of every source as ingested and as published, as bars."""
    figure, axes = new_figure(height=0.8 + 0.36 * max(len(sources), 2))
    places = np.arange(len(sources))[::-1]
    axes.barh(places + 0.2, offered, 0.38, color=BEFORE, label="pairs ingested")
    axes.barh(places - 0.2, published, 0.38, color=AFTER, label="pairs published")
    for place, count in zip(places, published, strict=True):
        axes.annotate(f"{count:,}", (count, place - 0.2), xytext=(3, 0), textcoords="offset points",
                      va="center", fontsize=8)  # fmt: skip
    axes.set_yticks(places, sources)
    axes.set_xlabel("pairs")
    axes.set_title("Sources")
    axes.legend(frameon=False, loc="best")
    return as_png(figure)


def training_curve(steps: Sequence[int], losses: Sequence[float], accuracies: Sequence[float]) -> bytes:
    """Bradley-Terry loss and training accuracy over steps, as they are and, bolder, as running means."""
    figure, axes = new_figure()
    axes.plot(steps, losses, color=AFTER, linewidth=0.5, alpha=0.4)
    axes.plot(steps, _smoothed(losses), color=AFTER, linewidth=1.8)
    axes.axhline(float(np.log(2)), color=BEFORE, linewidth=0.8, linestyle="--")
    axes.set_xlabel("step")
    axes.set_ylabel("Bradley-Terry loss (dashed: a coin)")
    right = axes.twinx()
    right.spines["top"].set_visible(False)
    right.plot(steps, accuracies, color="#c46a1c", linewidth=0.5, alpha=0.4)
    right.plot(steps, _smoothed(accuracies), color="#c46a1c", linewidth=1.2)
    right.set_ylabel("accuracy on the batch", color="#c46a1c")
    right.set_ylim(0, 1)
    axes.set_title("Training of the reward model")
    return as_png(figure)


def _smoothed(values: Sequence[float]) -> np.ndarray:
    """The mean of each value and its neighbours, a fortieth of all on either side."""
    reach = len(values) // 40
    total = np.cumsum([0.0, *values])
    first = np.clip(np.arange(len(values)) - reach, 0, None)
    last = np.clip(np.arange(len(values)) + reach + 1, None, len(values))
    return (total[last] - total[first]) / (last - first)


def accuracy_bars(names: Sequence[str], accuracy: Sequence[float], intervals: Sequence[tuple[float, float]],
                  counts: Sequence[int]) -> bytes:  # fmt: skip
    """Accuracy by source with its interval; the line at one half is a coin."""
    figure, axes = new_figure(height=0.8 + 0.36 * max(len(names), 2))
    places = np.arange(len(names))[::-1]
    spread = np.array([[a - low, high - a] for a, (low, high) in zip(accuracy, intervals, strict=True)]).T
    axes.barh(
        places, accuracy, 0.6, color=AFTER, alpha=0.85, xerr=np.clip(spread, 0, None), ecolor="black", capsize=2
    )
    axes.axvline(0.5, color="black", linewidth=0.8, linestyle="--")
    axes.set_yticks(places, [f"{name} ({count:,})" for name, count in zip(names, counts, strict=True)])
    axes.set_xlim(0, 1)
    axes.set_xlabel("accuracy on held-out pairs, 95% interval")
    axes.set_title("Held-out accuracy of the reward model")
    return as_png(figure)


def benchmark_bars(names: Sequence[str], figures: Sequence[tuple[float, float, float]]) -> bytes:
    """The headline of each benchmark with its interval; figures are (value, low, high) in 0..1."""
    figure, axes = new_figure(height=0.8 + 0.36 * max(len(names), 2))
    places = np.arange(len(names))[::-1]
    value, low, high = np.array(figures).T
    spread = np.clip([value - low, high - value], 0, None)
    axes.barh(places, value, 0.6, color=AFTER, alpha=0.85, xerr=spread, ecolor="black", capsize=2)
    for place, number in zip(places, value, strict=True):
        axes.annotate(f"{number:.3f}", (0.01, place), va="center", fontsize=8, color="white")
    axes.set_yticks(places, names)
    axes.set_xlim(0, 1)
    axes.set_xlabel("official figure, 95% interval")
    axes.set_title("Benchmarks")
    return as_png(figure)


def compared(rows: Sequence[Mapping[str, object]]) -> bytes:
    """Figures of several mixtures, a row per figure: `rows` as `pipelines.compare.table` makes them."""
    titles = [title for title in rows[0] if title != "figure"]
    figure, axes = new_figure(width=8.0, height=1.4 + 0.3 * len(rows))
    colours = ("#2f6db3", "#c46a1c", "#3a8f5c", "#8a5aa8", "#7a7a7a", "#b03a48")
    for place, title in enumerate(titles):
        known = [(at, row[title]) for at, row in enumerate(reversed(rows)) if row[title] is not None]
        offset = 0.5 * (place / max(len(titles) - 1, 1) - 0.5)
        value, low, high = np.array([found for _, found in known], dtype=np.float64).T
        spread, colour = np.clip([value - low, high - value], 0, None), colours[place % len(colours)]
        heights = [at - offset for at, _ in known]
        # Figures printed in a paper have no interval and were not measured here: hollow, so that both show.
        if spread.any():
            axes.errorbar(value, heights, xerr=spread, fmt="o", markersize=4, capsize=2, label=title, color=colour)
        else:
            axes.plot(value, heights, "D", markersize=6, mfc="none", label=title, color=colour)
    axes.set_yticks(range(len(rows)), [str(row["figure"]) for row in reversed(rows)])
    axes.set_xlim(0, 1)
    axes.grid(axis="y", linewidth=0.3)
    axes.set_xlabel("official figure, 95% interval")
    axes.set_title("Trained mixtures side by side")
    figure.legend(frameon=False, loc="outside lower center", ncols=2)  # type: ignore[attr-defined]
    return as_png(figure)


def calibration(bins: Sequence[tuple[float, float, int]], error: float) -> bytes:
    """How often the model is right against how sure it says it is; bins are (stated, found, pairs)."""
    figure, axes = new_figure(width=4.2, height=3.6)
    stated, found, _ = zip(*bins, strict=True)
    axes.plot([0.5, 1], [0.5, 1], color=BEFORE, linewidth=0.8, linestyle="--", label="as sure as right")
    axes.plot(stated, found, "o-", color=AFTER, label="a tenth of the pairs each")
    axes.set_xlim(0.5, 1.01)
    axes.set_ylim(min(0.45, *found) - 0.02, 1.02)
    axes.set_xlabel("probability the model states")
    axes.set_ylabel("share of pairs it has right")
    axes.set_title(f"Calibration: off by {error:.3f} on average")
    axes.legend(frameon=False, loc="lower right")
    return as_png(figure)


def as_markdown(plots: Mapping[str, bytes]) -> str:
    """Plots as Markdown with the pictures inside: what Dagster shows in an asset's metadata."""
    import base64

    parts = [f"![{name}](data:image/png;base64,{base64.b64encode(png).decode()})" for name, png in plots.items()]
    return "\n\n".join(parts)
