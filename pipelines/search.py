"""The search for weights: a source table, random mixtures, a surrogate, a proposal, and its confirmation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mixtures._recipe import SearchRecipe
from mixtures._search import Surrogate, drawn, landmarks, propose
from pairs.errors import PrefmillError
from pipelines.trials import Parts, Pool, by_set, cut, judge, labelled, mixed, outcomes
from rewards.bilevel import mean_weights
from rewards.compare import accuracy, difference
from rewards.heads import HeadsSettings

_FRESH = 1_000  # seeds of the confirmation begin here: no head of it was seen before


@dataclass(frozen=True)
class Found:
    """What a search found. `sources` train; `sets` are judged on and `trusted` among them decide.

    `path` float64 [steps, sources] are the weights as `bilevel` learned them; `predicted` is empty then.

    `tried` names the mixtures, `proportions` float64 [mixtures, sources] and `accuracies` float64 [mixtures, sets]
    are theirs, `measured` and `predicted` float64 [mixtures] the results on the trusted sets and what the
    surrogate makes of each from all others. `confirmed` has for each rival the difference of accuracy on pairs
    that decided nothing, with its 95 % interval.
    """

    sources: list[str]
    sets: list[str]
    trusted: list[str]
    tried: list[str]
    proportions: np.ndarray
    accuracies: np.ndarray
    measured: np.ndarray
    predicted: np.ndarray
    path: np.ndarray
    proposal: np.ndarray
    confirmed: dict[str, tuple[float, float, float]]
    accuracy: dict[str, float]  # of the proposal and its rivals, on the confirming pairs

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        lists = {name: value.tolist() for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return {**vars(self), **lists}


def search(pool: Pool, settings: SearchRecipe, seed: int, heads: HeadsSettings | None = None) -> Found:
    """Try mixtures of the pool's sources and propose one.

    Raises `PrefmillError` when there is no set to decide by, or fewer than two sources to weigh.
    """
    heads = replace(heads or HeadsSettings(), seed=seed)
    parts = cut(pool, seed)
    names = list(parts.train)
    sets = [*pool.sources(True), *names]
    trusted = settings.trusted or pool.sources(True)
    if len(names) < 2:
        raise PrefmillError(f"a search weighs sources against each other; only {', '.join(names)} can train")
    if not trusted:
        raise PrefmillError(
            "a search needs sets that decide: name sources in [search] trusted or held_out, or add a benchmark"
        )
    marks = landmarks({name: len(places) for name, places in parts.train.items()})
    count = settings.trials if settings.method == "surrogate" else 0
    tried = [*marks, *(f"trial {number}" for number in range(1, count + 1))]
    proportions = np.concatenate([np.array(list(marks.values())), drawn(len(names), count, seed)])
    rows = np.concatenate([parts.measure, parts.confirm])
    right = _trained(pool, parts, proportions, rows, settings, heads)
    deciding = np.arange(len(rows)) < len(parts.measure)
    measured = np.array(
        [
            accuracy(outcomes(pool, right[:, place, deciding], parts.measure, trusted))
            for place in range(len(tried))
        ]
    )
    path = np.zeros((0, len(names)))
    predicted = np.zeros(0)
    if settings.method == "bilevel":
        path = _learned(pool, parts, trusted, settings, heads)
        proposal = path[len(path) // 2 :].mean(axis=0)
    else:
        surrogate = Surrogate.fitted(proportions, measured)
        best = [proportions[place] for place in np.argsort(-measured, kind="stable")[:4]]
        proposal, predicted = propose(surrogate, best, seed), surrogate.left_out(measured)
    rivals = _rivals(marks, dict(zip(tried, measured, strict=True)))
    confirmed, reached = _confirm(pool, parts, {"proposal": proposal, **rivals}, trusted, settings, heads)
    table = np.array([by_set(pool, right[:, place], rows, sets) for place in range(len(tried))])
    return Found(
        names, sets, trusted, tried, proportions, table, measured, predicted, path, proposal, confirmed, reached,
    )  # fmt: skip


def _learned(
    pool: Pool, parts: Parts, trusted: list[str], settings: SearchRecipe, heads: HeadsSettings
) -> np.ndarray:
    """The weights that the deciding pairs of the trusted sets teach, [steps, sources]."""
    deciding = parts.measure[np.isin(pool.table["source"].to_numpy()[parts.measure], trusted)]
    sources = {name: labelled(pool, places) for name, places in parts.train.items()}
    return mean_weights(pool.pairs, sources, labelled(pool, deciding), heads, settings.seeds)


def _trained(
    pool: Pool,
    parts: Parts,
    proportions: np.ndarray,
    rows: np.ndarray,
    settings: SearchRecipe,
    heads: HeadsSettings,
) -> np.ndarray:
    """How heads on these mixtures judge `rows`: [seeds, mixtures, rows]."""
    right = []
    for number in range(settings.seeds):
        seed = heads.seed + number
        sets = [mixed(pool, parts, shares, settings.trial_pairs, seed) for shares in proportions]
        right.append(judge(pool, parts, sets, rows, replace(heads, seed=seed)))
    return np.stack(right)


def _rivals(marks: dict[str, np.ndarray], measured: dict[str, float]) -> dict[str, np.ndarray]:
    single = max((name for name in marks if name.startswith("only ")), key=lambda name: measured[name])
    return {name: marks[name] for name in ("uniform", "proportional", single)}


def _confirm(
    pool: Pool, parts: Parts, mixtures: dict[str, np.ndarray], trusted: list[str], settings: SearchRecipe,
    heads: HeadsSettings,
) -> tuple[dict[str, tuple[float, float, float]], dict[str, float]]:  # fmt: skip
    """The first mixture against the others with heads of new seeds, on pairs that had no part in choosing it."""
    heads = replace(heads, seed=heads.seed + _FRESH)
    right = _trained(pool, parts, np.array(list(mixtures.values())), parts.confirm, settings, heads)
    found = {name: outcomes(pool, right[:, place], parts.confirm, trusted) for place, name in enumerate(mixtures)}
    first = next(iter(found.values()))
    against = {name: difference(first, one) for name, one in list(found.items())[1:]}
    return against, {name: accuracy(one) for name, one in found.items()}
