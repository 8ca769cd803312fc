"""Removes data older than the periods under `retention`; figures derived from it stay."""

import datetime as dt
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import duckdb

from enrollment_assets.config import Settings
from enrollment_assets.orchestration.instance_storage import PooledSqliteEventLogStorage
from enrollment_assets.orchestration.runs import UNFINISHED
from enrollment_assets.pipeline.event_log import newest_materializations
from enrollment_assets.publishing.reports.site import refresh_site
from enrollment_assets.support import progress
from enrollment_assets.warehouse.connection import plain_errors
from enrollment_assets.warehouse.statements import statement
from enrollment_assets.warehouse.tables import former_columns
from enrollment_assets.warehouse.transactions import transaction


@dataclass
class Old:
    """What is too old: snapshots by term, folders of reports, quarantined rows and lists, runs.

    `logs`: runs that the UI still shows, as the newest of some partition, whose log is too old.
    """

    snapshots: dict[str, list[dt.date]] = field(default_factory=dict)
    kept_from: dict[str, dt.date] = field(default_factory=dict)
    rows: int = 0
    reports: list[Path] = field(default_factory=list)
    quarantine: list[Path] = field(default_factory=list)
    lists: list[Path] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, str]:
        """Each kind, and how much of it."""
        amounts = {
            f"snapshots of {term}": f"{len(days):,} days from {days[0]} to {days[-1]}; "
            f"kept from {self.kept_from[term]}"
            for term, days in self.snapshots.items()
        }
        if self.rows:
            amounts["snapshot rows"] = f"{self.rows:,}"
        for what, folders in (
            ("reports", self.reports),
            ("quarantined rows", self.quarantine),
            ("student lists", self.lists),
        ):
            if folders:
                days = f"{folders[0].name} to {folders[-1].name}"
                amounts[what] = f"{len(folders):,} days from {days}"
        if self.runs:
            amounts["Dagster runs with their events"] = f"{len(self.runs):,}"
        if self.logs:
            amounts["logs of Dagster runs"] = f"{len(self.logs):,}; their materializations stay"
        return amounts


def find_old(
    connection: duckdb.DuckDBPyConnection | None,
    settings: Settings,
    instance: dg.DagsterInstance,
    as_of: dt.date,
) -> Old:
    """What is too old on a day."""
    periods = settings.retention
    old = Old()
    if periods.snapshots_days:
        cutoff = as_of - dt.timedelta(periods.snapshots_days)
        if connection is not None:
            with plain_errors("Looking for old snapshots"):
                prunable = connection.execute(
                    statement("prunable_snapshots", settings), {"cutoff": cutoff}
                ).fetchall()
            for term, day, kept_from, rows in prunable:
                old.snapshots.setdefault(term, []).append(day)
                old.kept_from[term] = kept_from
                old.rows += rows
        old.quarantine = list(_folders(settings.data_path / "quarantine", cutoff))
        old.lists = list(_folders(settings.data_path / "student_lists", cutoff))
    if periods.reports_days:
        cutoff = as_of - dt.timedelta(periods.reports_days)
        first_kept = dt.datetime.combine(cutoff, dt.time(), settings.zone).timestamp()
        # By the time of writing: a report that a backfill made yesterday is not old.
        old.reports = [
            folder
            for folder in _folders(settings.data_path / "reports", cutoff)
            if _written(folder) < first_kept
        ]
    if periods.runs_days:
        midnight = dt.datetime.combine(as_of, dt.time(), settings.zone)
        old.runs, old.logs = _old_runs(instance, midnight - dt.timedelta(periods.runs_days))
    return old


def remove(
    connection: duckdb.DuckDBPyConnection | None,
    settings: Settings,
    instance: dg.DagsterInstance,
    old: Old,
    *,
    run_id: str,
) -> None:
    """Remove what is too old.

    Raises:
        WarehouseError: if the snapshots cannot be removed; then nothing was removed.
    """
    if connection is not None and old.snapshots:
        with plain_errors("Removing old snapshots"), transaction(connection):
            former = former_columns(connection, settings)
            for term, days in old.snapshots.items():
                kept_from = old.kept_from[term]
                connection.execute(
                    statement("spells_after_pruning", settings, former=former),
                    {"term": term, "kept_from": kept_from, "pruned": days},
                )
                connection.execute(
                    "DELETE FROM enrollment.enrollment_spells WHERE term = ? AND valid_from < ?",
                    [term, kept_from],
                )
                connection.execute(
                    "INSERT INTO enrollment.enrollment_spells BY NAME FROM spells_after_pruning"
                )
                connection.execute(
                    "INSERT INTO operations.pruned_snapshots VALUES (?, ?, ?, ?, now())",
                    [term, kept_from, len(days), run_id],
                )
        with plain_errors("Writing the smaller warehouse"):
            connection.execute("CHECKPOINT")
    for folder in (*old.reports, *old.quarantine, *old.lists):
        shutil.rmtree(folder)
    if old.reports:
        refresh_site(connection, settings)
    for old_run in old.runs:
        instance.delete_run(old_run)
    events = instance.event_log_storage if old.runs or old.logs else None
    if isinstance(events, PooledSqliteEventLogStorage):
        for old_run in old.logs:
            events.delete_log(old_run)
        if not events.shrink():
            progress.note("Dagster's files are in use and could not be made smaller; prune again.")


def _folders(parent: Path, cutoff: dt.date) -> Iterator[Path]:
    """The folders of days before the cutoff, in order; other folders are left alone."""
    for path in sorted(parent.glob("????-??-??")):
        try:
            day = dt.date.fromisoformat(path.name)
        except ValueError:
            continue
        if day < cutoff:
            yield path


def _written(folder: Path) -> float:
    """When the page of a report was written, in seconds since 1970."""
    page = folder / "report.html"
    return (page if page.exists() else folder).stat().st_mtime


def _old_runs(instance: dg.DagsterInstance, before: dt.datetime) -> tuple[list[str], list[str]]:
    """Runs that ended before a time: those to remove, and those of which only the log is removed.

    The newest run of each partition is what the UI shows of it.
    """
    records = instance.get_run_records(dg.RunsFilter(created_before=before))
    ended = [
        record.dagster_run.run_id
        for record in records
        if record.dagster_run.status not in UNFINISHED
    ]
    if not ended:
        return [], []
    kept = set(_newest_runs(instance))
    events = instance.event_log_storage
    logs = [
        run_id
        for run_id in ended
        if run_id in kept
        and isinstance(events, PooledSqliteEventLogStorage)
        and events.has_log(run_id)
    ]
    return [run_id for run_id in ended if run_id not in kept], logs


def _newest_runs(instance: dg.DagsterInstance) -> Iterator[str]:
    """The run of the newest materialization of every asset and partition."""
    for key in instance.all_asset_keys():
        for record in newest_materializations(instance, key):
            yield record.run_id
        latest = instance.get_latest_materialization_event(key)
        if latest:
            yield latest.run_id
