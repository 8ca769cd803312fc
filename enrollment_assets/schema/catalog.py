"""All tables of a configuration: the platform's own, and those of custom metrics."""

from enrollment_assets.config import Settings
from enrollment_assets.schema.custom import custom_metrics
from enrollment_assets.schema.platform import platform_tables
from enrollment_assets.schema.table import Table


def tables(settings: Settings) -> dict[str, Table]:
    """Every table of these settings, under its name."""
    custom = {name: metric.table for name, metric in custom_metrics(settings).items()}
    return {**platform_tables(settings), **custom}
