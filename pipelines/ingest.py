"""The sources, one asset each, and the table of pairs they make together.

They are one multi-asset: a run reads just the sources that its mixture names, and the others are not touched. A
broken source does not cost the run the others: they are all read before the error is raised.
"""

import dagster as dg

import sources
from pairs.errors import PrefmillError
from pairs.tables import PAIRS
from pipelines import steps
from pipelines.failures import failure, one_line_failures
from pipelines.resources import MixtureFile, StoreResource

PAIRS_ASSET = "pairs"


def _specs():
    for name in sources.names():
        module = sources.load(name)
        source = module.source
        yield dg.AssetSpec(
            name,
            group_name="benchmarks" if source.role == "benchmark" else f"sources_{_side(source.modality)}",
            description=module.__doc__,
            kinds={"huggingface" if not source.repo.startswith("github:") else "github", "parquet"},
            metadata={"licence": source.licence, "label source": source.label_source, "repo": source.repo,
                      "revision": source.revision or "not pinned"},
            skippable=True,
        )  # fmt: skip
    yield dg.AssetSpec(
        PAIRS_ASSET,
        deps=list(sources.names()),
        group_name="pairs",
        description="All pairs of the mixture's sources in the unified schema, with the books of every source: "
        "native rows = rows that became pairs + rows set aside with a reason.",
        kinds={"deltalake"},
        skippable=True,
    )


def _side(modality: str) -> str:
    return "text" if modality == "text" else "multimodal"


@dg.multi_asset(
    name="read_sources",
    specs=list(_specs()),
    check_specs=[
        dg.AssetCheckSpec("books_balance", asset=PAIRS_ASSET, blocking=True,
                          description="every native row is a pair or set aside with a reason"),
        dg.AssetCheckSpec("ids_unique", asset=PAIRS_ASSET, blocking=True,
                          description="no source holds a pair_id twice"),
    ],
    can_subset=True,
    retry_policy=dg.RetryPolicy(max_retries=3, delay=10, backoff=dg.Backoff.EXPONENTIAL),
)  # fmt: skip
def read_sources(context: dg.AssetExecutionContext, store: StoreResource, mixture: MixtureFile):
    """Native rows to pairs, one source after the other."""
    with one_line_failures():
        recipe = mixture.load()
    selected = {key.to_user_string() for key in context.selected_asset_keys}
    wanted = [name for name in recipe.sources if name in selected]
    if PAIRS_ASSET not in selected:  # a hand-picked source needs no recipe to name it
        wanted = sorted(selected)
    failed: list[PrefmillError] = []
    for name in wanted:
        try:
            books = steps.ingest(store.open(), recipe, name)
        except PrefmillError as error:
            context.log.error(str(error))
            failed.append(error)
            continue
        context.log.info(
            f"{name}: {books.rows:,} native rows, {books.pairs:,} pairs, {books.rows_without:,} rows set aside"
            + ("" if books.changed else " (unchanged)")
        )
        yield dg.MaterializeResult(asset_key=name, metadata=_metadata(books))
    if failed:
        raise failure(*failed)
    if PAIRS_ASSET in selected:
        with one_line_failures():
            yield _pairs(steps.books(store.open(), recipe), steps.pair_ids(store.open(), recipe))


def _metadata(books):
    asides = [dg.TableRecord({"reason": reason, "rows": count}) for reason, count in books.asides.items()]
    return {
        "dagster/row_count": books.pairs,
        "native rows": books.rows,
        "rows with pairs": books.rows_with_pairs,
        "rows set aside": books.rows_without,
        "broken rows": books.broken,
        "media": books.media,
        "seconds": books.seconds,
        "read now": books.changed,
        "revision": books.revision,
        "reasons": dg.MetadataValue.table(
            asides, dg.TableSchema.from_name_type_dict({"reason": "string", "rows": "int"})
        ),
    }


def _pairs(all_books, ids):
    """The result of the pairs table, with its two checks, from books and (source, pairs, distinct ids) counts."""
    unbalanced = []
    for books in all_books:
        try:
            books.check()
        except PrefmillError as error:
            unbalanced.append(str(error))
        if ids[books.source] != (books.pairs, books.pairs):
            unbalanced.append(
                f"{books.source}: the table holds {ids[books.source][0]} pairs, the books {books.pairs}"
            )
    repeated = [source for source, (pairs, distinct) in ids.items() if pairs != distinct]
    return dg.MaterializeResult(
        asset_key=PAIRS_ASSET,
        metadata={
            "dagster/row_count": sum(books.pairs for books in all_books),
            "native rows": sum(books.rows for books in all_books),
            "rows set aside": sum(books.rows_without for books in all_books),
            "dagster/column_schema": dg.TableSchema(
                [dg.TableColumn(field.name, str(field.type)) for field in PAIRS]
            ),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="books_balance", passed=not unbalanced, metadata={"faults": unbalanced}
            ),
            dg.AssetCheckResult(check_name="ids_unique", passed=not repeated, metadata={"sources": repeated}),
        ],
    )
