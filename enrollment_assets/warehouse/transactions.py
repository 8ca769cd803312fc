"""Writes that happen together or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import duckdb


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All of the block's writes, or none."""
    connection.begin()
    try:
        yield
    except BaseException:
        # After some errors DuckDB has rolled back on its own.
        with suppress(duckdb.TransactionException):
            connection.rollback()
        raise
    connection.commit()
