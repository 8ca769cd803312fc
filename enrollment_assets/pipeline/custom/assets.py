"""Metrics that people add: one asset for each file of `sql/metrics/`, and for each of a package."""

from collections.abc import Collection

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.errors import ConfigurationError
from enrollment_assets.pipeline.assets import TAGS, table_asset
from enrollment_assets.pipeline.names import CUSTOM_GROUP, OWNERS, POOL
from enrollment_assets.pipeline.partitions import daily_partitions
from enrollment_assets.schema.custom import Metric, SqlMetric
from enrollment_assets.schema.metric_files import custom_metrics, metric_faults


def build_assets(settings: Settings, taken: Collection[str]) -> list[dg.AssetsDefinition]:
    """One asset for each custom metric; one that cannot be computed fails alone, with the reason.

    Raises:
        ConfigurationError: if the name of a metric is one of those that are taken.
    """
    metrics = custom_metrics(settings)
    faults = metric_faults(settings)
    for name in (*metrics, *faults):
        if name in taken:
            raise ConfigurationError(
                f"The custom metric {name} has the name of an asset or step of the platform; choose "
                "another one."
            )
    broken = [_broken(settings, name, fault) for name, fault in faults.items()]
    return [*(_asset(settings, metric) for metric in metrics.values()), *broken]


def _broken(settings: Settings, name: str, fault: str) -> dg.AssetsDefinition:
    """An asset in place of a metric that cannot be computed: its step fails, and no other one."""

    @dg.asset(
        name=name,
        group_name=CUSTOM_GROUP,
        description=f"This metric cannot be computed: {fault}",
        kinds={"duckdb"},
        owners=list(OWNERS),
        tags=TAGS,
        deps=["enrollment_metrics"],
        partitions_def=daily_partitions(settings),
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
    )
    def say_why() -> None:
        raise dg.Failure(fault, allow_retries=False)

    return say_why


def _asset(settings: Settings, metric: Metric) -> dg.AssetsDefinition:
    file, line = metric.written_at
    source = dg.LocalFileCodeReference(file_path=file, line_number=line, label=metric.name)

    @table_asset(
        settings,
        metric.table,
        group=CUSTOM_GROUP,
        language="sql" if isinstance(metric, SqlMetric) else "pandas",
        metadata={
            "dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[source])
        },
    )
    def rows() -> Metric:
        return metric

    return rows
