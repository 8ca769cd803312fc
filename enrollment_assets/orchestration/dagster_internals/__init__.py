"""Dagster's private names, all that this project uses, in this room only.

The version of Dagster is pinned for them. Tags are public text, and stand as strings in
`pipeline/names.py`; a test compares those with Dagster's own. What the SQLite storage is built on is in
`storage`, apart, since it loads SQLAlchemy.
"""

# What `DagsterInstance.get` raises for a `dagster.yaml` that it cannot use: one of two kinds.
from dagster._check import CheckError

# The type of what `define_asset_job` gives.
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

# Backfills have no public read interface; alerts wait for their end.
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus, PartitionBackfill

# Base classes of the IO manager: dagster-duckdb offers no hook for a transaction.
from dagster._core.storage.db_io_manager import DbIOManager, DbTypeHandler, TableSlice

# When the last tick of a cron string was: the schedule decides by it whether a file is late.
from dagster._utils.schedules import reverse_cron_string_iterator
from dagster_shared.error import DagsterError

__all__ = [
    "BulkActionStatus",
    "BulkActionsFilter",
    "CheckError",
    "DagsterError",
    "DbIOManager",
    "DbTypeHandler",
    "PartitionBackfill",
    "TableSlice",
    "UnresolvedAssetJobDefinition",
    "reverse_cron_string_iterator",
]
