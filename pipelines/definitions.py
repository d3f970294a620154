"""The graph: every asset, every job, and the resources they are given."""

import os

import dagster as dg

from pairs.store import DEFAULT_ROOT
from pipelines import curate, train
from pipelines.ingest import read_sources
from pipelines.resources import MixtureFile, StoreResource

_TRAINING = dg.AssetSelection.assets("reward_model", "evaluation", "report")
_INGEST = dg.AssetSelection.assets(*read_sources.keys)

defs = dg.Definitions(
    assets=[read_sources, *curate.signals, curate.rewards, curate.mixture, curate.published,
            train.reward_model, train.evaluation, train.report],
    jobs=[
        dg.define_asset_job("demo", description="Everything, on generated native files with planted defects."),
        dg.define_asset_job("ingest", _INGEST, description="Read the mixture's sources into the store."),
        dg.define_asset_job(
            "curate",
            dg.AssetSelection.all() - dg.AssetSelection.assets("reward_model", "evaluation"),
            description="From native files to the published mixture and its report.",
        ),
        dg.define_asset_job("train", _TRAINING, description="Train and evaluate on the published mixture."),
    ],
    resources={
        "store": StoreResource(root=os.environ.get("PREFMILL_STORE") or DEFAULT_ROOT),
        "mixture": MixtureFile(),
    },
    executor=dg.in_process_executor,
)  # fmt: skip
