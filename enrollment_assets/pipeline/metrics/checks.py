"""Checks on the figures: they follow from what stands, and today's are there in time."""

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
    "baseline_is_current": "The figures follow from the snapshots that stand now; a late, corrected or "
    "thrown out day makes later ones fail until they are restated."
}
ON_TIME = {"snapshot_on_time": "The day's snapshot is there half an hour after its tick."}
SNAPSHOTS = "enrollment_snapshots"


def build_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """`baseline_is_current`, and `snapshot_on_time` that a schedule of its own asks for."""

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
        # Asked of Dagster and not of the warehouse: a long backfill must not make this one wait.
        days = days_of(context)
        statuses = {}
        for record in newest_materializations(
            context.instance, dg.AssetKey(SNAPSHOTS), [day.isoformat() for day in days]
        ):
            if (found := record.asset_materialization) and found.partition:
                status = found.metadata.get("status")
                statuses[found.partition] = str(status.value) if status else None
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
