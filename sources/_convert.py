"""One native row -> records of pairs and findings. The only place that catches what an adapter raises."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from pairs.errors import BadRow, SetAside, shown
from pairs.media import check_image
from pairs.schema import Medium, Pair, canonical_pair
from sources._media import MediaFinder
from sources._source import PairsOf, Row, Source

_REMEMBERED = 256  # pictures; rows that share one mostly follow each other
# What plain code raises on a row of another shape than it was written for.
_SHAPES = (TypeError, ValueError, AttributeError, LookupError, RecursionError)


class Converter:
    def __init__(self, name: str, source: Source, pairs_of: PairsOf, revision: str, finder: MediaFinder) -> None:
        self._source = source
        self._pairs_of = pairs_of
        self._finder = finder
        self._constant = {"source": name, "source_revision": revision, "role": source.role}
        self._checked: OrderedDict[bytes, Medium] = OrderedDict()

    def row(
        self, row: Row | BadRow, split: str, place: str, file: str
    ) -> tuple[list[dict[str, Any]], list[BadRow], list[Medium]]:
        """What one native row becomes: records of its pairs (columns of `PAIRS`), findings, media of the pairs."""
        records: list[dict[str, Any]] = []
        findings: list[BadRow] = []
        media: list[Medium] = []
        for item in self._items(row, file):
            if isinstance(item, BadRow):
                findings.append(item)
                continue
            try:
                records.append(self._record(item, split, place, media))
            except BadRow as bad:
                findings.append(bad)
            except _SHAPES as error:
                findings.append(_wrong_shape(error))
        return records, findings, media

    def _items(self, row: Row | BadRow, file: str) -> Sequence[Pair | BadRow]:
        if isinstance(row, BadRow):
            return [row]
        row["_file"] = file
        try:
            return list(self._pairs_of(row)) or [SetAside("no_pair", "the row holds no preference")]
        except BadRow as bad:
            return [bad]
        except KeyError as error:
            return [BadRow("missing_column", f"{shown(error.args[0])} is not in the row")]
        except _SHAPES as error:
            return [_wrong_shape(error)]

    def _record(self, pair: Pair, split: str, place: str, media: list[Medium]) -> dict[str, Any]:
        prompt = [self._medium(value) for value in pair.images]
        chosen = [self._medium(value) for value in pair.chosen_images]
        rejected = [self._medium(value) for value in pair.rejected_images]
        record = canonical_pair(
            pair,
            media_ids=[medium.media_id for medium in prompt],
            chosen_media_ids=[medium.media_id for medium in chosen],
            rejected_media_ids=[medium.media_id for medium in rejected],
        )
        media += prompt + chosen + rejected
        record.update(self._constant)
        record["source_split"] = split
        record["source_row"] = place
        record["label_source"] = pair.label_source or self._source.label_source
        record["licence"] = pair.licence or self._source.licence
        return record

    def _medium(self, value: object) -> Medium:
        if not isinstance(value, bytes | str):
            raise BadRow("image_not_bytes", f"a picture is {shown(value)}, expected bytes or a relative path")
        data = self._finder.read(value)
        medium = self._checked.get(data)
        if medium is None:
            medium = self._checked[data] = check_image(data)
            if len(self._checked) > _REMEMBERED:
                self._checked.popitem(last=False)
        return medium


def _wrong_shape(error: Exception) -> BadRow:
    return BadRow("wrong_shape", f"{type(error).__name__}: {str(error)[:160]}")
