"""Freezes the official count of each term, and follows the students in it.

A census is frozen once: later corrections change the daily figures, not the official ones.
"""

from collections.abc import Mapping

import duckdb

from enrollment_assets.config import Settings
from enrollment_assets.schema.catalog import tables
from enrollment_assets.warehouse.connection import plain_errors, transaction
from enrollment_assets.warehouse.derive import BLANK_SEGMENT
from enrollment_assets.warehouse.statements import statement

TABLES = ("term_persistence", "deposit_melt", "term_survival")


def follow(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    *,
    run_id: str,
    refreeze: str | None = None,
) -> dict[str, int]:
    """Freeze the censuses that have passed, and compute the tables again; returns their row counts.

    `refreeze` names a term whose frozen census is deleted first.

    Raises:
        WarehouseError: if something cannot be written; then nothing was changed.
    """
    with plain_errors("Following cohorts"), transaction(connection):
        if refreeze:
            for table in ("operations.census_snapshots", "operations.census_members"):
                connection.execute(f"DELETE FROM {table} WHERE term = ?", [refreeze])
        known = _frozen(connection)
        connection.execute(statement("freeze_censuses", settings), {"run_id": run_id})
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
        return connection.execute(statement("changed_censuses", settings)).fetchall()


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
