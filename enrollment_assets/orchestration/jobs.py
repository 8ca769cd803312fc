"""The jobs, few enough to distinguish in the UI.

- `daily_enrollment_job`: a morning, from the snapshot to the mail. The schedule and files that land
  start it.
- `backfill_job`: history, with the same assets but for the reports: it writes no pages and sends no
  mail, and Dagster shows none where none was written. `enrollment backfill --only core`, decisions and
  restatements run a part of it (`PARTS`), by asset selection and with a tag, instead of a job of their
  own for each.
- `reports_job`: a report of days that have their figures.
- `prune_job`, `freshness_job`: schedules need a job to start; people hardly do.

A single group, such as the exports, is materialized from the asset graph.
"""

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
    BACKFILL,
    DAILY,
    EXPORT_GROUP,
    FRESHNESS,
    PRUNE,
    REPORT_GROUP,
    REPORTS,
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
            BACKFILL,
            AssetSelection.all() - on_time - AssetSelection.groups(REPORT_GROUP),
            description="Processes past days; writes no reports and sends no mail.",
        ),
        define_asset_job(
            REPORTS,
            AssetSelection.groups(REPORT_GROUP, EXPORT_GROUP),
            description="Writes charts, reports and exports of days that have figures.",
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
            context.resources.warehouse.forget_old_files()
        context.resources.warehouse.is_to_be_compacted = bool(old.snapshots or old.warehouse_free)
        context.add_output_metadata(old.summary() or {"removed": "nothing"})

    @job(name=PRUNE, description="Removes data older than the periods under `retention`.")
    def prune_job() -> None:
        prune()

    return prune_job
