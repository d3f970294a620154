"""Plots of the search and of the ablation, as PNG bytes in the style of `plots`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipelines.plots import AFTER, BEFORE, as_png, new_figure


def source_table(rows: Sequence[str], columns: Sequence[str], accuracy: Sequence[Sequence[float]]) -> bytes:
    """Accuracy of the head trained on each mixture (rows) on each held-out set (columns), as a heat map."""
    figure, axes = new_figure(2.6 + 0.75 * len(columns), 1.4 + 0.3 * len(rows))
    values = np.array(accuracy, float)
    reach = max(0.05, float(np.nanmax(np.abs(values - 0.5))))
    axes.imshow(values, cmap="RdBu", vmin=0.5 - reach, vmax=0.5 + reach, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            dark = abs(value - 0.5) > 0.6 * reach
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7,
                      color="white" if dark else "black")  # fmt: skip
    axes.set_xticks(range(len(columns)), columns, rotation=40, ha="right", fontsize=8)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.set_title("Held-out accuracy by training mixture", fontsize=10)
    return as_png(figure)


def predicted(measured: Sequence[float], guess: Sequence[float]) -> bytes:
    """What the surrogate says of each tried mixture, had it not seen it, against what was measured."""
    figure, axes = new_figure(4.6, 4.0)
    low, high = min(*measured, *guess), max(*measured, *guess)
    axes.plot([low, high], [low, high], color="black", linewidth=0.8, linestyle="--")
    axes.scatter(guess, measured, s=14, color=AFTER, alpha=0.8)
    correlation = float(np.corrcoef(guess, measured)[0, 1])
    axes.set_xlabel("predicted from the other mixtures")
    axes.set_ylabel("measured accuracy")
    axes.set_title(f"Surrogate: correlation {correlation:.2f} on {len(measured)} mixtures", fontsize=10)
    return as_png(figure)


def weights(
    sources: Sequence[str], proposal: Sequence[float], uniform: Sequence[float], proportional: Sequence[float]
) -> bytes:
    """The proposed share of each source beside its share of a uniform and of a proportional mixture."""
    figure, axes = new_figure(height=0.9 + 0.36 * max(len(sources), 2))
    places = np.arange(len(sources))[::-1]
    axes.barh(places + 0.18, proportional, 0.34, color=BEFORE, label="proportional")
    axes.barh(places - 0.18, proposal, 0.34, color=AFTER, label="proposed")
    axes.axvline(uniform[0], color="black", linewidth=0.8, linestyle="--", label="uniform")
    axes.set_yticks(places, sources)
    axes.set_xlabel("share of the mixture")
    axes.set_title("Proposed weights")
    axes.legend(frameon=False, loc="best")
    return as_png(figure)


def path(sources: Sequence[str], steps: Sequence[Sequence[float]]) -> bytes:
    """The weight of each source over the steps of a bilevel search; `steps` is [steps, sources]."""
    figure, axes = new_figure(height=3.6)
    gone = [name for name, last in zip(sources, steps[-1], strict=True) if last < 0.2 / len(sources)]
    for name, weight in zip(sources, np.array(steps).T, strict=True):
        (line,) = axes.plot(weight, linewidth=1.4)
        if name not in gone:  # names of lines that end side by side would cover each other
            axes.annotate(name, (len(weight) - 1, weight[-1]), xytext=(4, 0), textcoords="offset points",
                          va="center", fontsize=8, color=line.get_color())  # fmt: skip
    if gone:
        axes.set_title(f"ends below a fifth of uniform: {', '.join(gone)}", fontsize=8, loc="left")
    axes.axhline(1 / len(sources), color="black", linewidth=0.8, linestyle="--")
    axes.set_xlim(0, 1.25 * len(steps))  # room for the names
    axes.set_xlabel("step (dashed: uniform)")
    axes.set_ylabel("weight")
    figure.suptitle("Weights learned against the trusted sets", fontsize=11)  # type: ignore[attr-defined]
    return as_png(figure)


def worth(names: Sequence[str], gains: Sequence[float], intervals: Sequence[tuple[float, float]]) -> bytes:
    """What each rule or source adds to the accuracy, with its interval."""
    figure, axes = new_figure(height=1.0 + 0.32 * max(len(names), 2))
    places = np.arange(len(names))[::-1]
    for place, gain, (low, high) in zip(places, gains, intervals, strict=True):
        colour = AFTER if low > 0 or high < 0 else BEFORE
        axes.plot([low, high], [place, place], color=colour, linewidth=2)
        axes.plot(gain, place, "o", color=colour, markersize=5)
    axes.axvline(0, color="black", linewidth=0.8, linestyle="--")
    axes.set_yticks(places, names, fontsize=8)
    axes.set_xlabel("accuracy with it less accuracy without it, 95% interval")
    axes.set_title("What each rule and each source is worth", fontsize=10)
    return as_png(figure)
