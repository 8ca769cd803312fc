"""A public door: what a file in `sql/metrics/` or a package imports to declare a metric."""

from enrollment_assets.schema.custom import CustomMetric

__all__ = ["CustomMetric"]
