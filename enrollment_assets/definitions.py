"""The code location: puts assets, checks, jobs, schedules and resources together, and nothing else."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from enrollment_assets.assets import changes, ingest, metrics
from enrollment_assets.config import Settings, settings_for_definitions
from enrollment_assets.resources import build_resources


def build_defs(
    resource_overrides: Mapping[str, Any] | None = None, settings: Settings | None = None
) -> dg.Definitions:
    """The definitions of one configuration, by default the one that is found.

    Raises:
        ConfigurationError: if the configuration cannot be read or is refused.
    """
    settings = settings or settings_for_definitions()
    assets = [asset for stage in (ingest, changes, metrics) for asset in stage.build_assets(settings)]
    return dg.Definitions(
        assets=dg.with_source_code_references(assets),
        resources={**build_resources(settings), **(resource_overrides or {})},
        executor=dg.in_process_executor,
    )


defs = build_defs()
