"""Checks on the changes: they add up."""

from collections.abc import Iterator

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.pipeline.changes.findings import changes_reconcile
from enrollment_assets.pipeline.checks import check_specs, facts_by_day, results
from enrollment_assets.pipeline.names import POOL
from enrollment_assets.pipeline.partitions import days_of
from enrollment_assets.warehouse.connection import Warehouse

ASSET = "student_changes"

CHECKS = {
    "changes_reconcile": "The headcount equals the baseline's headcount plus added minus dropped "
    "students, recounted from the rows."
}


def build_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """The checks on `student_changes`."""

    @dg.multi_asset_check(
        name="check_changes", specs=check_specs(settings, ASSET, CHECKS), pool=POOL
    )
    def check_changes(
        context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> Iterator[dg.AssetCheckEvaluation | dg.AssetCheckResult]:
        days = days_of(context)
        facts = facts_by_day(warehouse, "reconcile_changes", days)
        yield from results(ASSET, {day: [changes_reconcile(facts.get(day, []))] for day in days})

    return [check_changes]
