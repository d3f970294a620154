"""One native row -> values of pairs and findings. The only place that catches what an adapter raises."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Protocol

from pairs.errors import BadRow, SetAside, shown
from pairs.schema import Known, Medium, Pair, canonical_values
from sources._source import PairsOf, Row, Source

_REMEMBERED = 256  # pictures; rows that share one mostly follow each other
# What plain code raises on a row of another shape than it was written for.
_SHAPES = (TypeError, ValueError, AttributeError, LookupError, RecursionError)


class Finder(Protocol):
    def read(self, value: bytes | str) -> bytes:
        """The bytes behind what a row gave for a picture; `BadRow` when there are none."""


class Converter:
    def __init__(self, source: Source, pairs_of: PairsOf, finder: Finder) -> None:
        self._source = source
        self._pairs_of = pairs_of
        self._finder = finder
        self._mark_is_text = source.modality == "text"
        self._checked: OrderedDict[bytes, Medium] = OrderedDict()

    def row(
        self, row: Row | BadRow, split: str, place: str, file: str
    ) -> tuple[list[tuple[Any, ...]], list[BadRow], list[Medium]]:
        """What one native row becomes: its pairs as values of `RECORD`, findings, media of the pairs."""
        records: list[tuple[Any, ...]] = []
        findings: list[BadRow] = []
        media: list[Medium] = []
        items = self._items(row, file)
        known: Known | None = {} if len(items) > 1 else None
        for item in items:
            if isinstance(item, BadRow):
                findings.append(item)
                continue
            try:
                if item.images or item.chosen_images or item.rejected_images:
                    values = self._pictured(item, media, known)
                else:
                    values = canonical_values(item, (), (), (), known, mark_is_text=self._mark_is_text)
            except BadRow as bad:
                findings.append(bad)
            except _SHAPES as error:
                findings.append(_wrong_shape(error))
            else:
                label_source = item.label_source or self._source.label_source
                records.append((*values, split, place, label_source, item.licence or self._source.licence))
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

    def _pictured(self, pair: Pair, media: list[Medium], known: Known | None) -> tuple[Any, ...]:
        sides = [
            [self._medium(value) for value in images]
            for images in (pair.images, pair.chosen_images, pair.rejected_images)
        ]
        values = canonical_values(pair, *([medium.media_id for medium in side] for side in sides), known)
        for side in sides:
            media += side
        return values

    def _medium(self, value: object) -> Medium:
        if not isinstance(value, bytes | str):
            raise BadRow("image_not_bytes", f"a picture is {shown(value)}, expected bytes or a relative path")
        data = self._finder.read(value)
        medium = self._checked.get(data)
        if medium is None:
            from pairs.media import check_image  # with PIL and numpy, which texts can do without

            medium = self._checked[data] = check_image(data)
            if len(self._checked) > _REMEMBERED:
                self._checked.popitem(last=False)
        return medium


def _wrong_shape(error: Exception) -> BadRow:
    return BadRow("wrong_shape", f"{type(error).__name__}: {str(error)[:160]}")
