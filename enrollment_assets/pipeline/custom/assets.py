"""Metrics that people add: one asset for each file of `sql/metrics/`, and for each of a package."""

from collections.abc import Collection

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.errors import ConfigurationError
from enrollment_assets.pipeline.assets import table_asset
from enrollment_assets.pipeline.names import CUSTOM_GROUP
from enrollment_assets.schema.custom import Metric, SqlMetric, custom_metrics


def build_assets(settings: Settings, taken: Collection[str]) -> list[dg.AssetsDefinition]:
    """One asset for each custom metric.

    Raises:
        ConfigurationError: if a metric cannot be read, or its name is one of those that are taken.
    """
    metrics = custom_metrics(settings)
    for name in metrics:
        if name in taken:
            raise ConfigurationError(
                f"The custom metric {name} has the name of an asset or step of the platform; choose "
                "another one."
            )
    return [_asset(settings, metric) for metric in metrics.values()]


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
