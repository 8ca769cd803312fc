"""Writes the result of a SQL file into a table, each day whole or not at all, and knows what is stale.

Long ranges go through in chunks of days, so that memory depends on the chunk and not on the range.
With its rows each day gets a fingerprint of all that they depend on, and one of the formula: when a
late, corrected or rejected day changes the first, or a new version of the program or a setting the
second, the day is stale until it is restated.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from enrollment_assets.config import Settings
from enrollment_assets.errors import WarehouseError
from enrollment_assets.schema.catalog import tables
from enrollment_assets.schema.table import BLANK_SEGMENT, Table
from enrollment_assets.warehouse.connection import plain_errors
from enrollment_assets.warehouse.logic import load_code_versions
from enrollment_assets.warehouse.statements import statement
from enrollment_assets.warehouse.transactions import transaction

if TYPE_CHECKING:
    import pandas as pd

# Rows of snapshots that one statement looks at.
_CHUNK_ROWS = 750_000

# Days of figures that Python looks at in one go: what it makes of them stays in memory.
_CHUNK_DAYS = 92


@dataclass(frozen=True)
class Statement:
    """Rows that the statement of a declared table computes (`schema.platform`)."""

    name: str


Compute = Callable[[duckdb.DuckDBPyConnection, Settings, Sequence[dt.date]], "pd.DataFrame"]


@dataclass(frozen=True)
class Computed:
    """Rows that Python computes from stored figures: a function of the days to compute.

    The frame that it gives has the columns of the table `name`, for these days alone. `then` names
    statements that go over the same days (`$first`, `$last`, `$run_id`) in the same transaction.
    """

    name: str
    compute: Compute
    then: tuple[str, ...] = ()


def write_statement(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    source: Statement,
    days: Sequence[dt.date],
    *,
    run_id: str,
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Replace consecutive days of a statement's table by what it gives for them.

    A table that reads snapshots goes through long ranges in chunks, and leaves days alone whose
    snapshots were pruned. `advance` hears how many days each chunk had, once it is committed.

    Raises:
        WarehouseError: if a chunk cannot be written; earlier chunks are stored, this one is unchanged.
    """
    table = tables(settings)[source.name]
    query = statement(source.name, settings)
    keeps_frozen = table.reads_snapshots and any_frozen(connection)
    if keeps_frozen:
        query = f"SELECT fresh.* FROM ({query}) AS fresh WHERE {_not_frozen(table, 'fresh')}"
    for chunk in chunks(days, connection) if table.reads_snapshots else [days]:
        first, last = chunk[0], chunk[-1]
        values = {"first": first, "last": last, "blank_segment": BLANK_SEGMENT}
        with plain_errors(f"Writing {table.name}"), transaction(connection):
            delete_days(connection, table, first, last, keep_frozen=keeps_frozen)
            connection.execute(
                f"INSERT INTO {table.relation} BY NAME {query}",
                {name: values[name] for name in table.binds},
            )
            record_derivations(connection, settings, table, first, last, run_id)
        advance(len(chunk))


def write_computed(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    source: Computed,
    days: Sequence[dt.date],
    *,
    run_id: str,
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Replace consecutive days of a table by what Python computes for them, some months at a time.

    Raises:
        WarehouseError: if a chunk cannot be written; earlier chunks are stored, this one is unchanged.
    """
    table = tables(settings)[source.name]
    keeps_frozen = table.reads_snapshots and any_frozen(connection)
    for start in range(0, len(days), _CHUNK_DAYS):
        chunk = days[start : start + _CHUNK_DAYS]
        first, last = chunk[0], chunk[-1]
        frame = source.compute(connection, settings, chunk)
        check_columns(table, list(frame.columns))
        with plain_errors(f"Writing {table.name}"), transaction(connection):
            connection.register("computed_rows", frame)
            replace_rows(connection, table, chunk, "computed_rows", keep_frozen=keeps_frozen)
            connection.unregister("computed_rows")
            record_derivations(connection, settings, table, first, last, run_id)
            for name in source.then:
                connection.execute(
                    statement(name, settings), {"first": first, "last": last, "run_id": run_id}
                )
        advance(len(chunk))


def record_derivations(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    table: Table,
    first: dt.date,
    last: dt.date,
    run_id: str,
) -> None:
    """Note from what the rows of a range of days were computed."""
    about = {"table_name": table.name, "first": first, "last": last}
    connection.execute(
        "DELETE FROM operations.derivations "
        "WHERE table_name = $table_name AND date BETWEEN $first AND $last",
        about,
    )
    load_code_versions(connection, settings)
    connection.execute(statement("record_derivations", settings), {**about, "run_id": run_id})


def delete_days(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    first: dt.date,
    last: dt.date,
    *,
    keep_frozen: bool = False,
) -> None:
    """Delete the rows of a range of days; call inside a transaction that puts others there."""
    kept = f" AND {_not_frozen(table, 'old')}" if keep_frozen else ""
    connection.execute(
        f"DELETE FROM {table.relation} AS old WHERE {table.date_column} BETWEEN ? AND ?{kept}",
        [first, last],
    )


def check_columns(table: Table, names: Sequence[str]) -> None:
    """Ask whether rows have exactly the table's columns, in whatever order.

    Raises:
        WarehouseError: with the columns that are missing or unknown.
    """
    missing = [name for name in table.column_names if name not in names]
    unknown = [name for name in names if name not in table.column_names]
    if missing or unknown:
        raise WarehouseError(
            f"Writing {table.name}: "
            + "; ".join(
                f"{what} columns {', '.join(columns)}"
                for what, columns in (("missing", missing), ("unknown", unknown))
                if columns
            )
            + ". Nothing was changed."
        )


def casts(table: Table) -> str:
    """The select list that gives each column its declared type."""
    return ", ".join(
        f'CAST("{column.name}" AS {column.type}) AS "{column.name}"' for column in table.columns
    )


def replace_rows(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    days: Sequence[dt.date],
    relation: str,
    *,
    keep_frozen: bool = False,
) -> None:
    """Replace consecutive days of a table by a relation's rows, whose columns were checked.

    Call inside a transaction.

    Raises:
        WarehouseError: if a row's day is not one of the days.
    """
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE arrived AS SELECT {casts(table)} FROM {relation}"
    )
    outside = connection.execute(
        f"SELECT count(*) FROM arrived WHERE {table.date_column} IS NULL "
        f"OR NOT list_contains(?, {table.date_column})",
        [days],
    ).fetchall()[0][0]
    if outside:
        raise WarehouseError(
            f"Writing {table.name}: {outside} rows have a {table.date_column} outside the "
            f"partitions {days[0]} to {days[-1]}; nothing was changed."
        )
    delete_days(connection, table, days[0], days[-1], keep_frozen=keep_frozen)
    kept = f" WHERE {_not_frozen(table, 'arrived')}" if keep_frozen else ""
    connection.execute(f"INSERT INTO {table.relation} BY NAME FROM arrived{kept}")


def any_frozen(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether snapshots were pruned, so that what was computed from them is final."""
    return connection.execute("SELECT 1 FROM frozen").fetchone() is not None


def _not_frozen(table: Table, alias: str) -> str:
    # A table that does not tell terms apart has days that are final as soon as one of them is.
    same_term = f"frozen.term = {alias}.term AND " if "term" in table.column_names else ""
    return (
        f"NOT EXISTS (SELECT 1 FROM frozen WHERE {same_term}"
        f"{alias}.{table.date_column} <= frozen.kept_from)"
    )


def stale_days(
    connection: duckdb.DuckDBPyConnection, settings: Settings, *, insight: bool = False
) -> dict[dt.date, list[str]]:
    """The stale days, and the terms on each, in order: of the core figures, or of `insight`.

    Days before `start_date`, if it was moved later, no longer have a partition and stay as they are.
    """
    terms_by_day: dict[dt.date, list[str]] = {}
    with plain_errors("Looking for stale days"):
        load_code_versions(connection, settings)
        name = "stale_insight" if insight else "stale_days"
        rows = connection.execute(statement(name, settings)).fetchall()
    for term, date, _ in rows:
        if date >= settings.start_date:
            terms_by_day.setdefault(date, []).append(term)
    return terms_by_day


def chunks(
    days: Sequence[dt.date], connection: duckdb.DuckDBPyConnection, most_rows: int = _CHUNK_ROWS
) -> Iterator[list[dt.date]]:
    """Consecutive days that hold about as many rows of snapshots as one step should look at."""
    rows = dict(
        connection.execute(
            "SELECT snapshot_date, sum(row_count)::BIGINT FROM enrollment.snapshot_log "
            "WHERE status = 'accepted' AND snapshot_date BETWEEN ? AND ? GROUP BY ALL",
            [days[0], days[-1]],
        ).fetchall()
    )
    chunk: list[dt.date] = []
    size = 0
    for day in days:
        if chunk and size + rows.get(day, 0) > most_rows:
            yield chunk
            chunk, size = [], 0
        chunk.append(day)
        size += rows.get(day, 0)
    if chunk:
        yield chunk
