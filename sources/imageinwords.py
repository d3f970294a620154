"""ImageInWords: photos described by people with a model's help, against a fine-tuned model, on five scales.

400 photos, of which 100 were compared. https://github.com/google/imageinwords (datasets/IIW-400), CC BY 4.0. A
verdict is a word: which side is substantially or marginally better, or Neutral; each scale is a criterion of its
own. The comparison with GPT-4V is not read, for its texts are not in the file. The photos come from elsewhere
(Open Images by their keys) and must lie in a folder or archive `images`: which extension they have there is not
verified, .jpg is taken.
"""

from collections.abc import Iterator

from pairs.errors import BadRow, SetAside, shown
from pairs.schema import Pair
from sources._source import Row, Source

_SCALES = {
    "metrics/Comprehensiveness": "comprehensiveness",
    "metrics/Specificity": "specificity",
    "metrics/Hallucination": "faithfulness",
    "metrics/First few line(s) as tldr": "opening",
    "metrics/Human Like": "fluency",
}

source = Source(
    repo="github:google/imageinwords",
    revision=None,
    folder="datasets/IIW-400",
    files={"train": ("data.jsonl",)},
    media=("images", "images.zip"),
    licence="CC-BY-4.0",
    label_source="human",
    modality="image",
    optional=frozenset({"IIW-P5B", "iiw-human-sxs-iiw-p5b", "iiw-human-sxs-gpt4v", "objects"}),
    citation="Garg et al. 2024, arXiv:2405.02793",
    example={
        "image/key": "aar_test_04711",
        "IIW": "A red kite with two short tails flies above a dune of pale sand; its string leaves the picture.",
        "IIW-P5B": "A kite is in the sky.",
        "iiw-human-sxs-iiw-p5b": {
            "metrics/Comprehensiveness": "IIW-Human is substantially better",
            "metrics/Specificity": "IIW-Human is marginally better",
            "metrics/Hallucination": "Neutral",
            "metrics/First few line(s) as tldr": "IIW-P5B is marginally better",
            "metrics/Human Like": "IIW-Human is marginally better",
        },
    },
)

_SIDES = {"IIW-Human": ("IIW", "IIW-P5B"), "IIW-P5B": ("IIW-P5B", "IIW")}
_MARGINS = {"marginally": 1.0, "substantially": 2.0}


def pairs(row: Row) -> Iterator[Pair | SetAside]:
    verdicts = row.get("iiw-human-sxs-iiw-p5b")
    if verdicts is None:
        raise SetAside("not_compared", "nobody compared the descriptions")
    for scale, verdict in verdicts.items():
        if scale not in _SCALES:
            raise BadRow("scale_not_known", f"{shown(scale)}, expected one of {', '.join(_SCALES)}")
        if verdict == "Neutral":
            yield SetAside("tie", f"{scale} is Neutral")
            continue
        chosen, rejected, margin = _read(verdict)
        yield Pair(
            prompt="Describe the picture in detail.",
            chosen=row[chosen],
            rejected=row[rejected],
            images=[f"images/{row['image/key']}.jpg"],
            criterion=_SCALES[scale],
            source_margin=margin,
            extra={"group": row["image/key"]},
        )


def _read(verdict: object) -> tuple[str, str, float]:
    words = verdict.split() if isinstance(verdict, str) else []
    if len(words) != 4 or words[0] not in _SIDES or words[2] not in _MARGINS or words[1::2] != ["is", "better"]:
        raise BadRow("verdict_not_known", f"{shown(verdict)}, expected Neutral or which side is how much better")
    return *_SIDES[words[0]], _MARGINS[words[2]]
