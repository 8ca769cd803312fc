"""Remembers what was reported, and records every figure that changes afterward."""

import datetime as dt

import duckdb

from enrollment_assets.config import Settings
from enrollment_assets.warehouse.connection import plain_errors
from enrollment_assets.warehouse.statements import statement
from enrollment_assets.warehouse.transactions import transaction


def remember_reported(
    connection: duckdb.DuckDBPyConnection, settings: Settings, day: dt.date
) -> None:
    """Record the figures of a day as reported, in the transaction that writes the report."""
    with plain_errors("Recording the reported figures"):
        connection.execute("DELETE FROM operations.reported_figures WHERE date = ?", [day])
        connection.execute(statement("remember_reported", settings), {"day": day})


def append_restatements(
    connection: duckdb.DuckDBPyConnection, settings: Settings, *, run_id: str
) -> dict[dt.date, int]:
    """Add figures that changed since they were reported to `metric_restatements`; count them by day.

    Raises:
        WarehouseError: if they cannot be written; then none was added.
    """
    with plain_errors("Writing metric_restatements"), transaction(connection):
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE restated AS {statement('find_restatements', settings)}"
        )
        connection.execute(
            "INSERT INTO enrollment.metric_restatements BY NAME "
            "SELECT * EXCLUDE (lineage, code_version), now() AS restated_at, ? AS run_id "
            "FROM restated",
            [run_id],
        )
        key = "date, term, coalesce(dimension, ''), coalesce(segment, ''), metric"
        connection.execute(
            f"DELETE FROM operations.reported_figures WHERE ({key}) IN (SELECT ({key}) FROM restated)"
        )
        # A figure that is gone stays here without a value, so that its day still counts as reported.
        connection.execute(
            "INSERT INTO operations.reported_figures BY NAME "
            "SELECT * EXCLUDE (old_value, new_value, reason), new_value AS value FROM restated"
        )
        connection.execute(statement("refresh_reported", settings))
        counts = connection.execute(
            "SELECT date, count(*) FROM restated GROUP BY date ORDER BY date"
        ).fetchall()
    return dict(counts)


def outdated_pages(connection: duckdb.DuckDBPyConnection, settings: Settings) -> list[dt.date]:
    """The days whose page was last written before their latest restatement."""
    with plain_errors("Reading metric_restatements"):
        rows = connection.execute(
            "SELECT date, max(epoch(restated_at)) FROM enrollment.metric_restatements "
            "GROUP BY date ORDER BY date"
        ).fetchall()
    outdated = []
    for day, restated_at in rows:
        page = settings.report_path(day) / "report.html"
        if page.exists() and page.stat().st_mtime <= restated_at:
            outdated.append(day)
    return outdated
