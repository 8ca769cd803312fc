"""Checks on insight: no unusual changes, useful forecasts, unchanged censuses."""

from collections.abc import Iterator

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.pipeline.checks import check_specs, facts_by_day, results
from enrollment_assets.pipeline.insight.cohorts import changed_censuses, pending_censuses
from enrollment_assets.pipeline.insight.findings import (
    census_as_frozen,
    forecast_beats_naive,
    interval_coverage,
    no_anomalies,
)
from enrollment_assets.pipeline.names import POOL
from enrollment_assets.pipeline.partitions import days_of
from enrollment_assets.warehouse.connection import Warehouse

ANOMALIES, SCORECARD, COHORTS = "enrollment_anomalies", "forecast_scorecard", "term_persistence"

UNUSUAL = {"no_anomalies": "No unusual change; the metadata lists each one and its probable cause."}
FORECASTS = {
    "forecast_beats_naive": "Issued forecasts were more accurate than a no-change forecast.",
    "interval_coverage": "About 80% of outcomes fell inside the 80% interval of issued forecasts.",
}


def build_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """The checks on anomalies, forecasts and frozen censuses; all of them only warn."""

    @dg.multi_asset_check(
        name="check_anomalies",
        # The check publishes anomalies, so it must know first which segments are withheld.
        specs=check_specs(settings, ANOMALIES, UNUSUAL, after=["segment_disclosure"]),
        pool=POOL,
    )
    def check_anomalies(
        context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> Iterator[dg.AssetCheckEvaluation | dg.AssetCheckResult]:
        days = days_of(context)
        facts = facts_by_day(warehouse, "anomaly_facts", days)
        yield from results(ANOMALIES, {day: [no_anomalies(facts.get(day, []))] for day in days})

    @dg.multi_asset_check(
        name="check_forecasts", specs=check_specs(settings, SCORECARD, FORECASTS), pool=POOL
    )
    def check_forecasts(
        context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> Iterator[dg.AssetCheckEvaluation | dg.AssetCheckResult]:
        days = days_of(context)
        facts = facts_by_day(warehouse, "forecast_facts", days)
        yield from results(
            SCORECARD,
            {
                day: [
                    forecast_beats_naive(facts.get(day, [])),
                    interval_coverage(facts.get(day, [])),
                ]
                for day in days
            },
        )

    @dg.asset_check(
        asset=COHORTS,
        name="census_as_frozen",
        description="The frozen official counts match the current snapshots, and each one is frozen.",
        pool=POOL,
    )
    def check_censuses(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
        with warehouse.connect() as connection:
            finding = census_as_frozen(
                changed_censuses(connection, settings),
                pending_censuses(connection, settings, settings.today()),
            )
        return dg.AssetCheckResult(
            passed=finding.passed,
            severity=dg.AssetCheckSeverity.WARN,
            metadata=dict(finding.figures),
        )

    return [check_anomalies, check_forecasts, check_censuses]
