"""The kinds of official metrics: pairs, groups that must be wholly right, one right answer among many, styles.

Each kind turns judged pairs into `Entries` and their cells into figures, of which the first is the headline.
Judged pairs are a frame with source_split, prompt_id, category, language, extra (JSON), and chosen and rejected
(the rewards, float64, finite).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, product
from typing import Any, Literal, Protocol

import numpy as np
import polars as pl

from rewards._cells import Cells, Entries, Figures, mean_of

Ties = Literal["wrong", "half", "label", "out"]


_BESIDE = "\t"  # what is shown beside the averages, in a cell of its own
_DIFFER = f"{_BESIDE}differ"


class Metric(Protocol):
    @property
    def sizes(self) -> Mapping[str, int]:
        """Rows of the whole benchmark in each part that the headline is over, 0 where their number is not known;
        empty where no part is. What is there is counted by `held`, and what is short of it is said."""
        ...

    @property
    def unit(self) -> pl.Expr:
        """What a row of the benchmark is: all its pairs are measured, or none, and are clean or contaminated as
        one. String."""
        ...

    def held(self, rows: pl.DataFrame) -> dict[str, int]: ...

    def entries(self, judged: pl.DataFrame) -> Entries: ...

    def figures(self, cells: Cells) -> Figures: ...


def noted(key: str) -> pl.Expr:
    """A native field that the source keeps in `extra`, as text."""
    return pl.col("extra").str.json_path_match(f"$.{key}")


def numbers(rows: pl.DataFrame, part: pl.Expr, unit: pl.Expr | None = None) -> dict[str, int]:
    """How many rows there are of each part, those of one unit counted once."""
    counted = rows.select(part=part.cast(pl.String), unit=pl.int_range(pl.len()) if unit is None else unit)
    return dict(counted.drop_nulls().group_by("part").agg(pl.col("unit").n_unique()).sort("part").iter_rows())


def right(
    judged: pl.DataFrame, ties: Ties, tie_is_right: pl.Expr | None = None, tie_within: float = 0.0
) -> np.ndarray:
    """1 where chosen has more reward, 0 where rejected has, float64 [pairs]; rewards that differ by `tie_within`
    at most as `ties` says: wrong, half, right where `tie_is_right` (a decision that falls to one side, whatever
    the label), or NaN for a pair that is to be left out."""
    difference = (judged["chosen"] - judged["rejected"]).to_numpy()
    tied = np.abs(difference) <= tie_within
    won = (difference > 0).astype(np.float64)
    won[tied] = {"half": 0.5, "out": np.nan}.get(ties, 0.0)
    if ties == "label" and tie_is_right is not None:
        told = judged.select(tie_is_right.fill_null(False)).to_series().to_numpy()
        won[tied] = told[tied]
    return won


@dataclass(frozen=True)
class Pairs:
    """Accuracy over pairs, by cell and section.

    `sections` names the cells of each section; its figure counts each pair alike, or its cells by `weights`.
    `micro` is the share over all pairs, `macro` the plain mean of sections (of cells, where there are none). `per`
    is a column by whose values the whole is computed apart and then averaged, each of `per_size` pairs. `parts`
    splits cells further: shown beside, in no average. `sizes` are of cells, of all "pairs", or of the values of
    `per`. `ties` says what equal rewards of a scalar model count as, `judge_ties` an undecided judge of pairs;
    rewards are equal within `tie_within`. `without_ties` adds the share among pairs that are no ties.
    """

    headline: str = "micro"
    averages: tuple[str, ...] = ("micro",)
    ties: Ties = "wrong"
    judge_ties: Ties = "wrong"
    tie_is_right: pl.Expr | None = None
    tie_within: float = 0.0
    by: pl.Expr = field(default_factory=lambda: pl.col("category"))
    sections: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    parts: pl.Expr | None = None
    per: str | None = None
    per_size: int = 0
    without_ties: bool = False
    sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def unit(self) -> pl.Expr:
        return pl.col("prompt_id")

    def held(self, rows: pl.DataFrame) -> dict[str, int]:
        if not self.per:
            return {"pairs": rows.height, **numbers(rows, self.by)}
        whole = numbers(rows, pl.col(self.per))
        return {f"{self.per}s": len(whole), **whole}

    def entries(self, judged: pl.DataFrame) -> Entries:
        won = right(judged, self.ties, self.tie_is_right, self.tie_within)
        rows = judged.select(
            "prompt_id",
            cell=self.by.fill_null("other").cast(pl.String),
            part=self.parts if self.parts is not None else None,
        )
        cells, units = rows["cell"].to_list(), rows["prompt_id"].to_list()
        if self.per:
            cells = [f"{apart}\t{name}" for apart, name in zip(judged[self.per], cells, strict=True)]
        kept = [np.flatnonzero(~np.isnan(won))]
        names = [[cells[place] for place in kept[0]]]
        if self.parts is not None:
            kept.append(np.flatnonzero(~np.isnan(won) & rows["part"].is_not_null().to_numpy()))
            names.append([f"{_BESIDE}{cells[place]}: {rows['part'][int(place)]}" for place in kept[1]])
        if self.without_ties:
            kept.append(np.flatnonzero(~np.isnan(right(judged, "out", tie_within=self.tie_within))))
            names.append([_DIFFER] * len(kept[-1]))
        places = np.concatenate(kept)
        return Entries.of([units[place] for place in places], chain(*names), won[places])

    def figures(self, cells: Cells) -> Figures:
        if self.per:
            return self._per(cells)
        names = [name for name in cells.names if not name.startswith(_BESIDE)]
        found = self._sections(cells, "")
        averages = {"micro": cells.mean(*names), "macro": mean_of(found.values())}
        out = {name: averages[name] for name in self.averages} | found
        if self.without_ties:
            out["without ties"] = cells.mean(_DIFFER)
        out |= {name: cells.mean(name) for name in names if name not in out}
        beside = [name for name in cells.names if name.startswith(_BESIDE) and name != _DIFFER]
        out |= {name.removeprefix(_BESIDE): cells.mean(name) for name in beside}
        return {self.headline: out.pop(self.headline), **out}

    def _sections(self, cells: Cells, prefix: str) -> Figures:
        if not self.sections:
            return {name: cells.mean(name) for name in cells.names if not name.startswith(_BESIDE)}
        return {
            section: cells.weighted({prefix + name: self.weights[name] for name in names})
            if self.weights
            else cells.mean(*(prefix + name for name in names))
            for section, names in self.sections.items()
        }

    def _per(self, cells: Cells) -> Figures:
        keys = sorted({name.partition("\t")[0] for name in cells.names})
        means = {key: mean_of(self._sections(cells, f"{key}\t").values()) for key in keys}
        return {"macro": mean_of(means.values()), **means}


@dataclass(frozen=True)
class Groups:
    """Accuracy over pairs (`acc`), and over groups whose pairs are all right (`acc+`), each by category too."""

    sizes: Mapping[str, int] = field(default_factory=dict)
    ties: Ties = "wrong"

    @property
    def unit(self) -> pl.Expr:
        return noted("group")

    def held(self, rows: pl.DataFrame) -> dict[str, int]:
        return numbers(rows, pl.col("category"))

    def entries(self, judged: pl.DataFrame) -> Entries:
        rows = judged.select("category", group=self.unit).with_columns(won=pl.Series(right(judged, self.ties)))
        whole = rows.group_by("group", "category").agg(pl.col("won").min()).sort("group", "category")
        units = [*rows["group"], *whole["group"]]
        cells = [*rows["category"], *(f"{name} +" for name in whole["category"])]
        return Entries.of(units, cells, [*rows["won"], *whole["won"]])

    def figures(self, cells: Cells) -> Figures:
        single = [name for name in cells.names if not name.endswith(" +")]
        out = {"acc": cells.mean(*single), "acc+": cells.mean(*(f"{name} +" for name in single))}
        return out | {name: cells.mean(name) for name in cells.names}


def sides(judged: pl.DataFrame, row: pl.Expr) -> Iterator[tuple[dict[str, Any], np.ndarray, np.ndarray]]:
    """Each native row, which `row` names: what its source noted, the rewards of its right and of its wrong
    answers, each reward as often as its answer stands there."""
    for _, rows in judged.with_columns(row=row).group_by("row", maintain_order=True):
        facts = json.loads(rows["extra"][0]) | {"category": rows["category"][0]}
        found: dict[str, dict[str, tuple[float, int]]] = {"chosen": {}, "rejected": {}}
        for row in rows.iter_rows(named=True):
            extra = json.loads(row["extra"])
            for side, answers in found.items():
                places = extra.get(f"{side}_positions", extra.get(f"{side}_ids", [0]))
                answers[row[f"{side}_id"]] = (row[side], len(places))
        chosen, rejected = (
            np.array([reward for reward, times in found[side].values() for _ in range(times)])
            for side in ("chosen", "rejected")
        )
        yield facts, chosen, rejected


@dataclass(frozen=True)
class OneOfMany:
    """One right answer among many (RewardMATH): `strict` when it beats all others, `tolerant` when none beats it,
    `mrr` the reciprocal of its rank with equal rewards placed before it."""

    sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def unit(self) -> pl.Expr:
        return noted("group")

    def held(self, rows: pl.DataFrame) -> dict[str, int]:
        return {"problems": rows.select(self.unit).to_series().n_unique()}

    def entries(self, judged: pl.DataFrame) -> Entries:
        units, cells, values = [], [], []
        for facts, chosen, rejected in sides(judged, self.unit):
            reward = chosen[0]
            above, level = int((rejected > reward).sum()), int((rejected == reward).sum())
            found = {
                "strict": float(above + level == 0),
                "tolerant": float(above == 0),
                "mrr": 1 / (1 + above + level),
                f"strict: {facts['category']}": float(above + level == 0),
            }
            for name, value in found.items():
                units.append(facts["group"])
                cells.append(name)
                values.append(value)
        return Entries.of(units, cells, values)

    def figures(self, cells: Cells) -> Figures:
        return {"strict": cells.mean("strict"), **{name: cells.mean(name) for name in cells.names}}


@dataclass(frozen=True)
class Styles:
    """Three styles of a right answer against three of a wrong one (RM-Bench): per domain a 3 by 3 matrix of shares
    of prompts; normal is its diagonal, hard the cells above it (the plainer one is right), easy those below."""

    sizes: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(("chat", "math", "code", "safety"), 0))
    ties: Ties = "wrong"

    @property
    def unit(self) -> pl.Expr:
        return noted("group")

    def held(self, rows: pl.DataFrame) -> dict[str, int]:
        return numbers(rows, pl.col("category"), self.unit)

    def entries(self, judged: pl.DataFrame) -> Entries:
        rows = judged.select("category", "extra", group=self.unit).to_dicts()
        units, cells, values = [], [], []
        for row, won in zip(rows, right(judged, self.ties), strict=True):
            extra = json.loads(row["extra"])
            for i, j in product(extra["chosen_styles"], extra["rejected_styles"]):
                units.append(row["group"])
                cells.append(f"{row['category']} {i} {j}")
                values.append(won)
        return Entries.of(units, cells, values)

    def figures(self, cells: Cells) -> Figures:
        levels: dict[str, list[float]] = {"hard": [], "normal": [], "easy": []}
        domains: Figures = {}
        for domain in self.sizes:
            matrix = np.array([[cells.mean(f"{domain} {i} {j}") for j in range(3)] for i in range(3)])
            upper, lower = matrix[np.triu_indices(3, 1)], matrix[np.tril_indices(3, -1)]
            parts = (upper.mean(), np.diag(matrix).mean(), lower.mean())
            for level, value in zip(levels.values(), parts, strict=True):
                level.append(float(value))
            domains[domain] = float(np.mean(parts))
        return (
            {"macro": mean_of(domains.values())}
            | {name: mean_of(values) for name, values in levels.items()}
            | domains
        )
