"""Dagster's private names, all that this project uses, in this room only.

The version of Dagster is pinned for them. Tags are public text, and are strings in
`pipeline/names.py`; a test compares those with Dagster's own. What the SQLite storage is built on is in
`storage`, apart, since it loads SQLAlchemy.
"""

from typing import TYPE_CHECKING

# What `DagsterInstance.get` raises for a `dagster.yaml` that it cannot use: one of two kinds.
from dagster._check import CheckError

# A job of this process, as `execute_run` below takes it.
from dagster._core.definitions.job_base import InMemoryJob

# The type of what `define_asset_job` gives.
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

# Runs what `create_run_for_job` recorded. `execute_job`, which is public, asks for a job that it
# loads a second time, and records no code location.
from dagster._core.execution.api import execute_run

# Which code location a run belongs to: the UI finds runs by it, and begins them again there.
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin

# How a tick of a sensor or schedule ended: `doctor` and `status` look at them.
from dagster._core.scheduler.instigation import InstigatorState, InstigatorTick, TickStatus

# Base classes of the IO manager: dagster-duckdb offers no hook for a transaction.
from dagster._core.storage.db_io_manager import DbIOManager, DbTypeHandler, TableSlice

# When the last tick of a cron string was: the schedule decides by it whether a file is late.
from dagster._utils.schedules import reverse_cron_string_iterator
from dagster_shared.error import DagsterError

from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    # Backfills have no public read interface; alerts wait for their end.
    from dagster._core.execution import backfill
else:
    # A fifth of a second, which only the daemon needs.
    backfill = lazy("dagster._core.execution.backfill")

__all__ = [
    "CheckError",
    "DagsterError",
    "DbIOManager",
    "DbTypeHandler",
    "InMemoryJob",
    "InstigatorState",
    "InstigatorTick",
    "RegisteredCodeLocationOrigin",
    "RemoteRepositoryOrigin",
    "TableSlice",
    "TickStatus",
    "UnresolvedAssetJobDefinition",
    "backfill",
    "execute_run",
    "reverse_cron_string_iterator",
]
