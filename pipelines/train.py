"""From a published mixture to a trained and evaluated reward model, and the report of the whole run."""

import dagster as dg

from pipelines import benchmarks, looks, outcomes
from pipelines import report as pages
from pipelines.curate import GPU
from pipelines.failures import one_line_failures
from pipelines.resources import MixtureFile, StoreResource

_FEATURES = ("cached", "scored", "unscored")  # of a frozen backbone; see `rewards.score.ScoreBooks`


@dg.asset(deps=["published"], group_name="training", kinds={"pytorch"}, pool=GPU)
def reward_model(
    context: dg.AssetExecutionContext, store: StoreResource, mixture: MixtureFile
) -> dg.MaterializeResult:
    """A reward model trained with the Bradley-Terry loss on the published dataset, read by `load_dataset`.

    Saved as safetensors with its configuration. Not trained again while dataset and settings are the same; a
    training that was killed goes on from its last checkpoint.
    """
    with one_line_failures():
        recipe = mixture.load()
        done = outcomes.train(store.open(), recipe)
    trained = f"{done['rows']:,} pairs in {done['seconds']:.1f} s" if done["changed"] else "unchanged"
    context.log.info(f"reward model: {trained}")
    return dg.MaterializeResult(
        metadata={
            "pairs": done["rows"],
            "left out": done["left_out"],
            **{f"left out: {reason}": count for reason, count in sorted(done.get("reasons", {}).items())},
            "pictures scaled to max_pixels": done.get("scaled", 0),
            "seconds": done["seconds"],
            "trained now": done["changed"],
            "resumed from step": done.get("resumed", 0),
            **({"prompts computed twice": done["apart"]} if done.get("apart") else {}),
            **{f"completions {name}": done["features"][name] for name in _FEATURES if done.get("features")},
            "path": dg.MetadataValue.path(done["path"]),
            "plots": dg.MetadataValue.md(looks.as_markdown(looks.training_plots(done["curve"]))),
        }
    )


@dg.asset(deps=["reward_model"], group_name="training", kinds={"pytorch"}, pool=GPU)
def evaluation(
    context: dg.AssetExecutionContext, store: StoreResource, mixture: MixtureFile
) -> dg.MaterializeResult:
    """How often the trained model prefers the chosen completion on held-out groups, beside "longer is better"; and
    what it scores on the recipe's benchmarks by their official rules."""
    with one_line_failures():
        recipe = mixture.load()
        found = outcomes.evaluate(store.open(), recipe)
    context.log.info(f"evaluation: accuracy {found['accuracy']:.3f} on {found['pairs']:,} held-out pairs")
    scores = benchmarks.table(found["benchmarks"])
    return dg.MaterializeResult(
        metadata={
            **({"benchmarks": looks.table(scores)} if scores else {}),
            "pairs": found["pairs"],
            "accuracy": found["accuracy"],
            "balanced accuracy": found["balanced_accuracy"],
            "accuracy of length alone": found["length_accuracy"],
            "calibration error": found["calibration_error"],
            "plots": dg.MetadataValue.md(looks.as_markdown(looks.evaluation_plots(found))),
        }
    )


@dg.asset(deps=["published", "evaluation"], group_name="training", kinds={"html"})
def report(context: dg.AssetExecutionContext, store: StoreResource, mixture: MixtureFile) -> dg.MaterializeResult:
    """One HTML page on the run: what came in, what each rule did and why, what went out, how the model fares."""
    with one_line_failures():
        recipe = mixture.load()
        path = pages.write(store.open(), recipe)
    context.log.info(f"report: {path}")
    return dg.MaterializeResult(metadata={"path": dg.MetadataValue.path(str(path))})
