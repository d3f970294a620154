"""The tables of a mixture's TOML and what each key may hold; `_recipe` reads them and checks them together."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from mixtures._seeds import RewardsRecipe
from pairs.schema import LABEL_SOURCES, MODALITIES

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=1)]
_Host = Annotated[str, Field(pattern=r"^[^/@\s]+$")]  # with its port, without "http://"
_Ratio = dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]]
# What the names in a table of allow and deny lists, or in a ratio, may be.
NAMES = {"label_sources": LABEL_SOURCES, "modalities": MODALITIES, "modality_ratio": MODALITIES}


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Lists(_Table):
    """Values of one column that may enter; `deny` wins over `allow`, no `allow` admits every value."""

    allow: Annotated[list[str], Field(min_length=1)] | None = None
    deny: list[str] = []

    @property
    def asked(self) -> bool:
        return self.allow is not None or bool(self.deny)


class Licences(Lists):
    """Licences as the pairs name them. `use` also drops what may not be used so, by the table in `_licences`."""

    use: Literal["commercial"] | None = None


class SourceRecipe(_Table):
    """How much of one source, and where its native files lie."""

    weight: _Positive | None = None
    cap: _Count | None = None
    max_copies: _Count | None = None  # instead of the mixture's
    path: str | None = None
    revision: Annotated[str, Field(min_length=1)] | None = None  # of its repository, instead of the source's own
    pictures: str | None = None  # where the pictures that rows name lie, when not beside the files
    open_urls: list[_Host] = []  # at which URLs of pictures in rows are opened
    splits: Annotated[list[str], Field(min_length=1)] | None = None
    limit: _Count | None = None
    admit_benchmark: bool = False  # a benchmark's pairs enter only by name: what is trained on cannot be tested on


class SearchRecipe(_Table):
    """How weights are searched for and rules are judged, on heads over frozen features."""

    method: Literal["surrogate", "bilevel"] = "surrogate"
    trials: _Count = 48  # surrogate: random mixtures, beside those of the source table
    seeds: _Count = 5  # trainings of each mixture
    held_out: list[str] = []  # sources that never train, beside the benchmarks
    trusted: list[str] = []  # sets that decide; none: all benchmarks and held-out sources
    features: str = "embedded"  # or "minilm", or the path or hub id of a transformers model
    trial_pairs: _Count = 8_000  # a trial trains on so many
    source_pairs: _Count = 20_000  # of one source are looked at, at most


class Top(_Table):
    """The keys outside `[sources]`, `[rules]` and `[train]`."""

    seed: int = 17
    size: _Count | None = None
    max_copies: _Count | None = None
    temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    modality_ratio: _Ratio | None = None
    category_ratio: _Ratio | None = None
    splits: dict[str, Annotated[float, Field(gt=0, lt=1)]] = {}
    modalities: Lists = Lists()
    label_sources: Lists = Lists()
    licences: Licences = Licences()
    rewards: RewardsRecipe = RewardsRecipe()
    search: SearchRecipe = SearchRecipe()
    text_model: Annotated[str, Field(min_length=1)] | None = None
