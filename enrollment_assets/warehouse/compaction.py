"""Writes the warehouse anew without the space that removed rows left: DuckDB keeps that in the file."""

import os
from pathlib import Path

import duckdb

from enrollment_assets.errors import WarehouseError
from enrollment_assets.support.files import written_aside
from enrollment_assets.support.literals import quoted
from enrollment_assets.warehouse.connection import Warehouse, plain_errors, taking_turns

# Writing the file anew takes its size once more on the disk: it must give back a tenth of it.
_LEAST_FREE = 0.1

_TABLES = (
    "SELECT schema_name, table_name FROM duckdb_tables() "
    "WHERE database_name = current_database() AND NOT temporary ORDER BY ALL"
)


def free_bytes(connection: duckdb.DuckDBPyConnection) -> int:
    """How many bytes of the open file are free blocks, if that is a good part of it; otherwise 0."""
    with plain_errors("Measuring the warehouse"):
        row = connection.execute(
            "SELECT block_size, free_blocks, total_blocks FROM pragma_database_size() "
            "WHERE database_name = current_database()"
        ).fetchone()
    block, free, total = row or (0, 0, 0)
    return int(block * free) if free and free >= total * _LEAST_FREE else 0


def compact(warehouse: Warehouse) -> None:
    """Write the file anew, and put the new one in its place, whole or not at all.

    Call with the writer's lock held, and no connection of this process open.

    Raises:
        WarehouseError: if there is no room for it; then nothing was changed.
    """
    path = warehouse.path
    # A thread that opened the old file meanwhile would write into one that has no name any more.
    with taking_turns(path, 0):
        try:
            with written_aside(path) as aside:
                # DuckDB makes its files itself; one that was killed may have left a log.
                log = Path(f"{aside}.wal")
                log.unlink(missing_ok=True)
                aside.unlink()
                with (
                    warehouse.connect() as connection,
                    plain_errors("Writing the smaller warehouse"),
                ):
                    connection.execute("CHECKPOINT")
                    connection.execute(f"ATTACH {quoted(aside)} AS smaller")
                    try:
                        _copy(connection)
                    finally:
                        connection.execute("DETACH smaller")
                        log.unlink(missing_ok=True)
                with aside.open("rb") as file:
                    os.fsync(file.fileno())
        except OSError as error:
            raise WarehouseError(
                f"{path} cannot be written anew ({error.strerror}); nothing was changed. Free as much "
                "space as the file takes."
            ) from None


def _copy(connection: duckdb.DuckDBPyConnection) -> None:
    row = connection.execute("SELECT current_database()").fetchone()
    here = row[0] if row else ""
    connection.execute(f'COPY FROM DATABASE "{here}" TO smaller')
    for schema, table in connection.execute(_TABLES).fetchall():
        counts = [
            connection.execute(f'SELECT count(*) FROM "{which}"."{schema}"."{table}"').fetchone()
            for which in (here, "smaller")
        ]
        if counts[0] != counts[1]:
            raise WarehouseError(
                f"The copy of {schema}.{table} is not complete; the warehouse was left as it was."
            )
