"""Checks on the day's snapshot, all from the figures recorded when it was read."""

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
    "snapshot_present": "Every open term has an accepted snapshot where one is expected.",
    "duplicate_student_ids": "The share of duplicate rows stays within quality.max_duplicate_rate.",
    "missing_required_fields": "The shares of rows without a student ID, or with an empty "
    "dimension, stay within quality.max_missing_rate.",
    "invalid_data_formats": "Student IDs, statuses and terms are as configured.",
    "enrollment_count_validation": "Headcounts change no more than the bounds under quality allow.",
    "snapshot_not_in_doubt": "No accepted snapshot looks like a fault; only quality.on_doubt: warn "
    "accepts one that does.",
    "snapshot_differs": "The snapshot of a business day differs from the last one, if it usually does.",
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
