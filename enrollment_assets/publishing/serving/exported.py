"""Reads the exported tables: Parquet files that the pipeline may replace at any moment.

The warehouse is never opened. A file is opened once for each request, and DuckDB reads the open
file, so that a request sees the whole old file or the whole new one, even if it is replaced
meanwhile.
"""

import datetime as dt
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb

from enrollment_assets.config import Settings
from enrollment_assets.errors import ExportError
from enrollment_assets.publishing.exports.files import export_path
from enrollment_assets.publishing.serving.tables import View
from enrollment_assets.schema.table import Column

_OPTIONS: dict[str, str | bool | int | float | list[str]] = {
    # Requests name their file by its descriptor, and the next one's may have the same number.
    "enable_external_file_cache": "false",
    # Nothing is fetched from outside.
    "autoinstall_known_extensions": "false",
    "memory_limit": "500MB",
    "threads": "2",
    "lock_configuration": "true",
}
_WRITE_THEM = "`enrollment run` or `enrollment backfill --reports` writes it."


@dataclass(frozen=True)
class Rows:
    """Some rows of a table, the number of all rows, and when the file was published."""

    items: list[dict[str, Any]]
    total: int
    published_at: dt.datetime


@dataclass(frozen=True)
class Condition:
    """What rows must meet: `column <comparison> value`; the value is bound."""

    column: str
    comparison: str
    value: object


class OpenTable:
    """One table's open file; all answers come from the same version of it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, view: View, file: int) -> None:
        self._connection = connection
        self._view = view
        self._file = file

    def rows(self, conditions: Sequence[Condition], limit: int, offset: int) -> Rows:
        """The rows that meet all conditions, in the order of the view's key."""
        where, binds = self._where(conditions)
        order = ", ".join(
            f"{self._name(name)} NULLS FIRST" for name in (*self._view.key, *self._view.then)
        )
        shown = ", ".join(
            f'{self._value(column)} AS "{column.name}"' for column in self._view.columns
        )
        (total,) = self._all(f"SELECT count(*) FROM read_parquet(?) {where}", binds)[0]
        rows = self._all(
            f"SELECT {shown} FROM read_parquet(?) {where} ORDER BY {order} LIMIT ? OFFSET ?",
            [*binds, limit, offset],
        )
        names = [column.name for column in self._view.columns]
        published = dt.datetime.fromtimestamp(os.fstat(self._file).st_mtime, dt.UTC)
        return Rows([dict(zip(names, row, strict=True)) for row in rows], total, published)

    def values(self, column: str) -> list[Any]:
        """The distinct values of a column, in order."""
        name = self._name(column)
        rows = self._all(
            f"SELECT DISTINCT {name} FROM read_parquet(?) WHERE {name} IS NOT NULL ORDER BY 1", []
        )
        return [value for (value,) in rows]

    def newest(self, column: str, conditions: Sequence[Condition]) -> Any:
        """The largest value of a column among the rows that meet all conditions, or None."""
        where, binds = self._where(conditions)
        return self._all(f"SELECT max({self._name(column)}) FROM read_parquet(?) {where}", binds)[
            0
        ][0]

    def _where(self, conditions: Sequence[Condition]) -> tuple[str, list[object]]:
        if not conditions:
            return "", []
        terms = " AND ".join(f"{self._name(c.column)} {c.comparison} ?" for c in conditions)
        return f"WHERE {terms}", [c.value for c in conditions]

    def _name(self, column: str) -> str:
        return f'"{self._view.in_file[column]}"'

    def _value(self, column: Column) -> str:
        name = self._name(column.name)
        # JSON has neither NaN nor infinity.
        if column.type == "DOUBLE":
            return f"CASE WHEN isfinite({name}::DOUBLE) THEN {name}::DOUBLE END"
        return f"{name}::{column.type}"

    def _all(self, sql: str, binds: Sequence[object]) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(sql, [f"/dev/fd/{self._file}", *binds]).fetchall()
        except duckdb.Error as error:
            raise ExportError(
                f"The export of {self._view.table} cannot be read ({type(error).__name__}); it is "
                f"damaged or of another version. {_WRITE_THEM}"
            ) from None


class Exports:
    """The exported tables of one configuration."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database = duckdb.connect(":memory:", config=_OPTIONS)

    @contextmanager
    def open(self, view: View) -> Iterator[OpenTable]:
        """Open a table's file as it is now.

        Raises:
            ExportError: if it does not exist or cannot be opened.
        """
        try:
            file = os.open(
                export_path(self._settings, "parquet", view.table), os.O_RDONLY | os.O_CLOEXEC
            )
        except FileNotFoundError:
            raise ExportError(self._why_missing(view)) from None
        except OSError as error:
            raise ExportError(
                f"The export of {view.table} cannot be opened ({error.strerror}); check the rights of "
                "data_dir/exports."
            ) from None
        try:
            with self._database.cursor() as connection:
                yield OpenTable(connection, view, file)
        finally:
            os.close(file)

    def _why_missing(self, view: View) -> str:
        if "parquet" not in self._settings.exports.formats:
            return (
                "The API reads Parquet files, and exports.formats does not list parquet; add "
                "parquet to exports.formats in enrollment.yaml and write the exports again."
            )
        return f"There is no export of {view.table} yet. {_WRITE_THEM}"
