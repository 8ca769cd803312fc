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
    CORE_ASSETS,
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
    RESTATED_ASSETS,
)

ON_TIME_CHECK = AssetCheckKey(AssetKey("enrollment_snapshots"), "snapshot_on_time")


Job = UnresolvedAssetJobDefinition | JobDefinition


def build_jobs(settings: "Settings") -> dict[str, Job]:
    """The daily job, its parts, and the removal of old data, under their names."""
    # It tests a day half an hour after its tick, and would fail in every backfill.
    on_time = AssetSelection.checks(ON_TIME_CHECK)
    jobs: list[Job] = [
        define_asset_job(
            DAILY,
            AssetSelection.all() - on_time,
            description="Processes a day completely, including report, exports and mail.",
        ),
        define_asset_job(
            CORE,
            AssetSelection.assets(*CORE_ASSETS) - on_time,
            description="Loads snapshots and computes changes, metrics and segments.",
        ),
        define_asset_job(
            FIGURES,
            AssetSelection.all() - AssetSelection.groups(*REPORT_GROUPS) - on_time,
            description="Processes a range of days completely, without reports and exports.",
        ),
        define_asset_job(
            INSIGHT,
            # With the exports, which hold all days: whatever is restated reaches their readers.
            AssetSelection.groups(*INSIGHT_GROUPS, EXPORT_GROUP),
            description="Computes comparisons, trends, cohorts, anomalies and forecasts of days "
            "that have figures, and writes the exports.",
        ),
        define_asset_job(
            REPORTS,
            AssetSelection.groups(*REPORT_GROUPS),
            description="Writes charts, reports and exports of days that have figures.",
        ),
        define_asset_job(
            EXPORTS,
            AssetSelection.groups(EXPORT_GROUP),
            description="Writes only the files for BI tools.",
        ),
        define_asset_job(
            RESTATE,
            AssetSelection.assets(*RESTATED_ASSETS),
            description="Restates days that depend on a late, corrected or rejected day.",
        ),
        define_asset_job(
            FRESHNESS, on_time, description="Checks that the day's snapshot was loaded on time."
        ),
        _prune_job(settings),
    ]
    return {job.name: job for job in jobs}


def _prune_job(settings: "Settings") -> JobDefinition:
    """Removes data that is too old on a day."""

    @op(
        config_schema={"as_of": Field(str, description="The day from which periods are counted.")},
        required_resource_keys={"warehouse"},
        pool="warehouse",
    )
    def prune(context: OpExecutionContext) -> None:
        """Removes snapshots, reports, quarantined rows and runs older than `retention` allows."""
        as_of = dt.date.fromisoformat(context.op_config["as_of"])
        with context.resources.warehouse.connect() as connection:
            old = find_old(connection, settings, context.instance, as_of)
            remove(connection, settings, context.instance, old, run_id=context.run_id)
        if old.snapshots:
            context.resources.warehouse.forget_damaged()
        context.add_output_metadata(old.summary() or {"removed": "nothing"})

    @job(name=PRUNE, description="Removes data older than the periods under `retention`.")
    def prune_job() -> None:
        prune()

    return prune_job
