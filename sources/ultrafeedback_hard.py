"""UltraFeedback, one pair per instruction: the two completions that lie furthest apart.

63,967 instructions of https://huggingface.co/datasets/openbmb/UltraFeedback, MIT; the rows are those of the
source `ultrafeedback`, and so is the score. This is the subset that BaseReward calls Ultra-Hard; that its
authors took the same score is not verified. Of several pairs with the widest gap the first stands. The narrower
pairs are no findings: they belong to `ultrafeedback`, of whose pairs these are a part.
"""

from collections.abc import Iterator

from pairs.errors import SetAside
from pairs.schema import Pair
from sources import ultrafeedback
from sources._source import Row
from sources.ultrafeedback import pairs as every_pair

source = ultrafeedback.source


def pairs(row: Row) -> Iterator[Pair | SetAside]:
    found = list(every_pair(row))
    offered = [item for item in found if isinstance(item, Pair)]
    if offered:
        yield max(offered, key=lambda pair: pair.source_margin or 0.0)
    else:
        yield from found
