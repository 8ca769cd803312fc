"""Writes what a SQL file computes into a table, days whole or not at all.

Long ranges go through in chunks of days, so that memory depends on the chunk and not on the range.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb

from enrollment_assets.config import Settings
from enrollment_assets.warehouse.connection import plain_errors, transaction
from enrollment_assets.warehouse.schema import Table
from enrollment_assets.warehouse.statements import statement

# Rows of snapshots that one statement looks at.
_CHUNK_ROWS = 750_000


@dataclass(frozen=True)
class Statement:
    """Rows that a SQL file computes; it binds `$first` and `$last`, and what is in `binds`.

    `whole_range` is for statements that read no snapshots, and so need no splitting.
    """

    name: str
    binds: Mapping[str, object] = field(default_factory=dict)
    whole_range: bool = False


def write_statement(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    table: Table,
    source: Statement,
    days: Sequence[dt.date],
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Replace consecutive days of a table by what a statement gives for them.

    `advance` hears how many days each chunk had, once it is committed.

    Raises:
        WarehouseError: if a chunk cannot be written; earlier chunks stand, this one is as it was.
    """
    query = statement(source.name, settings)
    for chunk in [days] if source.whole_range else _chunks(days, connection):
        first, last = chunk[0], chunk[-1]
        with plain_errors(f"Writing {table.name}"), transaction(connection):
            delete_days(connection, table, first, last)
            connection.execute(
                f"INSERT INTO {table.relation} BY NAME {query}",
                {**source.binds, "first": first, "last": last},
            )
        advance(len(chunk))


def delete_days(
    connection: duckdb.DuckDBPyConnection, table: Table, first: dt.date, last: dt.date
) -> None:
    """Delete the rows of a range of days; call inside a transaction that puts others there."""
    connection.execute(
        f"DELETE FROM {table.relation} WHERE {table.date_column} BETWEEN ? AND ?", [first, last]
    )


def _chunks(
    days: Sequence[dt.date], connection: duckdb.DuckDBPyConnection
) -> Iterator[list[dt.date]]:
    """Consecutive days that hold about as many rows as one statement should look at."""
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
        if chunk and size + rows.get(day, 0) > _CHUNK_ROWS:
            yield chunk
            chunk, size = [], 0
        chunk.append(day)
        size += rows.get(day, 0)
    if chunk:
        yield chunk
