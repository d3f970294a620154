"""From pairs to a published mixture: signals, rewards, the plan with its ledger, the dataset."""

import dagster as dg

import filters
from filters import _apply
from pipelines import looks, outcomes, scored, steps
from pipelines.failures import one_line_failures
from pipelines.ingest import PAIRS_ASSET
from pipelines.resources import MixtureFile, StoreResource

GPU = "gpu"


def _signal_asset(name: str) -> dg.AssetsDefinition:
    module = filters.load(name)
    reads = _apply.reads(name)
    deps = [PAIRS_ASSET, *(["groups"] if "groups" in reads else []), *(["rewards"] if "rewards" in reads else [])]

    @dg.asset(
        name=name, deps=deps, group_name="signals", kinds={"deltalake", "polars"}, description=module.__doc__
    )
    def signal(
        context: dg.AssetExecutionContext, store: StoreResource, mixture: MixtureFile
    ) -> dg.MaterializeResult:
        with one_line_failures():
            done = steps.signal(store.open(), mixture.load(), name)
        context.log.info(f"signal {name}: {done.rows:,} rows" + ("" if done.changed else " (unchanged)"))
        return dg.MaterializeResult(metadata={"dagster/row_count": done.rows, "computed now": done.changed})

    return signal


signals = [_signal_asset(name) for name in filters.names()]


@dg.asset(deps=[PAIRS_ASSET, "groups"], group_name="signals", kinds={"pytorch", "deltalake"}, pool=GPU)
def rewards(context: dg.AssetExecutionContext, store: StoreResource, mixture: MixtureFile) -> dg.MaterializeResult:
    """One reward per completion and seed reward model, each completion once, whatever the number of its pairs.

    The embedded model judges twice: cross-fitted by group, so that no completion is judged by a model that saw its
    prompt, and by how early in training it agrees with the label. Rewards are kept by completion and model, so a
    second run scores nothing. Nothing is scored when no rule reads rewards.
    """
    with one_line_failures():
        recipe, opened = mixture.load(), store.open()
        done = steps.score(opened, recipe)
        trust = steps.trust(opened, recipe)
        lost = scored.unscored(steps.training(opened, recipe), done).to_dicts()
    counts = {name: sum(getattr(books, name) for books in done) for name in ("scored", "cached", "unscored")}
    context.log.info(f"rewards by {len(done)} models: " + ", ".join(f"{n:,} {name}" for name, n in counts.items()))
    for row in lost:
        context.log.warning("{model}: {completions:,} completions of {source} unscored: {reason}".format(**row))
    return dg.MaterializeResult(
        metadata={
            **counts,
            "models": ", ".join(books.model for books in done) or "no rule of the mixture reads rewards",
            **({"unscored by source": looks.table(lost)} if lost else {}),
            **({"trust": looks.table(trust.to_dicts())} if len(trust) else {}),
        }
    )


@dg.asset(
    deps=[PAIRS_ASSET, "rewards", *filters.names()],
    group_name="mixture",
    kinds={"deltalake", "polars"},
    check_specs=[
        dg.AssetCheckSpec("books_balance", asset="mixture", blocking=True,
                          description="pairs = kept + dropped, and every dropped pair has a reason"),
        dg.AssetCheckSpec("no_group_across_splits", asset="mixture", blocking=True,
                          description="pairs that share a prompt are in one split"),
    ],
)  # fmt: skip
def mixture(context: dg.AssetExecutionContext, store: StoreResource, mixture: MixtureFile) -> dg.MaterializeResult:
    """What the mixture's rules decide about every pair, in the order written, then sampling and splits.

    The ledger holds one line per pair and rule that touched it: what was dropped, flipped or weighted, why, and
    for which other pair. Nothing is lost: pairs = kept + dropped by reason.
    """
    with one_line_failures():
        recipe = mixture.load()
        opened = store.open()
        made = steps.plan(opened, recipe)
        checks = steps.check_plan(opened, recipe, made)
        plots = looks.plan_plots(opened, recipe, made)
    dropped = made.counts.dropped_in_all
    context.log.info(
        f"mixture: {made.counts.kept:,} of {made.counts.candidates:,} pairs kept, {dropped:,} dropped"
    )
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": made.rows.height,
            **{f"pairs in {split}": rows for split, rows in steps.split_rows(made).items()},
            "drops": looks.table(looks.drops(made)),
            "plots": dg.MetadataValue.md(looks.as_markdown(plots)),
        },
        check_results=[
            dg.AssetCheckResult(check_name=name, passed=not faults, metadata={"faults": faults})
            for name, faults in checks.items()
        ],
    )


@dg.asset(
    deps=["mixture"],
    group_name="mixture",
    kinds={"huggingface", "parquet"},
    retry_policy=dg.RetryPolicy(max_retries=2, delay=2),
    check_specs=[
        dg.AssetCheckSpec("published_equals_planned", asset="published", blocking=True,
                          description="the files hold exactly the planned pairs, and their hashes are right"),
    ],
)  # fmt: skip
def published(
    context: dg.AssetExecutionContext, store: StoreResource, mixture: MixtureFile
) -> dg.MaterializeResult:
    """A dataset folder that `datasets.load_dataset` loads: Parquet shards, pictures inside, splits, a card.

    A version is visible wholly or not at all and never rewritten; the same rows by the same recipe and ledger
    are the same version.
    """
    with one_line_failures():
        recipe = mixture.load()
        done = outcomes.publish(store.open(), recipe)
        faults = outcomes.check_published(store.open(), recipe)
        copied = outcomes.copy(store.open(), recipe, store.publish_to) if store.publish_to and not faults else None
    context.log.info(f"published: version {done.version}" + ("" if done.changed else " (unchanged)"))
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(done.rows.values()),
            "version": done.version,
            "published now": done.changed,
            "path": dg.MetadataValue.path(str(done.root)),
            "load": f'load_dataset("{done.root}", "{recipe.name}")',
            **({"copied to": copied.url, "version there": copied.version} if copied else {}),
            "card": dg.MetadataValue.md((done.root / "README.md").read_text()),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="published_equals_planned", passed=not faults, metadata={"faults": faults}
            )
        ],
    )
