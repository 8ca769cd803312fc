"""Puts assets, checks, jobs, schedules, sensors and resources together for one configuration."""

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

from enrollment_assets.config import Settings, load_settings
from enrollment_assets.orchestration.jobs import build_jobs
from enrollment_assets.orchestration.resources import build_resources
from enrollment_assets.orchestration.schedules import build_schedules
from enrollment_assets.orchestration.sensors import build_sensors
from enrollment_assets.pipeline.changes import assets as changes
from enrollment_assets.pipeline.changes import checks as change_checks
from enrollment_assets.pipeline.custom import assets as custom
from enrollment_assets.pipeline.custom import checks as custom_checks
from enrollment_assets.pipeline.ingest import assets as ingest
from enrollment_assets.pipeline.ingest import checks as snapshot_checks
from enrollment_assets.pipeline.insight import assets as insight
from enrollment_assets.pipeline.insight import checks as insight_checks
from enrollment_assets.pipeline.metrics import assets as metrics
from enrollment_assets.pipeline.metrics import checks as metric_checks
from enrollment_assets.publishing.exports import assets as exports
from enrollment_assets.publishing.mail import assets as mail
from enrollment_assets.publishing.reports import assets as reports

STAGES = (ingest, changes, metrics, insight, reports, exports, mail)

CHECKS = (snapshot_checks, change_checks, metric_checks, insight_checks)


def build_defs(
    resource_overrides: Mapping[str, Any] | None = None, settings: Settings | None = None
) -> dg.Definitions:
    """The definitions of one configuration, by default the one that `load_settings` finds.

    Raises:
        ConfigurationError: if the configuration cannot be read or is invalid.
    """
    settings = settings or load_settings()
    # Partitioned checks and code references are marked preview and beta; tried on this version.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        warnings.simplefilter("ignore", dg.BetaWarning)
        assets = [asset for stage in STAGES for asset in stage.build_assets(settings)]
        checks = [check for stage in CHECKS for check in stage.build_checks(settings)]
        taken = {name for part in (*assets, *checks) for name in _names(part)}
        assets += custom.build_assets(settings, taken)
        checks += custom_checks.build_checks(settings)
        jobs = build_jobs(settings)
        return dg.Definitions(
            assets=_with_code(assets),
            asset_checks=checks,
            jobs=list(jobs.values()),
            schedules=build_schedules(settings, jobs),
            sensors=build_sensors(settings, jobs, assets),
            resources={**build_resources(settings), **(resource_overrides or {})},
            executor=dg.in_process_executor,
        )


def _with_code(assets: list[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """Links to the Python code of those assets that do not name their SQL file."""
    known = "dagster/code_references"
    linked = dg.with_source_code_references(
        [asset for asset in assets if not any(known in spec.metadata for spec in asset.specs)]
    )
    by_name = {
        asset.node_def.name: asset for asset in linked if isinstance(asset, dg.AssetsDefinition)
    }
    return [by_name.get(asset.node_def.name, asset) for asset in assets]


def _names(part: dg.AssetsDefinition) -> set[str]:
    """The names that a part of the graph takes: its assets' and its step's."""
    return {part.node_def.name, *(key.to_user_string() for key in part.keys)}
