"""Checks on the day's snapshot, all from the figures that were taken when it was read."""

from collections.abc import Iterator

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.pipeline.checks import check_specs, facts_by_day, results
from enrollment_assets.pipeline.ingest.findings import snapshot_findings
from enrollment_assets.pipeline.names import POOL
from enrollment_assets.pipeline.partitions import days_of
from enrollment_assets.warehouse.connection import Warehouse

ASSET = "enrollment_snapshots"

CHECKS = {
    "snapshot_present": "Every open term has an accepted snapshot, where one is expected.",
    "duplicate_student_ids": "Repeated keys stay under quality.max_duplicate_rate.",
    "missing_required_fields": "Empty ids and dimensions stay under quality.max_missing_rate.",
    "invalid_data_formats": "Ids, statuses and terms are of the configured form.",
    "enrollment_count_validation": "No headcount jumps beyond the bounds under quality.",
    "snapshot_differs": "A business day is not the last one once more, where they usually differ.",
}


def build_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """The checks on `enrollment_snapshots`."""

    @dg.multi_asset_check(
        name="check_snapshots", specs=check_specs(settings, ASSET, CHECKS), pool=POOL
    )
    def check_snapshots(
        context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> Iterator[dg.AssetCheckEvaluation | dg.AssetCheckResult]:
        days = days_of(context)
        facts = facts_by_day(warehouse, "quality_facts", days)
        yield from results(
            ASSET,
            {
                day: snapshot_findings(facts.get(day, []), settings, settings.why_no_snapshot(day))
                for day in days
            },
        )

    return [check_snapshots]
