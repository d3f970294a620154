"""The card of a published mixture: the README that `datasets` reads its configurations from, and people the rest.

Every number comes from the plan or the store. Text from rows, recipes and facts is escaped, so that no element of
the page comes from data.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from mixtures._plan import Counts
from mixtures._terms import ORDER, on_hub, terms

FRONT = '    path: "data/'  # the paths of `configs` in a version's own card
LOADING = "## Loading\n\n```python\n"
TAGS = ("tags:", "- preference", "- reward-model", "- prefmill")
COLUMNS = {
    "prompt": "the conversation up to the reply, messages with role and content",
    "chosen": "the preferred completion, messages",
    "rejected": "the other completion, messages",
    "images": "pictures of the prompt in order; an empty list where there are none",
    "chosen_images": "pictures of the chosen completion",
    "rejected_images": "pictures of the rejected completion",
    "pair_id": "hash of prompt, pictures, completions and criterion",
    "prompt_id": "hash of the prompt and its pictures",
    "chosen_id": "hash of the prompt and the chosen completion",
    "rejected_id": "hash of the prompt and the rejected completion",
    "group_id": "pairs whose prompts are alike share it; no split cuts a group",
    "source": "the dataset the pair comes from",
    "source_revision": "the commit or fingerprint of its files",
    "source_split": "its split",
    "source_row": "file and row number in it",
    "modality": "text, image, multi_image, ..., or to_image when the completions are pictures",
    "criterion": "what the label rewards: overall, helpfulness, ...",
    "label_source": "who judged: human, model, rule, implicit, constructed",
    "source_margin": "strength of the preference in the source's unit; its sign is turned in a flipped pair",
    "chosen_ratings": "ratings of the chosen completion by attribute",
    "rejected_ratings": "ratings of the rejected completion by attribute",
    "rationale": "the annotator's reason",
    "reference": "reference facts or the right answer",
    "category": "the source's own category",
    "language": "language, as the source says",
    "licence": "SPDX id or the source's own words",
    "extra": "JSON of native fields without a column; `flipped_from` is the id before a rule flipped the pair",
    "copy": "0, 1, ... : a pair that the mixture weights up is there more than once",
    "soft_label": "probability that chosen is better; null means 1; under 0.5 the other one is: mind this column",
    "weight": "of the pair in the loss; null means 1",
}


Measured = Sequence[Mapping[str, object]] | str  # rows of figures, or why there are none


@dataclass(frozen=True)
class Licence:
    name: str
    sources: Sequence[str]
    pairs: int


def front_matter(name: str, splits: Iterable[str], columns: Sequence[str], licences: Iterable[Licence]) -> str:
    """The YAML head: what `load_dataset` finds, with paths below the version's folder."""
    splits = list(splits)
    lines = ["---", "configs:"]
    for config, view in ((name, None), ("text", [column for column in columns if "images" not in column])):
        if config == "text" and view == list(columns):
            continue
        lines.append(f"- config_name: {json.dumps(config)}")
        lines += ["  default: true"] if view is None else [f"  columns: {json.dumps(view)}"]
        lines.append("  data_files:")
        for split in splits:
            lines += [f"  - split: {split}", f'{FRONT}{split}-*.parquet"']
    lines.append("license:")
    known = {on_hub(licence.name) for licence in licences}
    lines += [f"- {licence}" for licence in sorted(known, key=lambda name: (name == "other", name))]
    lines += [*TAGS, "---", ""]
    return "\n".join(lines)


def body(
    name: str,
    *,
    rows: Mapping[str, int],
    counts: Counts,
    sources: Mapping[str, Counts],
    native: Mapping[str, tuple[int | None, str]],
    rules: Sequence[str],
    licences: Sequence[Licence],
    columns: Sequence[str],
    recipe: str,
    facts: Mapping[str, str],
    plots: Sequence[str],
    tables: Mapping[str, Measured],
    citations: Mapping[str, str],
) -> str:
    """All below the head. `native` holds native rows and revision of each source; `rows` are by split; `tables`
    are what was measured, by heading, or why it was not; `citations` say what to cite, by source."""
    used = sum(one.kept > 0 for one in sources.values())
    in_all = ", ".join(f"{count:,} in {split}" for split, count in rows.items())
    parts = [
        f"# {name}\n",
        f"{counts.kept:,} preference pairs of {used} sources, in {counts.rows:,} rows: {in_all}. "
        "Made by prefmill from the recipe below; every pair that was left out is counted here.\n",
        _sources(sources, native, counts.rows),
        _rules(rules, counts),
        _drops(rules, sources),
        *(f"## {_cell(plot.replace('_', ' ').capitalize())}\n\n![](plots/{plot}.png)\n" for plot in plots),
        *(_measured(heading, lines) for heading, lines in tables.items()),
        _loading(name, rows, columns),
        "## Columns\n\n" + "".join(f"- `{column}`: {COLUMNS[column]}\n" for column in columns),
        _licences(licences),
        _citations(citations),
        _reproduction(name, recipe, facts),
    ]
    return "\n".join(parts)


def _cell(text: object) -> str:
    """Text from elsewhere inside a line of Markdown: one line, no element, no link, no table border."""
    line = re.sub(r"\s+", " ", str(text))
    return re.sub(r"([\\`*_\[\]|!~#])", r"\\\1", html.escape(line, quote=False))[:500]


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = (f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _sources(sources: Mapping[str, Counts], native: Mapping[str, tuple[int | None, str]], whole: int) -> str:
    lines = []
    for name, counts in sources.items():
        read, revision = native.get(name, (None, ""))
        share = f"{counts.rows / whole:.1%}" if whole else "0.0%"
        row = [f"`{name}`", "" if read is None else read, counts.candidates, counts.dropped_in_all, counts.kept]
        lines.append([*row, counts.rows, share, _cell(revision[: 18 if ":" in revision else 12])])
    head = ["source", "native rows", "pairs", "dropped", "kept", "rows here", "share", "revision"]
    return "## Sources\n\n" + _table(head, lines)


def _rules(rules: Sequence[str], counts: Counts) -> str:
    lines: list[Sequence[object]] = []
    for rule in rules:
        dropped, changed = counts.dropped.get(rule, {}), counts.changed.get(rule, {})
        lines += [[f"`{rule}`", _cell(reason), number, 0] for reason, number in sorted(dropped.items())]
        lines += [[f"`{rule}`", _cell(reason), 0, number] for reason, number in sorted(changed.items())]
        if not dropped and not changed:
            lines.append([f"`{rule}`", "nothing found", 0, 0])
    why = (
        "A pair that one rule changes may be dropped by a later one. `ledger.parquet` beside this card has a line "
        "for each pair and rule that touched it; its `source` and `published_id` are `source` and `pair_id` of "
        "the rows.\n"
    )
    head = ["rule", "reason", "pairs dropped", "pairs changed"]
    return "## Rules, in order\n\n" + _table(head, lines) + f"\n{why}"


def _drops(rules: Sequence[str], sources: Mapping[str, Counts]) -> str:
    """Pairs dropped by source and rule, without the rules that dropped none."""
    busy = [rule for rule in rules if any(counts.dropped.get(rule) for counts in sources.values())]
    if not busy:
        return "No rule dropped a pair.\n"
    lines = [
        [f"`{name}`", *(sum(counts.dropped.get(rule, {}).values()) for rule in busy)]
        for name, counts in sources.items()
    ]
    return "## Pairs dropped by source and rule\n\n" + _table(["source", *(f"`{rule}`" for rule in busy)], lines)


def _measured(heading: str, rows: Measured) -> str:
    """A table of figures as they come; the first line of a heading is its title, the rest explains."""
    title, _, why = heading.partition("\n")
    if isinstance(rows, str):
        return f"## {title}\n\nnot measured: {_cell(rows)}\n"
    if not rows:
        return f"## {title}\n\nnone found\n"
    lines = [[_figure(value) for value in row.values()] for row in rows]
    return f"## {title}\n\n{why}\n\n" + _table([_cell(name.replace("_", " ")) for name in rows[0]], lines)


def _figure(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.3f}"
    return value if isinstance(value, int) else "" if value is None else _cell(value)


def _citations(citations: Mapping[str, str]) -> str:
    return "## What to cite\n\n" + "".join(f"- `{name}`: {_cell(text)}\n" for name, text in citations.items())


def _loading(name: str, rows: Mapping[str, int], columns: Sequence[str]) -> str:
    split = next(iter(rows), "train")
    pictures = any("images" in column for column in columns)
    view = f'load_dataset(path, "text", split="{split}")  # the same rows without pictures\n' if pictures else ""
    config = '"text", ' if pictures else ""
    return (
        f"{LOADING}from datasets import load_dataset\n\n"
        f'path = "<store>/published/{name}"\n'
        f'load_dataset(path, split="{split}")\n'
        f'load_dataset(path, "{name}", split="{split}", streaming=True)\n'
        f"{view}"
        "\nfrom trl import RewardTrainer\n\n"
        f'RewardTrainer(model="...", train_dataset=load_dataset(path, {config}split="{split}"))\n```\n'
    )


def _licences(licences: Sequence[Licence]) -> str:
    asked = {one.name: terms(one.name) for one in licences}
    ranked = sorted(licences, key=lambda one: ([*map(ORDER.index, asked[one.name])], one.name))
    rows = [
        [
            _cell(one.name),
            "; ".join(asked[one.name]),
            ", ".join(f"`{source}`" for source in one.sources),
            one.pairs,
        ]
        for one in ranked
    ]
    together = "".join(
        f"- **{term}**: {', '.join(_cell(one.name) for one in ranked if term in asked[one.name])}\n"
        for term in ORDER
        if term in chain(*asked.values())
    )
    return (
        f"## Licences\n\n{_table(['licence', 'asks for', 'sources', 'pairs'], rows)}\n"
        f"What this mixture asks for altogether, strictest first:\n\n{together}"
    )


def _reproduction(name: str, recipe: str, facts: Mapping[str, str]) -> str:
    longest = max((len(run) for run in re.findall(r"`+", recipe)), default=0)
    fence = "`" * max(3, longest + 1)
    lines = "".join(f"- {_cell(key)}: {_cell(value)}\n" for key, value in sorted(facts.items()))
    return (
        f"## Making it again\n\nSave the recipe below as `{name}.toml`; prefmill makes the mixture with "
        f"`make curate MIXTURE={name}.toml`. The same sources, recipe, seed and packages give the same bytes; "
        "`manifest.json` holds their hashes.\n\n"
        f"{lines}\n{fence}toml\n{recipe.rstrip()}\n{fence}\n"
    )
