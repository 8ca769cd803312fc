"""The jobs: what one morning runs, and what a backfill runs."""

import datetime as dt

from dagster import (
    AssetCheckKey,
    AssetKey,
    AssetSelection,
    Field,
    JobDefinition,
    OpExecutionContext,
    define_asset_job,
    job,
    op,
)

from enrollment_assets.config import Settings
from enrollment_assets.orchestration.dagster_internals import UnresolvedAssetJobDefinition
from enrollment_assets.orchestration.retention import find_old, remove
from enrollment_assets.pipeline.names import (
    CORE,
    CORE_GROUPS,
    DAILY,
    EXPORT_GROUP,
    EXPORTS,
    FIGURES,
    FRESHNESS,
    INSIGHT,
    INSIGHT_GROUPS,
    PRUNE,
    REPORT_GROUPS,
    REPORTS,
    RESTATE,
    RESTATED_GROUPS,
)

ON_TIME_CHECK = AssetCheckKey(AssetKey("enrollment_snapshots"), "snapshot_on_time")


Job = UnresolvedAssetJobDefinition | JobDefinition


def build_jobs(settings: "Settings") -> dict[str, Job]:
    """The daily job, its parts, and the removal of old data, under their names."""
    # It looks at a day from outside, half an hour later, and would hold in no backfill.
    on_time = AssetSelection.checks(ON_TIME_CHECK)
    jobs: list[Job] = [
        define_asset_job(
            DAILY,
            AssetSelection.all() - on_time,
            description="Everything of one day, report included.",
        ),
        define_asset_job(
            CORE,
            AssetSelection.groups(*CORE_GROUPS) - on_time,
            description="Snapshots, changes, metrics and segments: what a backfill needs.",
        ),
        define_asset_job(
            FIGURES,
            AssetSelection.all() - AssetSelection.groups(*REPORT_GROUPS) - on_time,
            description="Everything of a range of days but charts and reports.",
        ),
        define_asset_job(
            INSIGHT,
            # With the exports, which hold all days: whatever is restated reaches their readers.
            AssetSelection.groups(*INSIGHT_GROUPS, EXPORT_GROUP),
            description="Comparisons, trends, cohorts, anomalies and forecasts of days with figures, "
            "and the exports.",
        ),
        define_asset_job(
            REPORTS,
            AssetSelection.groups(*REPORT_GROUPS),
            description="Charts and reports of days that have their figures.",
        ),
        define_asset_job(
            EXPORTS,
            AssetSelection.groups(EXPORT_GROUP),
            description="The files for BI tools alone.",
        ),
        define_asset_job(
            RESTATE,
            AssetSelection.groups(*RESTATED_GROUPS),
            description="Computes days again that depend on a late, corrected or thrown out one.",
        ),
        define_asset_job(
            FRESHNESS, on_time, description="Asks whether the day's snapshot came in time."
        ),
        _prune_job(settings),
    ]
    return {job.name: job for job in jobs}


def _prune_job(settings: "Settings") -> JobDefinition:
    """Removes what is too old on a day."""

    @op(
        config_schema={"as_of": Field(str, description="The day that periods are counted from.")},
        required_resource_keys={"warehouse"},
        pool="warehouse",
    )
    def prune(context: OpExecutionContext) -> None:
        """Removes snapshots, reports, refused rows and runs that are older than `retention` says."""
        as_of = dt.date.fromisoformat(context.op_config["as_of"])
        with context.resources.warehouse.connect() as connection:
            old = find_old(connection, settings, context.instance, as_of)
            remove(connection, settings, context.instance, old, run_id=context.run_id)
        if old.snapshots:
            context.resources.warehouse.forget_damaged()
        context.add_output_metadata(old.in_words() or {"nothing": "is too old"})

    @job(name=PRUNE, description="Removes what is older than the periods under `retention`.")
    def prune_job() -> None:
        prune()

    return prune_job
