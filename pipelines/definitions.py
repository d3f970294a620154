"""The graph: every asset, every job, and the resources they are given."""

import os

import dagster as dg

from pairs.store import DEFAULT_ROOT
from pipelines import curate, experiments, train
from pipelines.ingest import read_sources
from pipelines.resources import MixtureFile, StoreResource

_TRAINING = dg.AssetSelection.assets("reward_model", "evaluation", "report")
_INGEST = dg.AssetSelection.assets(*read_sources.keys)
_EXPERIMENTS = dg.AssetSelection.assets("features", "weights", "ablation")
_DEMO = dg.AssetSelection.all() - _EXPERIMENTS
_CURATION = _DEMO - dg.AssetSelection.assets("reward_model", "evaluation")


def _job(name: str, selection: dg.AssetSelection, description: str):
    # The console shows what steps say, not every engine event; a file given with -c replaces this.
    calm = {"loggers": {"console": {"config": {"log_level": "INFO"}}}}
    return dg.define_asset_job(name, selection, config=calm, description=description)


defs = dg.Definitions(
    assets=[read_sources, *curate.signals, curate.rewards, curate.mixture, curate.published,
            train.reward_model, train.evaluation, train.report, experiments.features,
            experiments.weights, experiments.ablation],
    jobs=[
        _job("demo", _DEMO, "Everything, on generated native files with planted defects."),
        _job("ingest", _INGEST, "Read the mixture's sources into the store."),
        _job("curate", _CURATION, "From native files to the published mixture and its report."),
        _job("train", _TRAINING, "Train and evaluate on the published mixture."),
        _job("search", dg.AssetSelection.assets("weights").upstream(),
             "From native files to a recipe with the weights that a search proposes."),
        _job("ablate", dg.AssetSelection.assets("ablation").upstream(),
             "From native files to what each rule and each source is worth."),
    ],
    resources={
        "store": StoreResource(
            root=os.environ.get("PREFMILL_STORE") or DEFAULT_ROOT,
            publish_to=os.environ.get("PREFMILL_PUBLISH_TO") or "",
        ),
        "mixture": MixtureFile(),
    },
    executor=dg.in_process_executor,
)  # fmt: skip
