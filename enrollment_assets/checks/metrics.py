"""Checks on the figures: they follow from what stands, and today's are there in time."""

from collections.abc import Iterator

import dagster as dg

from enrollment_assets.analytics.quality import baseline_is_current
from enrollment_assets.assets.common import POOL
from enrollment_assets.checks.common import check_specs, evaluation, results
from enrollment_assets.config import Settings
from enrollment_assets.partitions import daily_partitions, days_of
from enrollment_assets.warehouse.connection import Warehouse
from enrollment_assets.warehouse.derive import stale_days

ASSET = "enrollment_metrics"

CHECKS = {
    "baseline_is_current": "The figures follow from the snapshots that stand now; a late, corrected or "
    "thrown out day makes later ones fail until they are restated."
}
ON_TIME = "snapshot_on_time"
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

    @dg.asset_check(
        asset=SNAPSHOTS,
        name=ON_TIME,
        description="The day's snapshot was taken in by half an hour after its tick.",
        partitions_def=daily_partitions(settings),
    )
    def snapshot_on_time(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        # Asked of Dagster and not of the warehouse: a long backfill must not make this one wait.
        found = context.instance.fetch_materializations(
            dg.AssetRecordsFilter(
                asset_key=dg.AssetKey(SNAPSHOTS), asset_partitions=[context.partition_key]
            ),
            limit=1,
        ).records
        status = None
        if found and (materialization := found[0].asset_materialization):
            status = materialization.metadata.get("status")
        return dg.AssetCheckResult(
            passed=status is not None and status.value == "accepted",
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={"status": status.value if status else "no run took it in"},
        )

    return [check_metrics, snapshot_on_time]
