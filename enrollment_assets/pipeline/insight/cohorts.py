"""Freezes the official count of each term, and follows the students in it.

A census is frozen once: later corrections change the daily figures, not the official ones. It is never
frozen over a day that is missing, held, rejected or in doubt: then a person confirms or moves it.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from enrollment_assets.config import Settings, Term
from enrollment_assets.errors import SnapshotMissingError
from enrollment_assets.schema.catalog import tables
from enrollment_assets.schema.table import BLANK_SEGMENT
from enrollment_assets.warehouse.connection import plain_errors
from enrollment_assets.warehouse.statements import statement
from enrollment_assets.warehouse.transactions import transaction

TABLES = ("term_persistence", "deposit_melt", "term_survival")


@dataclass(frozen=True)
class CensusDecision:
    """A person freezes a term's official count: from the snapshot of a day, by default its census."""

    term: str
    reason: str
    by: str
    day: dt.date | None = None


def follow(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    *,
    run_id: str,
    refreeze: str | None = None,
    decision: CensusDecision | None = None,
) -> dict[str, int]:
    """Freeze the censuses that have passed, and compute the tables again; returns their row counts.

    `refreeze` names a term whose frozen census is deleted first, unless a person decided about it.

    Raises:
        SnapshotMissingError: if a person decides for a day without an accepted snapshot.
        WarehouseError: if something cannot be written; then nothing was changed.
    """
    with plain_errors("Following cohorts"), transaction(connection):
        if refreeze and not _decided(connection, refreeze):
            _thaw(connection, refreeze)
        known = _frozen(connection)
        if decision:
            _decide(connection, settings, decision, run_id)
            known -= {decision.term}
        connection.execute(
            statement("freeze_censuses", settings), {**expected_days(settings), "run_id": run_id}
        )
        fresh = sorted(_frozen(connection) - known)
        if fresh:
            connection.execute(statement("census_members", settings))
        who: dict[str, object] = {
            "deposited": list(settings.statuses.deposited),
            "blank_segment": BLANK_SEGMENT,
        }
        # For terms that were frozen earlier, the snapshots before the census may have been pruned.
        connection.execute(
            "DELETE FROM enrollment.deposit_melt WHERE list_contains($terms::VARCHAR[], term)",
            {"terms": fresh},
        )
        if fresh and settings.statuses.deposited:
            _insert(connection, settings, "deposit_melt", {**who, "terms": fresh})
        for name, binds in (("term_persistence", who), ("term_survival", {})):
            connection.execute(f"DELETE FROM enrollment.{name}")
            _insert(connection, settings, name, binds)
        return {name: _count(connection, f"enrollment.{name}") for name in TABLES}


def changed_censuses(
    connection: duckdb.DuckDBPyConnection, settings: Settings
) -> list[tuple[object, ...]]:
    """Frozen censuses whose snapshot has changed since: see `changed_censuses.sql`."""
    with plain_errors("Comparing the frozen censuses"):
        return connection.execute(
            statement("changed_censuses", settings), expected_days(settings)
        ).fetchall()


def pending_censuses(
    connection: duckdb.DuckDBPyConnection, settings: Settings, today: dt.date
) -> list[tuple[str, dt.date, dt.date, str]]:
    """Censuses that passed and are not frozen: term, census, the day it needs, and its status."""
    with plain_errors("Looking for censuses that are not frozen"):
        return connection.execute(
            statement("pending_censuses", settings), {**expected_days(settings), "today": today}
        ).fetchall()


def expected_days(settings: Settings) -> dict[str, object]:
    """The day that each term's census is frozen from, as binds of `current_censuses.sql`."""
    return {
        "terms": [term.code for term in settings.terms],
        "days": [_expected_day(settings, term) for term in settings.terms],
    }


def _expected_day(settings: Settings, term: Term) -> dt.date:
    """The census, or the last day before it on which a snapshot is expected."""
    day = term.census
    while settings.why_no_snapshot(day) and day > term.registration_opens:
        day -= dt.timedelta(1)
    return day


def _decide(
    connection: duckdb.DuckDBPyConnection, settings: Settings, decision: CensusDecision, run_id: str
) -> None:
    """Freeze what a person decided, and keep who and why.

    Raises:
        SnapshotMissingError: if there is no accepted snapshot to freeze.
    """
    term = settings.term(decision.term)
    day = decision.day or _last_accepted(connection, term)
    before = connection.execute(
        "SELECT student_count FROM operations.census_snapshots WHERE term = ?", [term.code]
    ).fetchone()
    _thaw(connection, term.code)
    binds = {"term": term.code, "day": day, "run_id": run_id}
    connection.execute(statement("decide_census", settings), binds)
    frozen = connection.execute(
        "INSERT INTO operations.census_decisions BY NAME "
        "SELECT term, census_date, snapshot_date, student_count, $before AS student_count_before, "
        "$reason AS reason, $by AS decided_by, now() AS decided_at, run_id "
        "FROM operations.census_snapshots WHERE term = $term RETURNING term",
        {
            "term": term.code,
            "before": before[0] if before else None,
            "reason": decision.reason,
            "by": decision.by,
        },
    ).fetchall()
    if not frozen:
        what = f"on {day}" if day else f"on or before {term.census}"
        raise SnapshotMissingError(
            f"{term.code} has no accepted snapshot {what} to freeze; `enrollment status` shows the "
            "dates."
        )


def _last_accepted(connection: duckdb.DuckDBPyConnection, term: Term) -> dt.date | None:
    row = connection.execute(
        "SELECT max(snapshot_date) FROM enrollment.snapshot_log "
        "WHERE term = ? AND status = 'accepted' AND snapshot_date <= ?",
        [term.code, term.census],
    ).fetchone()
    return row[0] if row else None


def _decided(connection: duckdb.DuckDBPyConnection, term: str) -> bool:
    found = connection.execute(
        "SELECT 1 FROM operations.census_decisions WHERE term = ? LIMIT 1", [term]
    ).fetchone()
    return found is not None


def _thaw(connection: duckdb.DuckDBPyConnection, term: str) -> None:
    for table in ("operations.census_snapshots", "operations.census_members"):
        connection.execute(f"DELETE FROM {table} WHERE term = ?", [term])


def _frozen(connection: duckdb.DuckDBPyConnection) -> set[str]:
    rows = connection.execute("SELECT term FROM operations.census_snapshots").fetchall()
    return {term for (term,) in rows}


def _insert(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    name: str,
    binds: Mapping[str, object],
) -> None:
    table = tables(settings)[name]
    connection.execute(
        f"INSERT INTO {table.relation} BY NAME {statement(name, settings)}", dict(binds) or None
    )


def _count(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {relation}").fetchone()
    return int(row[0]) if row else 0
