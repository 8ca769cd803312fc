"""A public door: copied `dagster.yaml` files name this module."""

from enrollment_assets.orchestration.instance_storage import PooledSqliteStorage

__all__ = ["PooledSqliteStorage"]
