"""Reference pages that are written from the code, so that they cannot part from it."""

from __future__ import annotations

import filters
from mixtures._ledger import SCHEMA as LEDGER
from pairs.tables import PAIRS

_HEAD = """# Filters

Each filter is one file in `filters/`: a signal that is measured once, and a rule that a mixture applies with its
own parameters. Written by `prefmill reference`; a test keeps it true.
"""


def filters_page() -> str:
    """docs/filters.md: what each filter does, its signal's columns, its rule's parameters."""
    parts = [_HEAD]
    for name in filters.names():
        module = filters.load(name)
        parts += [f"## {name}\n", f"{(module.__doc__ or '').strip()}\n"]
        columns = ", ".join(f"`{field.name}` {field.type}" for field in module.SIGNAL)
        parts.append(f"Signal `signals/{name}`: {columns}.\n")
        if hasattr(module, "Rule"):
            parts.append(_parameters(name, module.Rule.model_json_schema().get("properties", {})))
    return "\n".join(parts)


def _parameters(name: str, properties: dict[str, dict[str, object]]) -> str:
    if not properties:
        return f"Rule `[rules.{name}]`: no parameters.\n"
    lines = [f"Rule `[rules.{name}]`:\n", "| key | default | meaning |", "|---|---|---|"]
    for key, about in properties.items():
        text = " ".join(str(about.get("description", "")).split()).replace("|", "\\|")
        lines.append(f"| `{key}` | `{about.get('default')}` | {text} |")
    return "\n".join(lines) + "\n"


def schema_page() -> str:
    """docs/schema.md: every column of the pairs table and of the published ledger."""
    lines = [
        "# The unified schema\n",
        "One row per pair and source in the Delta table `pairs`. Written by `prefmill reference`; a test keeps it",
        "true.\n",
        "| column | type | null | meaning |",
        "|---|---|---|---|",
        *(
            f"| {field.name} | {field.type} | {'yes' if field.nullable else ''} | {MEANINGS[field.name]} |"
            for field in PAIRS
        ),
        "",
        _LEDGER_HEAD,
        *(
            f"| {field.name} | {field.type} | {'yes' if field.nullable else ''} | {LEDGER_MEANINGS[field.name]} |"
            for field in LEDGER
        ),
        "",
    ]
    return "\n".join(lines)


_LEDGER_HEAD = """# The ledger

`ledger.parquet` in the folder of a published version: one row for each pair and rule that touched it, pairs that
were dropped included, sorted by source, pair and the order of the rules. It joins to the dataset by `source` and
`published_id` = the dataset's `pair_id`. A pair that no rule touched has no row. The Delta table `ledger` holds
the same of the newest plan of every mixture, with the column `mixture` and without `published_id`.
`prefmill explain` reads both for one pair.

| column | type | null | meaning |
|---|---|---|---|"""

LEDGER_MEANINGS = {
    "source": "name of the source's file",
    "pair_id": "id of the pair in the table `pairs`",
    "published_id": "its id in the dataset: another one when a rule flipped it, null when a rule dropped it",
    "rule": "role, licences, modalities, label_sources and sample are built in; the others are the recipe's",
    "action": "drop, flip, soften, weight; keep: why a rule would not judge the pair",
    "reason": "a short name that groups alike decisions",
    "value": "what the rule saw or set: a similarity, a probability, a weight, a target",
    "by": "the pair that stays instead, or that this one contradicts",
}

MEANINGS = {
    "pair_id": "128-bit hash of prompt, media, chosen, rejected and criterion, as hex",
    "prompt_id": "hash of the prompt and its media",
    "chosen_id": "hash of prompt, media and chosen completion: the key of its reward",
    "rejected_id": "the same for the rejected one",
    "source": "name of the source's file",
    "source_revision": "commit of the dataset, or a hash of the local files' names and sizes",
    "source_split": "split of the native dataset",
    "source_row": "file below the source's root, and row number from 0",
    "prompt": "the conversation up to the reply; `<image>` marks a picture; without any it is a word",
    "chosen": "the preferred completion, usually one assistant message",
    "rejected": "the other completion",
    "media_ids": "the prompt's media in the order of their marks",
    "chosen_media_ids": "media of the chosen completion (text-to-image preferences)",
    "rejected_media_ids": "media of the rejected completion",
    "modality": "text, image, multi_image, video, audio, to_image, to_video",
    "criterion": "what the label rewards: overall, helpfulness, harmlessness, faithfulness, ...",
    "label_source": "human, model, rule, implicit, constructed",
    "source_margin": "strength of preference in the source's own unit; always finite",
    "chosen_ratings": "ratings by attribute, where the source has them",
    "rejected_ratings": "the same for the rejected completion",
    "rationale": "the annotator's reason",
    "reference": "reference facts or the gold answer",
    "category": "as the source says",
    "language": "as the source says",
    "licence": "SPDX id or the source's own words",
    "role": "train or benchmark; a benchmark's pairs enter a mixture only when its recipe says so by name",
    "extra": "JSON of native fields that have no column",
}
