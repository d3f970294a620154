"""docs/curation.md and its plot, made from bench/results/curation.txt: `python -m bench._curation_page`.

The words are in bench/curation_page.md; what stands there in double braces is filled in from the results:
`{{table: TITLE; column, column}}`, `{{won back}}`, `{{say: BEGINNING OF A LINE}}` and `{{RESULT}}`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results" / "curation.txt"
WON = "lost accuracy won back, uniform 20 and structured noise"
DRAWN = (
    "random", "oracle", "ours", "judged equal", "keep if agree", "flip", "dynamics", "small-loss", "confident",
)  # fmt: skip


def sections(text: str) -> dict[str, list[str]]:
    """The lines below each title; the title is the first line of a part."""
    parts = [part.splitlines() for part in text.strip().split("\n\n")]
    return {lines[0]: lines[1:] for lines in parts}


def won_back(lines: list[str]) -> dict[tuple[str, str], dict[str, float]]:
    """(trainer, accuracy or balanced) -> method -> share of the lost accuracy that came back."""
    found = {}
    for line in lines:
        start, _, rest = line.partition(": ")
        trainer, _, what = start.partition(", ")
        if what in ("accuracy", "balanced"):
            shares = [part.rsplit(" ", 1) for part in rest.split(", ")]
            found[trainer, what] = {name: float(share) for name, share in shares}
    return found


def markdown(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def filled(template: str, text: str) -> str:
    """The template with its braces filled. Raises `KeyError` for what the results do not have."""
    parts = sections(text)
    lines = text.splitlines()

    def fill(found: re.Match[str]) -> str:
        kind, _, rest = found[1].partition(": ")
        if kind == "table":
            title, _, wanted = rest.partition("; ")
            rows = [line.split(" | ") for line in parts[title]]
            places = [place for place, name in enumerate(rows[0]) if place < 2 or name in wanted.split(", ")]
            return markdown([[row[place] for place in places] for row in rows])
        if kind == "won back":
            won = won_back(parts[WON])
            rows = [["trainer", "accuracy", *DRAWN]]
            for (trainer, what), shares in won.items():
                named = "as found" if what == "accuracy" else "balanced"
                rows.append([trainer, named, *(f"{shares[name]:.2f}" for name in DRAWN)])
            return markdown(rows)
        beginning = rest if kind == "say" else found[1]
        told = [line for line in lines if line.startswith(beginning)]
        if not told:
            raise KeyError(f"bench/curation_page.md: {found[0]} is in no line of {RESULTS.name}")
        return told[-1] if kind != "say" else told[-1].removeprefix(beginning).strip(" :,")

    return re.sub(r"\{\{(.+?)\}\}", fill, template)


def draw(text: str, file: Path) -> None:
    """What each method wins back of what noise costs, as found and balanced over length, by trainer."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    won = won_back(sections(text)[WON])
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
    for axis, trainer in zip(axes, ("memorising", "regularised"), strict=True):
        _bars(axis, won[trainer, "accuracy"], won[trainer, "balanced"])
        axis.set_title(f"a trainer that {'memorises' if trainer == 'memorising' else 'stops early'}", fontsize=10)
    axes[0].set_ylabel("share of lost accuracy won back")
    axes[0].legend(frameon=False, fontsize=8)
    figure.savefig(file, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def _bars(axis: Any, found: dict[str, float], balanced: dict[str, float]) -> None:
    for shift, (shares, label) in enumerate(((found, "as found"), (balanced, "balanced over length"))):
        heights = [shares[name] for name in DRAWN]
        axis.bar([place + 0.4 * shift for place in range(len(DRAWN))], heights, 0.38, label=label)
    axis.set_xticks([place + 0.2 for place in range(len(DRAWN))], DRAWN, rotation=40, ha="right", fontsize=8)
    axis.axhline(0, color="black", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)


def main() -> None:
    text = RESULTS.read_text()
    template = (ROOT / "bench" / "curation_page.md").read_text()
    (ROOT / "docs" / "curation.md").write_text(filled(template, text))
    draw(text, ROOT / "docs" / "curation.png")


if __name__ == "__main__":
    main()
