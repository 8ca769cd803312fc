"""Checks on custom metrics: their keys, and the conditions they name."""

from collections.abc import Iterator

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.pipeline.checks import check_specs, results
from enrollment_assets.pipeline.custom.compute import Counts, check_counts
from enrollment_assets.pipeline.findings import Finding
from enrollment_assets.pipeline.names import POOL
from enrollment_assets.pipeline.partitions import days_of
from enrollment_assets.schema.custom import Metric
from enrollment_assets.schema.metric_files import custom_metrics
from enrollment_assets.warehouse.connection import Warehouse


def build_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """The checks on each custom metric, in one step for each."""
    return [_checks(settings, metric) for metric in custom_metrics(settings).values()]


def findings(metric: Metric, counts: Counts) -> list[Finding]:
    """The findings of one day: on the key, and on each condition."""
    key = {"rows": counts.rows, "without_key": counts.without_key, "repeated": counts.repeated}
    is_unique = not (counts.without_key or counts.repeated)
    return [
        Finding(metric.key_check, is_unique, is_error=True, figures=key),
        *(
            Finding(name, not failing, figures={"rows": counts.rows, "failing_rows": failing})
            for name, failing in counts.failing.items()
        ),
    ]


def _checks(settings: Settings, metric: Metric) -> dg.AssetChecksDefinition:
    descriptions = {
        metric.key_check: f"{', '.join(metric.key)} identify each row and are never empty.",
        **{name: f"Every row meets: {condition}" for name, condition in metric.checks.items()},
    }

    @dg.multi_asset_check(
        name=f"check_custom_{metric.name}",
        specs=check_specs(settings, metric.name, descriptions),
        pool=POOL,
    )
    def check_metric(
        context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> Iterator[dg.AssetCheckEvaluation | dg.AssetCheckResult]:
        days = days_of(context)
        with warehouse.connect() as connection:
            counts = check_counts(connection, metric, days)
        yield from results(metric.name, {day: findings(metric, counts[day]) for day in days})

    return check_metric
