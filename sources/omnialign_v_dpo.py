"""OmniAlign-V-DPO: open questions about pictures; a strong model's answer against the worst of a weak one's.

Some 133,000 rows in six files by kind of task. https://huggingface.co/datasets/PhoenixZ/OmniAlign-V-DPO; the
card states no licence. Chosen is always the OmniAlign-V answer, rejected the sample of a LLaVA-Next baseline that
a language model judged worst: style tells the sides apart. No row has been seen: the columns are those of the
publishers' loader, with `prompt` or `question` and one or several pictures. Pictures
are read from images.tar (14 GB), or from a folder `images` beside the files; each reading process passes over the
headers of the archive once before its first row.
"""

from collections.abc import Iterator

from pairs.schema import Pair
from sources._source import Row, Source
from sources._turns import unmarked

source = Source(
    repo="PhoenixZ/OmniAlign-V-DPO",
    revision=None,
    files={"train": ("*.jsonl",)},
    media=("images.tar",),
    licence="not stated",
    label_source="constructed",
    modality="image",
    citation="Zhao et al. 2025, arXiv:2502.18411",
    optional=frozenset({"id", "prompt", "question"}),
    example={
        "id": "knowledge_17",
        "image": "knowledge/lighthouse_17.jpg",
        "prompt": "<image>\nWhy would someone build this here?",
        "chosen": "The rocks before the coast are hard to see at night; the light warns ships of them.",
        "rejected": "It is a tower by the sea.",
        "_file": "knowledge.jsonl",
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    yield Pair(
        prompt=unmarked(row.get("prompt") or row["question"]),
        chosen=row["chosen"],
        rejected=row["rejected"],
        images=row["image"] if isinstance(row["image"], list) else [row["image"]],
        category=row["_file"].rpartition("/")[2].partition(".")[0],
        extra={"id": row.get("id"), "image": row["image"]},
    )
