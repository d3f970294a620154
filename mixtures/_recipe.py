"""A mixture's TOML -> a checked `Recipe`. What cannot be meant is an error that names the nearest right key."""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import os
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from mixtures import _licences
from mixtures._recipe_tables import NAMES, Licences, Lists, SearchRecipe, SourceRecipe, Top
from mixtures._seeds import RewardsRecipe
from pairs.errors import RecipeError, shown

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_SPLIT = re.compile(r"[a-z][a-z0-9_]*")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class Recipe:
    """A checked mixture. Sources and rules are in the order of the file; paths have their variables filled in.

    `fingerprint` is a hash of what the file means, defaults included: comments, white space and the values of
    variables leave it as it is.
    """

    name: str
    text: str
    fingerprint: str
    seed: int
    size: int | None
    max_copies: int | None
    temperature: float
    modality_ratio: Mapping[str, float] | None
    category_ratio: Mapping[str, float] | None
    splits: Mapping[str, float]
    modalities: Lists
    label_sources: Lists
    licences: Licences
    sources: Mapping[str, SourceRecipe]
    rules: Mapping[str, BaseModel]
    rewards: RewardsRecipe
    search: SearchRecipe
    text_model: str | None
    train: BaseModel


def load_recipe(
    path: str | os.PathLike[str],
    *,
    rules: Mapping[str, type[BaseModel]],
    sources: Collection[str],
    train: type[BaseModel],
    is_benchmark: Callable[[str], bool] | None = None,
) -> Recipe:
    """Read the mixture at `path`; `rules`, `sources` and `train` say what its tables may hold, `is_benchmark` what
    a rule may be `against` (None: any source).

    Raises `RecipeError` with one line for each thing that is wrong.
    """
    file = Path(path)
    text, table = _parse(file)
    reader = _Reader(str(path))
    if not _NAME.fullmatch(file.stem) or file.stem == "text" or file.stem.endswith("-text"):
        reader.wrong(
            f"the mixture is named like its file: expected a name like {_NAME.pattern}, not 'text' nor one "
            "that ends in '-text': views without pictures have such names"
        )
    source_tables = reader.tables(table, "sources", sources)
    rule_tables = reader.tables(table, "rules", rules)
    read_train = reader.validate(train, table.pop("train", {}), "train")
    top = reader.validate(Top, table, "", tables=("sources", "rules", "train"))
    read_sources = {
        name: reader.validate(SourceRecipe, below, f"sources.{name}") for name, below in source_tables.items()
    }
    read_rules = {
        name: reader.validate(rules[name], below, f"rules.{name}") for name, below in rule_tables.items()
    }
    reader.stop()
    reader.check_meaning(top, read_sources, is_benchmark)
    reader.check_order(read_rules)
    reader.check_named_sources(read_rules, read_sources, is_benchmark)
    filled = {name: reader.fill(name, source) for name, source in read_sources.items()}
    reader.stop()
    return Recipe(
        name=file.stem,
        text=text,
        fingerprint=_fingerprint(top, read_sources, read_rules, read_train),
        sources=filled,
        rules=read_rules,
        train=read_train,
        **{name: getattr(top, name) for name in type(top).model_fields},
    )


def _parse(file: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = file.read_text("utf-8")
        return text, tomllib.loads(text)
    except OSError as error:
        raise RecipeError(f"{file}: {error.strerror}; expected a mixture's TOML file") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{file}: not TOML: {error}") from None


class _Reader:
    """Collects what is wrong with one file, so that one run shows all of it."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._problems: list[str] = []
        self._unset: set[str] = set()

    def wrong(self, problem: str) -> None:
        self._problems.append(f"{self._file}: {problem}")

    def stop(self) -> None:
        if self._problems:
            raise RecipeError("\n".join(self._problems))

    def tables(self, table: dict[str, Any], kind: str, known: Collection[str]) -> dict[str, dict[str, Any]]:
        """The tables `[kind.<name>]` whose names are known, in the order of the file."""
        found = table.pop(kind, {})
        if not isinstance(found, dict):
            self.wrong(f"{kind} is {shown(found)}, expected tables [{kind}.<name>]")
            return {}
        for name in found:
            if name not in known:
                self.wrong(f"[{kind}.{name}]: no {kind[:-1]} {name!r}{_nearest(name, known)}")
        return {name: below for name, below in found.items() if name in known}

    def validate(self, model: type[_Model], table: object, where: str, tables: Collection[str] = ()) -> _Model:
        """`table` as a `model`; what does not fit is noted, and an empty model returned until `stop`."""
        if not isinstance(table, dict):
            self.wrong(f"{where} is {shown(table)}, expected a table [{where}]")
            return model.model_construct()
        try:
            # Strict JSON is what TOML can say: no number hidden in a text, but lists that fill tuples.
            return model.model_validate_json(json.dumps(table, default=str), strict=True)
        except ValidationError as error:
            for found in error.errors(include_url=False):
                self._note(found, model, where, tables)
            return model.model_construct()

    def _note(self, found: Any, model: type[BaseModel], where: str, tables: Collection[str]) -> None:
        *above, key = [str(part) for part in found["loc"]] or [""]
        place = ".".join(filter(None, [where, *above]))
        table = f"[{place}]" if place else "the top level"
        if found["type"] == "extra_forbidden":
            known = [*_fields(model, above), *([] if above else tables)]
            self.wrong(f"{table} has no key {key!r}{_nearest(key, known)}")
        elif found["type"] == "missing":
            self.wrong(f"{table} lacks the key {key!r}")
        else:
            name = ".".join(filter(None, [place, key])) or "a table"
            self.wrong(f"{name} is {shown(found['input'])}: {found['msg'][:1].lower()}{found['msg'][1:]}")

    def check_meaning(
        self, top: Top, sources: Mapping[str, SourceRecipe], is_benchmark: Callable[[str], bool] | None
    ) -> None:
        """Values that are sound each for itself but not together."""
        if not sources:
            self.wrong("names no source; expected at least one table [sources.<name>]")
        for split in top.splits:
            if split == "train" or not _SPLIT.fullmatch(split):
                self.wrong(f"splits.{split}: expected a name like {_SPLIT.pattern}; train is what others leave")
        if math.fsum(top.splits.values()) >= 1:
            self.wrong(f"splits add up to {math.fsum(top.splits.values()):g}, which leaves nothing for train")
        for key, ratio in (("modality_ratio", top.modality_ratio), ("category_ratio", top.category_ratio)):
            if ratio is not None and not any(ratio.values()):
                self.wrong(f"{key} has no number above 0, so nothing would be left")
        for name, source in sources.items():
            if source.path is not None and source.revision is not None:
                self.wrong(
                    f"sources.{name} has a path and a revision, which only its repository has: take one out"
                )
        self._check_names(top)
        if top.search.method == "bilevel" and not top.search.trusted:
            self.wrong("search.method 'bilevel' learns weights against trusted sets; name them in search.trusted")
        for name in [*top.search.held_out, *top.search.trusted]:
            if name not in sources:
                self.wrong(f"[search] names {name!r}, which is no source of this file{_nearest(name, sources)}")
        self._check_weights(sources, is_benchmark)

    def _check_weights(
        self, sources: Mapping[str, SourceRecipe], is_benchmark: Callable[[str], bool] | None
    ) -> None:
        """The sources without a weight get a share; benchmarks that are only compared with need none."""
        bare = [
            name
            for name, source in sources.items()
            if source.weight is None and (source.admit_benchmark or not (is_benchmark and is_benchmark(name)))
        ]
        whole = math.fsum(source.weight or 0.0 for source in sources.values())
        if bare and whole >= 1:
            self.wrong(
                f"weights add up to {whole:g} and leave no share to the sources without one; "
                "give every source a weight, or let the given ones add up to less than 1"
            )

    def _check_names(self, top: Top) -> None:
        """Names of modalities, label sources and licences: those that prefmill knows."""
        for name in top.modality_ratio or ():
            if name not in NAMES["modality_ratio"]:
                self.wrong(f"modality_ratio has no modality {name!r}{_nearest(name, NAMES['modality_ratio'])}")
        for key, lists in (("modalities", top.modalities), ("label_sources", top.label_sources)):
            for name in [*(lists.allow or ()), *lists.deny]:
                if name not in NAMES[key]:
                    self.wrong(f"{key} names {name!r}, which no pair has{_nearest(name, NAMES[key])}")
        if top.licences.use:
            for name in sorted(_licences.OTHER.intersection(top.licences.allow or ())):
                self.wrong(
                    f"licences.allow names {name!r}, but licences.use is 'commercial'; take one of them out"
                )

    def check_order(self, rules: Mapping[str, BaseModel]) -> None:
        """Rules that compare labels as the sources wrote them cannot see what a rule before them has flipped."""
        flips = ""
        for rule, params in rules.items():
            if flips and getattr(params, "before_flips", False):
                self.wrong(
                    f"[rules.{rule}] compares labels as the sources wrote them, but comes after [rules.{flips}], "
                    "which flips some: write it before"
                )
            if getattr(params, "policy", None) == "flip":
                flips = rule

    def check_named_sources(
        self, rules: Mapping[str, BaseModel], sources: Collection[str], is_benchmark: Callable[[str], bool] | None
    ) -> None:
        """A rule that names a source the recipe lacks, or is against no benchmark, would decide nothing."""
        for rule, params in rules.items():
            for key in ("against", "priority"):
                for name in getattr(params, key, ()):
                    if name not in sources:
                        self.wrong(f"rules.{rule}.{key} names no source {name!r}{_nearest(name, sources)}")
                    elif key == "against" and is_benchmark and not is_benchmark(name):
                        others = list(filter(is_benchmark, sources))
                        of = _nearest(name, others) or "; this file lists no benchmark"
                        self.wrong(f"rules.{rule}.against names {name!r}, which is no benchmark{of}")

    def fill(self, name: str, source: SourceRecipe) -> SourceRecipe:
        """The source with `${VARIABLE}`s of its places replaced from the environment."""
        places = {key: value for key in ("path", "pictures") if (value := getattr(source, key)) is not None}
        for key, place in places.items():
            for variable in _VARIABLE.findall(place):
                if not os.environ.get(variable) and variable not in self._unset:
                    self._unset.add(variable)  # one line for each, however many sources lie there
                    self.wrong(
                        f"sources.{name}.{key} needs the environment variable {variable}: set it to the folder of "
                        f"the source's files, which sources/{name}.* describes, or take the table "
                        f"[sources.{name}] out"
                    )
            places[key] = _VARIABLE.sub(lambda match: os.environ.get(match[1], ""), place)
        return source.model_copy(update=places)


def _fields(model: type[BaseModel], above: list[str]) -> list[str]:
    for name in above:
        field = model.model_fields.get(name)
        below = field.annotation if field else None
        if not (isinstance(below, type) and issubclass(below, BaseModel)):
            return []
        model = below
    return list(model.model_fields)


def _nearest(key: str, known: Collection[str]) -> str:
    if not known:
        return ""
    near = difflib.get_close_matches(key.lower(), known, n=1, cutoff=0.5)
    return (f"; did you mean {near[0]!r}?" if near else "") + f" (known: {', '.join(known)})"


def _fingerprint(
    top: Top, sources: Mapping[str, SourceRecipe], rules: Mapping[str, BaseModel], train: BaseModel
) -> str:
    # Lists of pairs, because the order of sources, rules and splits has a meaning.
    meaning = [
        # A search changes nothing of the mixture that it starts from, nor does a model beside the trained one.
        list(top.model_dump(mode="json", exclude={"splits", "search", "text_model"}).items()),
        list(top.splits.items()),
        [[name, source.model_dump(mode="json")] for name, source in sources.items()],
        [[name, rule.model_dump(mode="json")] for name, rule in rules.items()],
        train.model_dump(mode="json"),
    ]
    return hashlib.blake2b(json.dumps(meaning, sort_keys=True).encode(), digest_size=16).hexdigest()
