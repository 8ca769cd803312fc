"""Keeps what was reported, and writes down every figure that changes afterwards."""

import datetime as dt

import duckdb

from enrollment_assets.config import Settings
from enrollment_assets.warehouse.connection import plain_errors, transaction
from enrollment_assets.warehouse.statements import statement


def remember_reported(
    connection: duckdb.DuckDBPyConnection, settings: Settings, day: dt.date
) -> None:
    """Note the figures of a day as reported. Call in the transaction in which the report is written."""
    with plain_errors("Noting what is reported"):
        connection.execute("DELETE FROM operations.reported_figures WHERE date = ?", [day])
        connection.execute(statement("remember_reported", settings), {"day": day})


def append_restatements(
    connection: duckdb.DuckDBPyConnection, settings: Settings, *, run_id: str
) -> dict[dt.date, int]:
    """Add what changed since it was reported to `metric_restatements`; figures per day come back.

    Raises:
        WarehouseError: if it cannot be written; nothing was added.
    """
    with plain_errors("Writing metric_restatements"), transaction(connection):
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE restated AS {statement('find_restatements', settings)}"
        )
        connection.execute(
            "INSERT INTO enrollment.metric_restatements BY NAME "
            "SELECT *, now() AS restated_at, ? AS run_id FROM restated",
            [run_id],
        )
        key = "date, term, coalesce(dimension, ''), coalesce(segment, ''), metric"
        connection.execute(
            f"DELETE FROM operations.reported_figures WHERE ({key}) IN (SELECT ({key}) FROM restated)"
        )
        # A figure that went keeps its place without a value: its day stays a reported one.
        connection.execute(
            "INSERT INTO operations.reported_figures BY NAME "
            "SELECT * EXCLUDE (old_value, new_value), new_value AS value FROM restated"
        )
        found = connection.execute(
            "SELECT date, count(*) FROM restated GROUP BY date ORDER BY date"
        ).fetchall()
    return dict(found)


def overtaken_pages(connection: duckdb.DuckDBPyConnection, settings: Settings) -> list[dt.date]:
    """The days whose report was written, or last told so, before its newest restatement."""
    with plain_errors("Reading metric_restatements"):
        rows = connection.execute(
            "SELECT date, max(epoch(restated_at)) FROM enrollment.metric_restatements "
            "GROUP BY date ORDER BY date"
        ).fetchall()
    found = []
    for day, restated_at in rows:
        page = settings.report_path(day) / "report.html"
        if page.exists() and page.stat().st_mtime <= restated_at:
            found.append(day)
    return found
