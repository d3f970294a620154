"""The search for weights: a source table, random mixtures, a surrogate, a proposal, and its confirmation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mixtures._recipe import SearchRecipe
from mixtures._search import Surrogate, drawn, landmarks, propose
from pairs.errors import PrefmillError
from pipelines.trials import Parts, Pool, by_set, cut, judge, labelled, mixed, outcomes
from rewards.bilevel import learn_weights
from rewards.compare import accuracy, difference
from rewards.heads import HeadsSettings

_NOTHING = 0.05  # of a uniform weight: a source that has learned less stays out
_FRESH = 1_000  # seeds of the confirmation begin here: no head of it was seen before


@dataclass(frozen=True)
class Tried:
    """Mixtures and what heads trained on them reached: `proportions` float64 [mixtures, sources], `accuracies`
    float64 [mixtures, sets], and `measured` float64 [mixtures], the result on the trusted sets."""

    names: list[str]
    proportions: np.ndarray
    accuracies: np.ndarray
    measured: np.ndarray


@dataclass(frozen=True)
class Found:
    """What a search found. `sources` train; `sets` are judged on and `trusted` among them decide.

    `tried`, `proportions`, `accuracies` and `measured` are those of `Tried`. `predicted` float64 [mixtures] is
    what the surrogate makes of each from all others, `path` float64 [steps, sources] are the weights as `bilevel`
    learned them: what the method does not make is empty. `confirmed` has for each rival the difference of
    accuracy on pairs that decided nothing, with its 95 % interval.
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
    """Try mixtures of the pool's sources and propose one; raises as `Ground`."""
    ground = Ground(pool, settings, seed, heads)
    return ground.found(ground.tried(settings.trials if settings.method == "surrogate" else 0), settings.method)


class Ground:
    """A pool cut for one search: what trains, what decides and what confirms.

    Raises `PrefmillError` when there is no set to decide by, or fewer than two sources to weigh.
    """

    def __init__(self, pool: Pool, settings: SearchRecipe, seed: int, heads: HeadsSettings | None = None) -> None:
        self._pool, self._settings, self._seed = pool, settings, seed
        self._heads = replace(heads or HeadsSettings(), seed=seed)
        self._parts = cut(pool, seed)
        self.sources = list(self._parts.train)
        self.sets = [*pool.sources(True), *self.sources]
        self.trusted = settings.trusted or pool.sources(True)
        self._marks = landmarks({name: len(places) for name, places in self._parts.train.items()})
        if len(self.sources) < 2:
            raise PrefmillError(
                f"a search weighs sources against each other; only {', '.join(self.sources)} can train"
            )
        if not self.trusted:
            raise PrefmillError(
                "a search needs sets that decide: name sources in [search] trusted or held_out, or add a benchmark"
            )

    def tried(self, trials: int) -> Tried:
        """The mixtures of the source table and so many random ones, measured."""
        names = [*self._marks, *(f"trial {number}" for number in range(1, trials + 1))]
        marks = np.array(list(self._marks.values()))
        proportions = np.concatenate([marks, drawn(len(self.sources), trials, self._seed)])
        return Tried(names, proportions, *self._measured(proportions))

    def _measured(self, proportions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What heads on these mixtures reach on each set, and on the deciding pairs of the trusted ones."""
        parts = self._parts
        rows = np.concatenate([parts.measure, parts.confirm])
        right = _trained(self._pool, parts, proportions, rows, self._settings, self._heads)
        deciding = right[:, :, : len(parts.measure)].swapaxes(0, 1)
        found = [outcomes(self._pool, one, parts.measure, self.trusted) for one in deciding]
        return by_set(self._pool, right.mean(axis=0), rows, self.sets), np.array([accuracy(one) for one in found])

    def found(self, tried: Tried, method: str) -> Found:
        """What the method "surrogate" or "bilevel" proposes, confirmed against its rivals."""
        predicted, path = np.zeros(0), np.zeros((0, len(self.sources)))
        if method == "bilevel":
            path = self._learned()
            proposal = np.where(path[-1] * len(self.sources) < _NOTHING, 0, path[-1])
            proposal /= proposal.sum()
        else:
            surrogate = Surrogate.fitted(tried.proportions, tried.measured)
            best = [tried.proportions[place] for place in np.argsort(-tried.measured, kind="stable")[:4]]
            proposal = self._earned(propose(surrogate, best, self._seed))
            predicted = surrogate.left_out(tried.measured)
        confirmed, reached = self._confirmed({"proposal": proposal, **self._rivals(tried)})
        return Found(
            self.sources, self.sets, self.trusted, tried.names, tried.proportions, tried.accuracies,
            tried.measured, predicted, path, proposal, confirmed, reached,
        )  # fmt: skip

    def _earned(self, proposal: np.ndarray) -> np.ndarray:
        """A proposal without the sources whose leaving is measured to cost nothing, one after the other: where
        mixtures hardly differ the surrogate may be wrong about one source."""
        while np.count_nonzero(proposal) > 1:
            fewer = [
                np.where(np.arange(len(proposal)) == place, 0, proposal) for place in np.flatnonzero(proposal)
            ]
            mixtures = np.array([proposal, *(one / one.sum() for one in fewer)])
            whole, *without = self._measured(mixtures)[1]
            if max(without) < whole:
                break
            proposal = mixtures[1 + int(np.argmax(without))]
        return proposal

    def _learned(self) -> np.ndarray:
        """The weights that the deciding pairs of the trusted sets teach, [steps, sources]."""
        pool, parts = self._pool, self._parts
        source = pool.table["source"].to_numpy()[parts.measure]
        trusted = [labelled(pool, parts.measure[source == name]) for name in self.trusted]
        sources = {name: labelled(pool, places) for name, places in parts.train.items()}
        return learn_weights(pool.pairs, sources, [one for one in trusted if len(one.rows)])

    def _rivals(self, tried: Tried) -> dict[str, np.ndarray]:
        measured = dict(zip(tried.names, tried.measured, strict=True))
        single = max((name for name in self._marks if name.startswith("only ")), key=lambda name: measured[name])
        return {name: self._marks[name] for name in ("uniform", "proportional", single)}

    def _confirmed(
        self, mixtures: Mapping[str, np.ndarray]
    ) -> tuple[dict[str, tuple[float, float, float]], dict[str, float]]:
        """The first mixture against the others, by heads of new seeds on pairs that had no part in choosing it."""
        heads, rows = replace(self._heads, seed=self._heads.seed + _FRESH), self._parts.confirm
        proportions = np.array(list(mixtures.values()))
        right = _trained(self._pool, self._parts, proportions, rows, self._settings, heads)
        found = {
            name: outcomes(self._pool, right[:, place], rows, self.trusted) for place, name in enumerate(mixtures)
        }
        first, *others = found
        against = {name: difference(found[first], found[name]) for name in others}
        return against, {name: accuracy(one) for name, one in found.items()}


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
