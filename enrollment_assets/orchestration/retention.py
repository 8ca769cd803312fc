"""Removes data older than the periods under `retention`; figures derived from it stay."""

import datetime as dt
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import duckdb

from enrollment_assets.config import Settings
from enrollment_assets.orchestration.runs import UNFINISHED
from enrollment_assets.publishing.reports.site import refresh_site
from enrollment_assets.support.lazy import lazy
from enrollment_assets.warehouse.compaction import free_bytes
from enrollment_assets.warehouse.connection import plain_errors
from enrollment_assets.warehouse.statements import statement
from enrollment_assets.warehouse.tables import former_columns
from enrollment_assets.warehouse.transactions import transaction

if TYPE_CHECKING:
    from enrollment_assets.orchestration import log_upkeep
else:
    # It loads SQLAlchemy.
    log_upkeep = lazy("enrollment_assets.orchestration.log_upkeep")


@dataclass
class Old:
    """What is too old: snapshots by term, folders of reports, quarantined rows and lists, runs.

    `shown_runs` are old, too, but some partition shows them: they stay, without their logs, and
    without the `events` that newer ones have replaced. Free space counts where it is a good part of
    a file.
    """

    snapshots: dict[str, list[dt.date]] = field(default_factory=dict)
    kept_from: dict[str, dt.date] = field(default_factory=dict)
    rows: int = 0
    reports: list[Path] = field(default_factory=list)
    quarantine: list[Path] = field(default_factory=list)
    lists: list[Path] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    shown_runs: list[str] = field(default_factory=list)
    logs: int = 0
    events: int = 0
    long_events: int = 0
    log_free: int = 0
    warehouse_free: int = 0

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
            amounts["logs of Dagster runs"] = f"{self.logs:,}"
        if self.events:
            amounts["Dagster events that were replaced by newer ones"] = f"{self.events:,}"
        if self.long_events:
            amounts["text that Dagster events repeat"] = f"in {self.long_events:,} of them"
        for what, free in (
            ("the warehouse", self.warehouse_free),
            ("Dagster's log", self.log_free),
        ):
            if free:
                amounts[f"free space in {what}"] = f"{free / 1e6:,.1f} MB"
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
    if connection is not None:
        old.warehouse_free = free_bytes(connection)
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
        ended = _old_runs(instance, midnight - dt.timedelta(periods.runs_days))
        kept = log_upkeep.runs_to_keep(instance, ended)
        old.runs = [run_id for run_id in ended if run_id not in kept]
        old.shown_runs = [run_id for run_id in ended if run_id in kept]
        old.logs = len(log_upkeep.with_log(instance, old.shown_runs))
        old.events = log_upkeep.count_replaced(instance, old.shown_runs)
        old.long_events = log_upkeep.count_long(instance, old.shown_runs)
        old.log_free = log_upkeep.free_bytes(instance)
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
    if settings.retention.runs_days:
        for old_run in old.runs:
            instance.delete_run(old_run)
        # Dagster leaves the checks of a run that it deletes.
        log_upkeep.remove_replaced(instance, [*old.runs, *old.shown_runs])
        log_upkeep.remove_logs(instance, old.shown_runs)
        log_upkeep.shorten(instance, old.shown_runs)
        log_upkeep.shrink(instance, has_shorter_events=old.long_events > 0)


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


def _old_runs(instance: dg.DagsterInstance, before: dt.datetime) -> list[str]:
    """Runs that were created before a time, and have ended."""
    records = instance.get_run_records(dg.RunsFilter(created_before=before))
    return [
        record.dagster_run.run_id
        for record in records
        if record.dagster_run.status not in UNFINISHED
    ]
