"""UKPConvArg1Strict: which of two arguments from a debate portal is more convincing, by crowd workers.

11,650 pairs on 16 topics with two stances each, ties removed by the authors.
https://github.com/UKPLab/acl2016-convincing-arguments, CC BY 4.0. The files are separated by tabs though named
.csv, and quote nothing. Topic and stance stand in the file's name only, so the prompt is made from it; line
breaks are "<br/>".
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from pairs.errors import BadRow, shown
from pairs.schema import Pair
from sources._source import Row, Source

source = Source(
    repo="github:UKPLab/acl2016-convincing-arguments",
    revision=None,
    folder="data/UKPConvArg1Strict-CSV",
    files={"train": ("*.csv",)},
    format="tsv",
    licence="CC-BY-4.0",
    label_source="human",
    citation="Habernal and Gurevych 2016, ACL",
    example={
        "#id": "arg1_arg2",
        "label": "a2",
        "a1": "Trams are nice.",
        "a2": "Trams carry more people than cars on the same road.<br/>They need no parking.",
        "_file": "should-towns-build-trams-_yes.csv",
    },
)


def pairs(row: Row) -> Iterator[Pair]:
    if row["label"] not in ("a1", "a2"):
        raise BadRow("label_not_known", f"label is {shown(row['label'])}, expected a1 or a2")
    chosen, rejected = ("a1", "a2") if row["label"] == "a1" else ("a2", "a1")
    topic, _, stance = PurePosixPath(row["_file"]).stem.replace("-", " ").partition("_")
    yield Pair(
        prompt=f'The debate is "{topic.strip()}". Argue convincingly for the side "{stance.strip()}".',
        chosen=row[chosen].replace("<br/>", "\n"),
        rejected=row[rejected].replace("<br/>", "\n"),
        criterion="convincingness",
        category=topic.strip(),
        language="en",
        extra={"id": row["#id"]},
    )
