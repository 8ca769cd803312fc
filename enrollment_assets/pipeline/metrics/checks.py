"""Checks on the figures: they are current, and today's snapshot is on time."""

from collections.abc import Iterator

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.pipeline.checks import check_specs, evaluation, results
from enrollment_assets.pipeline.event_log import newest_materializations
from enrollment_assets.pipeline.metrics.findings import baseline_is_current, snapshot_on_time
from enrollment_assets.pipeline.names import FRESHNESS, POOL
from enrollment_assets.pipeline.partitions import days_of
from enrollment_assets.warehouse.connection import Warehouse
from enrollment_assets.warehouse.derive import stale_days

ASSET = "enrollment_metrics"

CHECKS = {
    "baseline_is_current": "The figures are current. After a late, corrected or rejected day, "
    "later days fail this check until they are restated."
}
ON_TIME = {"snapshot_on_time": "The day's snapshot is loaded half an hour after the daily tick."}
SNAPSHOTS = "enrollment_snapshots"


def build_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """`baseline_is_current`, and `snapshot_on_time`, which has a schedule of its own."""

    @dg.multi_asset_check(
        name="check_metrics",
        specs=check_specs(settings, ASSET, CHECKS, after=["segment_metrics"]),
        pool=POOL,
    )
    def check_metrics(
        context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> Iterator[dg.AssetCheckEvaluation | dg.AssetCheckResult]:
        days = days_of(context)
        with warehouse.connect() as connection:
            stale = stale_days(connection, settings)
        # Days that this run made stale fail too, in their own partitions, until they are restated.
        for day in sorted(stale.keys() - set(days)):
            yield evaluation(ASSET, day, baseline_is_current(day, stale, is_restated_next=True))
        yield from results(ASSET, {day: [baseline_is_current(day, stale)] for day in days})

    @dg.multi_asset_check(name="check_time", specs=check_specs(settings, SNAPSHOTS, ON_TIME))
    def check_time(
        context: dg.AssetCheckExecutionContext,
    ) -> Iterator[dg.AssetCheckEvaluation | dg.AssetCheckResult]:
        # Read from Dagster and not from the warehouse, so as not to wait for a long backfill.
        days = days_of(context)
        statuses = {}
        for record in newest_materializations(
            context.instance, dg.AssetKey(SNAPSHOTS), [day.isoformat() for day in days]
        ):
            if (materialization := record.asset_materialization) and materialization.partition:
                status = materialization.metadata.get("status")
                statuses[materialization.partition] = str(status.value) if status else None
        # In a backfill of old days nobody waits for them.
        is_awaited = context.run.job_name == FRESHNESS
        yield from results(
            SNAPSHOTS,
            {
                day: [snapshot_on_time(statuses.get(day.isoformat()), is_awaited=is_awaited)]
                for day in days
            },
        )

    return [check_metrics, check_time]
