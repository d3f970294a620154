"""Real pairs for the tests of filters: rows with true ids, and the frame of survivors that a rule sees."""

from __future__ import annotations

import polars as pl

from pairs.schema import Pair, canonical_pair
from pairs.tables import PAIRS


def pairs(*rows, images=()):
    """Rows `(source, prompt, chosen, rejected[, criterion])` as a pairs table; `images` are media ids of all."""
    made = []
    for number, (source, prompt, chosen, rejected, *criterion) in enumerate(rows):
        pair = Pair(prompt, chosen, rejected, images=list(images), criterion=(criterion or ["overall"])[0])
        content = canonical_pair(pair, media_ids=images, chosen_media_ids=(), rejected_media_ids=())
        place = {"source_revision": "0", "source_split": "train", "source_row": str(number)}
        facts = {"label_source": "human", "licence": "MIT", "role": "train"}
        made.append({name: {**content, **place, **facts, "source": source}.get(name) for name in PAIRS.names})
    schema = pl.from_arrow(PAIRS.empty_table()).schema
    return pl.DataFrame(made, schema=schema)


def survivors(table, order=()):
    """What a rule sees of a pairs table when the recipe names its sources in this order."""
    order = list(order or table["source"].unique(maintain_order=True))
    rank = pl.col("source").replace_strict(order, range(len(order)), return_dtype=pl.Int64)
    ids = ("source", "pair_id", "prompt_id", "chosen_id", "rejected_id", "modality", "criterion", "label_source")
    facts = {"source_order": rank, "group_id": "prompt_id", "flipped": pl.lit(False)}
    return table.select(*ids, **facts).sort("source_order", "source", "pair_id")


def row(source, pair_id, order=0, **columns):
    """One hand-made survivor; ids that the rule at hand does not read are made up."""
    ids = {"prompt_id": "q", "chosen_id": f"c{pair_id}", "rejected_id": f"r{pair_id}", "group_id": "g"}
    facts = {"modality": "text", "criterion": "overall", "label_source": "human", "flipped": False}
    return {"source": source, "source_order": order, "pair_id": pair_id, **ids, **facts, **columns}
