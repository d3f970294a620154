"""What assets are given: the store, and the mixture a run works on."""

import dagster as dg
from pydantic import Field

from pairs.store import DEFAULT_ROOT, Store


class StoreResource(dg.ConfigurableResource):
    """Where tables, media, published mixtures and models lie."""

    root: str = Field(default=DEFAULT_ROOT, description="folder of the store; PREFMILL_STORE by default")

    publish_to: str = Field(
        default="",
        description="s3://bucket/folder that published versions are copied to; PREFMILL_PUBLISH_TO by default",
    )

    def open(self) -> Store:
        return Store(self.root)


class MixtureFile(dg.ConfigurableResource):
    """The TOML recipe of the run: which sources, which rules, how much of each."""

    path: str = Field(default="mixtures/demo.toml", description="the mixture's TOML file")

    def load(self):
        from pipelines.steps import load_recipe

        return load_recipe(self.path)
