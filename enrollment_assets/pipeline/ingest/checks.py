"""Checks on the day's snapshot from the figures recorded when it was read, and on the spells."""

from collections.abc import Iterator

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.pipeline.checks import check_specs, facts_by_day, results
from enrollment_assets.pipeline.ingest.findings import snapshot_findings
from enrollment_assets.pipeline.names import POOL
from enrollment_assets.pipeline.partitions import days_of
from enrollment_assets.warehouse.connection import Warehouse, plain_errors
from enrollment_assets.warehouse.statements import statement
from enrollment_assets.warehouse.tables import former_columns

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

CANONICAL = "spells_are_canonical"


def build_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """The checks on `enrollment_snapshots`: of each day, and one of the store as a whole."""

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

    @dg.asset_check(
        asset=ASSET,
        name=CANONICAL,
        description="In the terms of these days no two spells that follow each other hold the same "
        "row, none overlap, and each begins and ends with an accepted snapshot.",
        pool=POOL,
    )
    def check_spells(
        context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> dg.AssetCheckResult:
        terms = {term.code for day in days_of(context) for term in settings.open_terms(day)}
        with warehouse.connect() as connection, plain_errors("Checking the spells"):
            query = statement(
                "spells_not_canonical", settings, former=former_columns(connection, settings)
            )
            found = connection.execute(query, {"terms": sorted(terms)})
            names = [column[0] for column in found.description or []]
            spells, *faults = found.fetchall()[0]
        return dg.AssetCheckResult(
            passed=not any(faults),
            severity=dg.AssetCheckSeverity.ERROR,
            metadata=dict(zip(names, (spells, *faults), strict=True)),
        )

    return [check_snapshots, check_spells]
