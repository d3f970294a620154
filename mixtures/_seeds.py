"""The table [rewards] of a mixture: which seed models judge its pairs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class LocalRecipe(BaseModel, extra="forbid", frozen=True):
    """A reward model that runs here: a folder, or an id on the hub with the commit `revision`. `max_length` in
    tokens of a completion with its prompt, `max_pixels` of a picture."""

    model: Annotated[str, Field(min_length=1)]
    revision: Annotated[str | None, Field(min_length=1)] = None
    max_length: Annotated[int, Field(ge=1)] | None = None
    max_pixels: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _embedded_takes_none(self) -> LocalRecipe:
        if self.model == "embedded" and self.options():
            raise ValueError("embedded takes no options; name it under models")
        return self

    def options(self) -> dict[str, Any]:
        """What was given of how the model is loaded."""
        return self.model_dump(exclude={"model"}, exclude_none=True)


class ServerRecipe(BaseModel, extra="forbid", frozen=True):
    """A reward model behind a server. `head` (a model's folder) is for vllm-pooling, `tokenizer` for
    sglang-classify, `votes` and `max_tokens` are for a judge; `key_env` names the variable that holds the key."""

    kind: Literal["vllm-classify", "vllm-pooling", "sglang-classify", "judge"]
    url: str
    model: str
    revision: str | None = None
    head: str | None = None
    tokenizer: str | None = None
    votes: Annotated[int, Field(ge=2, multiple_of=2)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    key_env: str | None = None
    timeout: _Positive | None = None
    concurrency: Annotated[int, Field(ge=1, le=1024)] | None = None
    tries: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _of_its_kind(self) -> ServerRecipe:
        own = {"vllm-pooling": {"head"}, "sglang-classify": {"tokenizer"}, "judge": {"votes", "max_tokens"}}
        strange = {"head", "tokenizer", "votes", "max_tokens"} - own.get(self.kind, set())
        for key in sorted(strange):
            if getattr(self, key) is not None:
                raise ValueError(f"a {self.kind} takes no {key}")
        if self.kind == "vllm-pooling" and self.head is None:
            raise ValueError("vllm-pooling needs head, the folder of the model whose head is applied")
        return self

    def options(self) -> dict[str, Any]:
        """What was given of how the model is asked."""
        return self.model_dump(include={"revision", "head", "tokenizer", "votes", "max_tokens"}, exclude_none=True)

    def patience(self) -> dict[str, Any]:
        """What was given of how the server is treated: it changes no reward."""
        return self.model_dump(include={"key_env", "timeout", "concurrency", "tries"}, exclude_none=True)


def _unset(value: object) -> bool:
    """Keys that came later leave the fingerprints of older recipes as they were."""
    return value is None or value == []


class RewardsRecipe(BaseModel, extra="forbid", frozen=True):
    """Which reward models judge the pairs: "embedded", or the path or hub id of a model; `models` names several,
    `local` those loaded in a way of their own. `min_trust`: a model says nothing where it agrees with fewer of a
    source's labels, or of the verified ones that `gold` holds there: a source of the recipe, or a file (.csv,
    .jsonl, .parquet) of `pair_id` and `right`."""

    model: str = "embedded"
    models: Annotated[list[str] | None, Field(min_length=1, exclude_if=_unset)] = None
    local: Annotated[list[LocalRecipe], Field(exclude_if=_unset)] = []
    servers: Annotated[list[ServerRecipe], Field(exclude_if=_unset)] = []
    min_trust: Annotated[float | None, Field(ge=0, le=1, exclude_if=_unset)] = None
    gold: Annotated[str | None, Field(min_length=1, exclude_if=_unset)] = None
    folds: Annotated[int, Field(ge=2)] = 5

    @model_validator(mode="after")
    def _one_list(self) -> RewardsRecipe:
        if self.models is not None and "model" in self.model_fields_set:
            raise ValueError("has both model and models; keep one")
        names = [*(self.models or ()), *(one.model for one in self.local)]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"names {name} twice")
        return self

    def here(self) -> list[LocalRecipe]:
        """The models that run here, in order: "embedded" when nothing else is named."""
        named = self.models
        if named is None:
            named = [] if (self.local or self.servers) and "model" not in self.model_fields_set else [self.model]
        return [*(LocalRecipe(model=name) for name in named), *self.local]
