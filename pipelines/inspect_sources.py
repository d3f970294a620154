"""What people ask before a full ingestion: which sources there are, and what becomes of the first rows of one."""

from __future__ import annotations

import tempfile
import textwrap
from collections.abc import Iterator, Sequence

import polars as pl

import sources
from pairs.store import Store
from pipelines import terminal
from sources._books import Books
from sources._source import Source

_SHOWN = 3  # pairs that a check prints
_CHARS = 300  # of a text in a check
_PLACES = 2  # native rows that a check names per reason
_HEAD = ("source", "modality", "role", "labels", "licence", "native rows", "pairs", "bad rows", "revision")
_RIGHT = ("native rows", "pairs", "bad rows")


def overview(store: Store) -> str:
    """All sources, one line each, with the books of those that are in `store`."""
    held = set(store.scan("pairs").select(pl.col("source").unique()).collect()["source"])
    modules = {name: sources.load(name).source for name in sources.names()}
    lines = [_HEAD] + [
        (*_facts(name, source), *(_counts(store, name) if name in held else ("", "", "", _revision(source))))
        for name, source in modules.items()
    ]
    pictured = sum(source.modality != "text" for source in modules.values())
    benchmarks = sum(source.role == "benchmark" for source in modules.values())
    return (
        f"{_aligned(lines)}\n\n{len(modules)} sources, {pictured} of them with pictures, {benchmarks} benchmarks; "
        f"{len(held & set(modules))} in the store {store.root}"
    )


def _facts(name: str, source: Source) -> tuple[str, ...]:
    return (
        name,
        source.modality,
        source.role,
        source.label_source,
        textwrap.shorten(source.licence, 20, placeholder="…"),
    )


def _counts(store: Store, name: str) -> tuple[str, ...]:
    books = Books.from_facts(store.facts("pairs", name))
    return f"{books.rows:,}", f"{books.pairs:,}", f"{books.rows_without:,}", books.revision[:14]


def _revision(source: Source) -> str:
    return (source.revision or "not pinned")[:14]


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if title in _RIGHT else cell.ljust(width)
            for cell, width, title in zip(line, widths, _HEAD, strict=True)
        ).rstrip()
        for line in lines
    )


def markdown() -> str:
    """The page docs/sources.md: what is known of every source without reading a row."""
    lines = [
        "# Sources\n",
        "One file each in `sources/`. `prefmill sources` adds what your store holds of them, `prefmill check`",
        "reads the first rows of one, and [adding_a_source.md](adding_a_source.md) says how to add yours. A",
        "benchmark is compared with, and enters a mixture only where its recipe admits it. Where no revision is",
        "pinned, the newest commit is read, and recorded; a mixture's `revision` wins over both.",
        "`prefmill sources --markdown` prints this page.\n",
    ]
    for role, title in (("train", "For training"), ("benchmark", "Benchmarks")):
        named = [name for name in sources.names() if sources.load(name).source.role == role]
        lines += [
            f"## {title}: {len(named)}\n",
            "| source | what it is | modality | role | labels | licence | revision |",
        ]
        lines += ["|---|---|---|---|---|---|---|", *map(_markdown_line, named), ""]
    return "\n".join(lines).rstrip() + "\n"


def _markdown_line(name: str) -> str:
    module = sources.load(name)
    source: Source = module.source
    what = " ".join((module.__doc__ or "").strip().split("\n\n")[0].split()).replace("|", "\\|")
    home = "https://huggingface.co/datasets/" + source.repo
    if source.repo.startswith("github:"):
        home = "https://github.com/" + source.repo.removeprefix("github:")
    revision = f"`{source.revision[:12]}`" if source.revision else "not pinned"
    facts = (source.modality, source.role, source.label_source, source.licence.replace("|", "\\|"), revision)
    return f"| [{name}]({home}) | {what} | {' | '.join(facts)} |"


def check(
    name: str,
    path: str | None,
    splits: Sequence[str],
    rows: int,
    pictures: str | None = None,
    open_urls: Sequence[str] = (),
    revision: str | None = None,
) -> str:
    """Read the first `rows` native rows of a source into a store that is thrown away, and tell what they became.

    Raises what an ingestion raises: `SourceChanged` when the files are not what the source states.
    """
    from sources._read import ingest

    source: Source = sources.load(name).source
    with tempfile.TemporaryDirectory(prefix="prefmill-check-") as folder:
        store = Store(folder)
        books = ingest(
            store, name, path=path, revision=revision, splits=splits or None, limit=rows, pictures=pictures,
            open_urls=open_urls,
        )  # fmt: skip
        text = "\n".join([*_told(name, source, path, books), *_findings(store, books), *_pairs(store, books)])
    return terminal.printable(text)


def _told(name: str, source: Source, path: str | None, books: Books) -> Iterator[str]:
    yield f"{name}: {source.modality}, {source.role}, labels: {source.label_source}, {source.licence}"
    yield f"{books.rows:,} native rows of {path or source.repo} ({books.revision}), {books.seconds:.1f} s"
    yield f"{books.rows_with_pairs:>9,} gave pairs, {books.pairs:,} of them"
    yield f"{books.rows_without:>9,} gave none, {books.broken:,} of these are broken"
    if books.new_columns:
        yield f"columns that the example does not know: {', '.join(books.new_columns)}"


def _findings(store: Store, books: Books) -> Iterator[str]:
    """Why rows or single comparisons were set aside, the most frequent first, with the first places."""
    if not books.asides:
        return
    yield "\nset aside"
    found = _in_order(store.scan("bad_rows", [books.source]))
    for reason, count in sorted(books.asides.items(), key=lambda item: (-item[1], item[0])):
        of_reason = found.filter(pl.col("reason") == reason)
        yield f"{count:>9,} {reason}{', broken' if of_reason['kind'][0] == 'broken' else ''}"
        for row in of_reason.head(_PLACES).iter_rows(named=True):
            place = f"{row['source_row']}: {row['detail']}"
            yield " " * 12 + textwrap.shorten(place, terminal.width() - 12, placeholder=" …")


def _pairs(store: Store, books: Books) -> Iterator[str]:
    """The first, the middle and the last pair."""
    frame = _in_order(store.scan("pairs", [books.source]))
    media = {row["media_id"]: row for row in store.scan("media").collect().iter_rows(named=True)}
    for index in sorted({round(step * (frame.height - 1) / (_SHOWN - 1)) for step in range(_SHOWN)}):
        pair = frame.row(index, named=True)
        facts = [pair["source_row"], pair["criterion"], pair["category"], pair["language"]]
        margin = pair["source_margin"]
        facts.append(None if margin is None else f"margin {margin:g}")
        yield f"\npair {index + 1:,} of {frame.height:,}: {', '.join(fact for fact in facts if fact)}"
        for title, column in (
            ("prompt", "media_ids"),
            ("chosen", "chosen_media_ids"),
            ("rejected", "rejected_media_ids"),
        ):
            pictures = "; ".join(terminal.picture(media[media_id]) for media_id in pair[column])
            for position, text in enumerate(filter(None, (terminal.said(pair[title]), pictures))):
                yield terminal.block("" if position else title, text, _CHARS)


def _in_order(frame: pl.LazyFrame) -> pl.DataFrame:
    """Rows in the order of the native files: a place is a file and a number."""
    place = pl.col("source_row").str
    return frame.sort(
        place.extract(r"^(.*):", 1), place.extract(r":(\d+)$", 1).cast(pl.Int64), maintain_order=True
    ).collect()
