"""What is worth mixing, found out with heads on frozen features: the search for weights, and the ablation."""

import dagster as dg

import filters
from pipelines import ablate, looks, searching
from pipelines.curate import GPU
from pipelines.failures import one_line_failures
from pipelines.ingest import PAIRS_ASSET
from pipelines.resources import MixtureFile, StoreResource

GROUP = "experiments"


@dg.asset(deps=[PAIRS_ASSET, "groups"], group_name=GROUP, kinds={"pytorch", "deltalake"}, pool=GPU)
def features(
    context: dg.AssetExecutionContext, store: StoreResource, mixture: MixtureFile
) -> dg.MaterializeResult:
    """The state of each completion under a frozen extractor, computed once: by default the dense measures of the
    embedded reward model, with a backbone its last hidden state. A second run computes nothing."""
    with one_line_failures():
        done = searching.features(store.open(), mixture.load())
    context.log.info(f"features: {done.scored:,} computed, {done.cached:,} known, by {done.model}")
    return dg.MaterializeResult(
        metadata={
            "computed": done.scored, "cached": done.cached, "too long": done.unscored, "extractor": done.model
        }
    )  # fmt: skip


@dg.asset(deps=["features", *filters.names()], group_name=GROUP, kinds={"pytorch"})
def weights(context: dg.AssetExecutionContext, store: StoreResource, mixture: MixtureFile) -> dg.MaterializeResult:
    """Weights of the sources, found by training one small head per mixture: each source alone, all without it, and
    random mixtures, from which a surrogate proposes one. The proposal is confirmed on pairs that decided nothing
    and written as a recipe that can be run."""
    with one_line_failures():
        found = searching.search(store.open(), mixture.load())
    gains = {name: f"{gain:+.3f} ({low:+.3f} to {high:+.3f})" for name, (gain, low, high) in
             found["confirmed"].items()}  # fmt: skip
    context.log.info(f"search: {', '.join(f'{gain} over {name}' for name, gain in gains.items())}")
    shares = dict(zip(found["sources"], found["proposal"], strict=True))
    return dg.MaterializeResult(
        metadata={
            "mixtures tried": len(found["tried"]),
            "accuracy of the proposal": found["accuracy"]["proposal"],
            **{f"gain over {name}": gain for name, gain in gains.items()},
            "weights": looks.table(
                [{"source": name, "weight": round(share, 4)} for name, share in shares.items()]
            ),
            "source table": dg.MetadataValue.md(searching.source_table(found)),
            "recipe": dg.MetadataValue.path(found["recipe"]),
            "searched now": found["changed"],
            "plots": dg.MetadataValue.md(looks.as_markdown(searching.plots(found))),
        }
    )


@dg.asset(deps=["features", *filters.names()], group_name=GROUP, kinds={"pytorch"})
def ablation(
    context: dg.AssetExecutionContext, store: StoreResource, mixture: MixtureFile
) -> dg.MaterializeResult:
    """What each rule and each source is worth on this mixture's own data: heads trained without it, judged on the
    same held-out pairs, with the interval of the difference. The rules decide anew; no signal is."""
    with one_line_failures():
        done = ablate.ablate(store.open(), mixture.load())
    reached = done["accuracy"]
    context.log.info(f"ablation: {len(done['rows'])} rows; accuracy of the mixture {reached['as_found']:.3f}")
    return dg.MaterializeResult(
        metadata={
            **{f"accuracy, {name.replace('_', ' ')}": value for name, value in reached.items()},
            "table": dg.MetadataValue.md(ablate.table(done)),
            "compared now": done["changed"],
            "plots": dg.MetadataValue.md(looks.as_markdown(ablate.plots(done))),
        }
    )
