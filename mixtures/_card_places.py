"""The card of a version as it stands elsewhere: above the folder of versions, beside other mixtures, on S3, on the
hub."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from mixtures._card import FRONT, LOADING, TAGS
from pairs.errors import PrefmillError


def at_top(card: str, version: str) -> str:
    """The card of a version as it stands above the folder `versions`."""
    head, end, body = card.partition("\n---\n")
    return (
        head.replace(FRONT, FRONT.replace("data/", f"versions/{version}/data/"))
        + end
        + body.replace("\n![](plots/", f"\n![](versions/{version}/plots/")
    )


def at_url(card: str, version: str, url: str) -> str:
    """The card of a version as it stands above the folder `versions` on S3, which `load_dataset` does not take."""
    calls = (
        f'import mixtures\n\nmixtures.load("{url}", split="train")\n'
        f'mixtures.load("{url}", split="train", streaming=True)\n'
        "\n# the same without prefmill\nfrom datasets import load_dataset\n\n"
        f'files = {{"train": "{url}/versions/{version}/data/train-*.parquet"}}\n'
        'load_dataset("parquet", data_files=files, storage_options={}, split="train", streaming=True)\n'
    )
    return _with_calls(at_top(card, version), calls)


def _with_calls(card: str, calls: str) -> str:
    before, _, after = card.partition(LOADING)
    return f"{before}{LOADING}{calls}```{after.partition('```')[2]}"


def for_hub(cards: Mapping[str, str], repo: str) -> str:
    """The card of a dataset repository that holds each mixture of `cards` (the cards of versions) in a folder.

    Each is a config under its name, its view without pictures one under `<name>-text`.
    """
    calls = "from datasets import load_dataset\n\n" + "".join(
        f'load_dataset("{repo}", "{name}", split="train", streaming=True)\n' for name in sorted(cards)
    )
    front = _front(cards, {name: name for name in cards}, repo)
    if len(cards) > 1:
        return front + _list(cards, repo.partition("/")[2], calls)
    ((name, card),) = cards.items()
    body = card.partition("\n---\n")[2]
    return front + _with_calls(body.replace("\n![](plots/", f"\n![](./{name}/plots/"), calls)


def for_folder(cards: Mapping[str, str], folders: Mapping[str, str], where: str) -> str:
    """The card of the folder `where` that holds each mixture of `cards` in a folder of its name, with the configs
    of `for_hub`; `folders` say where below `where` its newest version lies."""
    calls = f'from datasets import load_dataset\n\npath = "{where}"\n'
    if "://" in where:
        calls = "import mixtures\n\n"
    for name in sorted(cards):
        load = f'mixtures.load("{where}", config=' if "://" in where else "load_dataset(path, "
        calls += f'{load}"{name}", split="train")\n'
    return _front(cards, folders, where) + _list(cards, "Mixtures", calls)


def _front(cards: Mapping[str, str], folders: Mapping[str, str], where: str) -> str:
    """The YAML head: the configs of all mixtures, their licences together."""
    heads, licences = [], set()
    for name, card in sorted(cards.items()):
        head = card.partition("\n---\n")[0]
        configs, _, rest = head.removeprefix("---\nconfigs:\n").partition("\nlicense:\n")
        configs = configs.replace(FRONT, FRONT.replace("data/", f"{folders[name]}/data/"))
        configs = configs.replace('- config_name: "text"', f"- config_name: {json.dumps(f'{name}-text')}")
        heads.append(configs if len(cards) == 1 else configs.replace("\n  default: true", ""))
        licences |= set(rest.partition("\ntags:\n")[0].splitlines())
    names = re.findall(r"^- config_name: (.*)$", "\n".join(heads), re.MULTILINE)
    if len(set(names)) < len(names):
        raise PrefmillError(
            f"{where}: two of its configs would have one name: {', '.join(names)}; rename a mixture"
        )
    return "\n".join(["---", "configs:", *heads, "license:", *sorted(licences), *TAGS, "---", ""])


def _list(cards: Mapping[str, str], title: str, calls: str) -> str:
    first = {name: card.partition("\n---\n")[2].split("\n\n")[1] for name, card in sorted(cards.items())}
    lines = [f"- [{name}]({name}/README.md): {line.partition(' Made by ')[0]}" for name, line in first.items()]
    head = f"# {title}\n\nMixtures of preference pairs made by prefmill, each a config.\n"
    return "\n".join([head, *lines, "", f"{LOADING}{calls}```", ""])
