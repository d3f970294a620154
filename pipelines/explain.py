"""The life of a pair as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from pipelines import terminal
from pipelines.life import PICTURES, Life

_CHARS = 1_500  # of one message
_FACTS = ("label_source", "source_margin", "category", "language", "rationale", "reference")


def text(life: Life) -> str:
    """What `prefmill explain` prints: the pair, its sources, its rewards, its fate in each mixture."""
    if "versions" in life:
        return terminal.printable("\n".join(_gone(life)))
    lines = [*_pair(life), *_sources(life["sources"]), *_rewards(life["rewards"])]
    for mixture in life["mixtures"]:
        lines += _mixture(mixture)
    if not life["mixtures"]:
        lines += ["", "no mixture has been planned yet"]
    return terminal.printable("\n".join(lines))


def row_text(told: Life) -> str:
    """What `prefmill explain SOURCE FILE:ROW` prints: the pairs of a native row, and what was set aside."""
    lines = []
    for split in told["splits"]:
        lines.append(f"row {told['source_row']} of {told['source']}, split {split['split']}")
        for pair in split["pairs"]:
            asked = textwrap.shorten(pair["prompt"][-1]["content"], 60, placeholder=" …")
            lines.append(f"  pair {pair['pair_id']}  {pair['modality']}, {pair['criterion']}: {asked}")
        for one in split["aside"]:
            what = "the whole row" if one["whole_row"] else "part of it"
            lines.append(f"  {one['kind'].replace('_', ' ')}, {what}: {one['reason']}: {one['detail']}")
    return terminal.printable("\n".join(lines))


def _gone(told: Life) -> Iterator[str]:
    yield f"pair {told['pair_id']}"
    yield "  no longer in the store; published versions know it"
    for side, messages in (told["texts"] or {}).items():
        yield ""
        for place, message in enumerate(messages):
            said = message["content"] if side != "prompt" else f"[{message['role']}] {message['content']}"
            yield _message("" if place else side, said)
    for one in told["versions"]:
        yield f"\nmixture {one['mixture']}, version {one['version']} ({one['folder']})"
        for row in one["rows"]:
            where = f"{row['source_row']} of split {row['source_split']}, revision {row['source_revision']}"
            yield f"  source {row['source']}, native row {where}"
            copies = f", {row['copies']} copies" if row["copies"] > 1 else ""
            yield f"  split {row['split']}{copies}, published as {row['pair_id']}\n    data/{row['file']}"
        for line in one["rules"]:
            yield f"  {_rule({**line, 'by_sources': []})}, as a pair of {line['source']}"
        if not one["rows"]:
            yield "  not in the mixture"


def _pair(life: Life) -> Iterator[str]:
    yield f"pair {life['pair_id']}"
    yield f"  {life['modality']}, judged for {life['criterion']}"
    for title, ids in zip(("prompt", "chosen", "rejected"), PICTURES, strict=True):
        yield ""
        for place, message in enumerate(life[title]):
            said = message["content"] if title != "prompt" else f"[{message['role']}] {message['content']}"
            yield _message("" if place else title, said)
        for media_id in life[ids]:
            medium = life["media"].get(media_id)
            seen = terminal.picture(medium) if medium else "not in the store: ingest the source again"
            yield terminal.block("", f"{media_id}: {seen}", _CHARS)


def _message(title: str, said: str) -> str:
    """A message with its line ends, cut where it is long."""
    start, rest = f"  {title:<10}", max(0, len(said) - _CHARS)
    lines = said[:_CHARS].split("\n") + ([f"… ({rest:,} more characters; --json has them)"] if rest else [])
    wrapped = [part for line in lines for part in textwrap.wrap(line, terminal.width() - len(start)) or [""]]
    return "\n".join((start if not place else " " * len(start)) + part for place, part in enumerate(wrapped))


def _sources(rows: Sequence[Life]) -> Iterator[str]:
    for row in rows:
        yield f"\nsource {row['source']} ({row['home'] or 'its file is no longer there'})"
        place = f"{row['source_row']} of split {row['source_split']}"
        yield f"  native row  {place}, revision {row['source_revision']}"
        yield f"  licence     {row['licence']}, {row['role']}"
        for name in _FACTS:
            if row[name] is not None:
                yield f"  {name:<11} {textwrap.shorten(_number(row[name]), 200, placeholder=' …')}"
        for name in ("chosen_ratings", "rejected_ratings"):
            if row[name]:
                ratings = ", ".join(f"{one['key']} {one['value']:g}" for one in row[name])
                yield f"  {name.split('_')[0]:<11} {ratings}"
        if row["extra"]:
            yield f"  extra       {textwrap.shorten(row['extra'], 200, placeholder=' …')}"


def _rewards(rewards: Sequence[Life]) -> Iterator[str]:
    if not rewards:
        return
    size = max(len(one["model"]) for one in rewards)
    yield f"\n{'rewards':<{size + 2}}{'chosen':>12}{'rejected':>12}{'margin':>12}"
    for one in rewards:
        numbers = "".join(f"{_number(one[name]):>12}" for name in ("chosen", "rejected", "margin"))
        yield f"  {one['model']:<{size}}{numbers}"


def _mixture(told: Life) -> Iterator[str]:
    if not told["sources"]:
        yield f"\nmixture {told['mixture']}: does not name a source of this pair"
        return
    yield f"\nmixture {told['mixture']}"
    for name, signal in told["signals"].items():
        values = ", ".join(f"{key} {_number(value)}" for key, value in signal.items())
        yield textwrap.fill(
            values,
            terminal.width(),
            initial_indent=f"  {name:<22}",
            subsequent_indent=" " * 24,
            break_long_words=False,
        )
    for of_source in told["sources"]:
        yield f"\n  what the rules did to it as a pair of {of_source['source']}"
        yield from (f"    {_rule(rule)}" for rule in of_source["rules"])
        yield f"  {_end(of_source)}"


def _rule(rule: Life) -> str:
    line = f"{rule['rule']:<22}{rule['action']}"
    if "reason" in rule:
        line += f": {rule['reason']}"
    if rule.get("value") is not None:
        line += f" ({_number(rule['value'])})"
    if rule.get("by"):
        held = f" of {', '.join(rule['by_sources'])}" if rule["by_sources"] else ""
        line += f", for pair {rule['by']}{held}"
    return line


def _end(of_source: Life) -> str:
    """Where the pair is in the end."""
    rows = of_source["rows"]
    if not rows:
        return "not in the mixture"
    facts = [f"split {rows[0]['split']}"]
    facts += [f"{len(rows)} copies"] if len(rows) > 1 else []
    facts += ["flipped"] if rows[0]["flipped"] else []
    facts += [
        f"{name.replace('_', ' ')} {_number(rows[0][name])}"
        for name in ("soft_label", "weight")
        if rows[0][name] is not None
    ]
    published = of_source["published"]
    where = "not published yet"
    if published:
        where = f"published in version {published['version']} as {published['pair_id']}\n    " + "\n    ".join(
            f"{published['folder']}/data/{file}" for file in published["files"]
        )
    return f"in the mixture: {', '.join(facts)}; {where}"


def _number(value: Any) -> str:
    """A value in short: six digits of a float, lists and records in brackets."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return f"[{', '.join(map(_number, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} {_number(one)}' for key, one in value.items())}}}"
    return "none" if value is None else str(value)
